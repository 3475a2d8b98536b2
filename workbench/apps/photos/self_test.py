"""Does it work on these photos? Recognisers trained on the copies, in several ways, and their twins on the originals,
met by photos that neither has seen, and one that exists already. No result is assumed: all is tried here and now.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench import models, noise
from workbench.apps.photos import known, known_words, private_folder
from workbench.apps.photos.findings import OTHERS, PHOTOS, PRETRAINED, Things, sentences
from workbench.apps.photos.grouping import owned
from workbench.apps.photos.sources import Source, gather, picture
from workbench.apps.photos.where import cut, within
from workbench.apps.photos.working_set import RECOGNISER, SIDE, numbered, thumbnail, with_company
from workbench.config import DataError, NoiseConfig, ProtectConfig
from workbench.data.dataset import DataPair, Dataset
from workbench.export import verify
from workbench.files import untrusted
from workbench.files.picture_kinds import Reader, read, whole
from workbench.files.pictures import Photo, decode
from workbench.judging import judgement
from workbench.judging.config import JudgeConfig
from workbench.judging.trial import Case
from workbench.models import existing
from workbench.records import table

TRAINING, TRAINING_RANDOM = "recognisers", "recognisers, random noise"
TRAINING_PRETRAINED = "a network that learnt ImageNet before"
HELD_OUT = 0.3  # of a person's photos are met later
People = Mapping[str, str] | None
LEAST_PHOTOS = 3  # of a person, or nothing of that person can be held out


class TooFew(DataError):
    """There are too few photos to train and test on."""


@dataclass(frozen=True)
class SelfTest:
    """What was found: `rows` is a tidy table of the data "photos"; `sentences` say it in plain words.

    leads: how many of the sentences are answers, the others saying more; photos: how many were kept aside; known: what
    an existing recogniser makes of the copies (known.compare), empty where it is not installed.
    """

    rows: pd.DataFrame
    sentences: list[str]
    photos: int = 0
    known: pd.DataFrame = field(default_factory=pd.DataFrame)
    leads: int = 1
    things: Things = PHOTOS

    def in_words(self) -> str:
        """Say the sentences, each on a line, and what the existing recogniser made of the copies as a table."""
        shown = ["", known_words.in_text(self.known)] if len(self.known) else []
        return "\n".join([*self.sentences[: self.leads], "", *self.sentences[self.leads :], *shown])


@dataclass(frozen=True)
class Sets:
    """Training photos as they are, with the noise and with random noise of the same size; photos held out, clean.

    uint8 N×C×SIDE×SIDE, C is 1 when all photos are grey. tested: how many people are asked for; drawn: how many
    others, who are drawn, keep them company.
    """

    original: Dataset
    variants: dict[str, Tensor]
    held_out: Dataset
    tested: int
    drawn: int


def self_test(
    source: Path,
    output: Path,
    config: ProtectConfig,
    *,
    people: People = None,
    seeds: int = 3,
    told: Callable[[SelfTest], None] | None = None,
) -> SelfTest:
    """Train and test recognisers on `source` and on its complete copies in `output` (as `protect` wrote them), and ask
    one that exists already, where it is installed.

    people: as `protect` had it; seeds: trainings of each kind, for the spread; told: gets what the existing recogniser
    says, minutes before the rest. When nobody has three photos, nobody can be met again: nothing is trained then, and
    DataError is raised where the recogniser that exists cannot say anything either.
    """
    lacks = existing.lacking()
    asked = pd.DataFrame() if lacks else known.compare(*shots(source, output, people))
    judges = not lacks and known_words.can_judge(asked)
    if judges and told:
        told(SelfTest(pd.DataFrame(), known_words.sentences(asked), known=asked))
    try:
        sets = _sets(source, output, config, people)
    except TooFew as error:
        if not judges:
            raise
        return SelfTest(pd.DataFrame(), [*known_words.sentences(asked), f"Nothing was trained: {error}."], known=asked)
    rows = _trained(sets, config, seeds)
    chance, photos = 1 / len(sets.original.classes), len(sets.held_out)
    said = sentences(rows, chance, photos, sets.tested, sets.drawn)
    if without := models.lacking(PRETRAINED):
        said.append(f"No network that learnt ImageNet before was tried: {without}")
    if lacks:
        said.append(f"No recogniser that exists already was asked: {lacks}")
    else:
        more = known_words.sentences(asked)
        said = [more[0], said[0], *more[1:], *said[1:]] if judges else [*said, *more]
    return SelfTest(rows, said, photos, asked, 1 + judges)


def _trained(sets: Sets, config: ProtectConfig, seeds: int) -> pd.DataFrame:
    """Judge the copies by all learners, one of them once, and random noise by the plain one: a tidy table."""
    grey = sets.original.samples.shape[1] == 1
    usual = ["none", *(name for name in OTHERS if not (grey and name == "grayscale"))]
    tried = [(TRAINING, config.method, usual, seeds)]
    if not models.lacking(PRETRAINED):
        tried.append((TRAINING_PRETRAINED, config.method, [PRETRAINED], 1))
    if config.method != "random":
        tried.append((TRAINING_RANDOM, "random", ["none"], seeds))
    return judged(sets, tried, "photos", config.epsilon, RECOGNISER, config.device)


def judged(
    sets: Sets, tried: Sequence[tuple[str, str, list[str], int]], data: str, epsilon: int, network: str, device: str
) -> pd.DataFrame:
    """Judge what is published: a tidy table.

    tried: the progress' label, the method, the learners, and how many trainings of each; data: as the table calls it.
    """
    folder = private_folder.private_folder()  # the judge's processes read the samples from a file
    try:
        found: list[pd.DataFrame] = []
        for label, method, names, times in tried:
            made = table.Identity("", data, method, "samplewise", epsilon, protected_fraction=1.0)
            published = replace(sets.original, samples=sets.variants[method])
            case = Case(DataPair(sets.original, sets.held_out), published, made)
            seeded = ",".join(map(str, range(times)))
            asked = JudgeConfig(learners=",".join(names), seeds=seeded, network=network, device=device)
            rows = judgement.judge(asked, case, folder / method, store=folder / "originals", label=label).rows
            found.append(rows if label != TRAINING_RANDOM else rows[rows["method"] != "clean"])
        return table.merged(found)
    finally:
        private_folder.remove(folder)


def _sets(source: Path, output: Path, config: ProtectConfig, table: People = None) -> Sets:
    before, after, people = _pairs(source, output, table)
    channels = max(small.shape[2] for small in before)  # as one grey photo among colours is grey in colour
    original, copies = (
        torch.from_numpy(np.stack([np.broadcast_to(small, (SIDE, SIDE, channels)) for small in part])).permute(
            0, 3, 1, 2
        )
        for part in (before, after)
    )
    persons, labels = sorted(set(people)), numbered(people)
    held = held_out(labels, config.seed)
    if not held.any():
        raise TooFew(f"nobody in {source} has {LEAST_PHOTOS} photos or more: nothing can be held out to test with")
    seen, whose, classes = with_company(original[~held], labels[~held], persons)
    company = seen[int((~held).sum()) :]
    train, test = (
        Dataset(photos, labels, classes, tuple(str(number) for number in range(len(photos))), source="folder")
        for photos, labels in ((seen, whose), (original[held], labels[held]))
    )
    noisy = {"random": _random(original, config), config.method: copies}
    variants = {"clean": seen} | {name: torch.cat([photos[~held], company]) for name, photos in noisy.items()}
    return Sets(train, variants, test, len(labels[held].unique()), len(classes) - len(persons))


def _random(original: Tensor, config: ProtectConfig) -> Tensor:
    """Add random noise of the same budget, at the size of the working copies and alike in all channels."""
    plain = Dataset(original[:, :1], torch.zeros(len(original), dtype=torch.int64), ("all",), ())
    asked = noise.resolved(
        NoiseConfig(method="random", kind="samplewise", epsilon=config.epsilon, seed=config.seed), "folder"
    )
    delta = noise.make(asked, plain)[0].delta
    return (original.short() + delta.short()).clamp(0, 255).to(torch.uint8)


def held_out(labels: Tensor, seed: int) -> Tensor:
    """Choose the photos that are met later, bool N: a share of each person's, none of who has fewer than three."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    draw = torch.Generator().manual_seed(seed)
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        if len(mine) >= LEAST_PHOTOS:
            count = max(1, round(HELD_OUT * len(mine)))
            held[mine[torch.randperm(len(mine), generator=draw)[:count]]] = True
    return held


def _pairs(source: Path, output: Path, table: People = None) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Bring every original, and its copy as decoded from the output, to working size; and say whose they are."""
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []
    people = []
    for one, copy, box in files(source, output, table):
        for photo, part in ((_original(one), before), (_copy(copy), after)):
            part.append(thumbnail(cut(photo.pixels, within(box, photo.pixels))))
        people.append(one.person)
    return before, after, people


def shots(source: Path, output: Path, people: People = None) -> tuple[Iterator[known.Shot], int]:
    """Give the photos that an existing recogniser is asked about, with their copies, and say how many they are."""
    found = list(files(source, output, people))
    some = [found[place] for place in known.chosen([one.person for one, *_ in found])]
    return (known.Shot(one.person, _original(one).pixels, _copy(copy).pixels) for one, copy, _ in some), len(some)


def files(
    source: Path, output: Path, people: People = None, kind: Callable[[Reader], str] = picture
) -> Iterator[tuple[Source, Path, list[int] | None]]:
    """Every original with the file of its copy and the part that got noise, as the output's manifest lists them."""
    listed = {entry["original"]: entry for entry in verify.read_manifest(output).get("files", [])}
    if not listed:
        raise DataError(f"{output} holds no copies with a manifest: protect the originals first")
    for one in owned(gather(source, kind).sources, people):
        if one.name in listed:
            copy = listed[one.name]["file"]
            if not verify.within(output, copy):
                name = untrusted.one_line(copy)
                raise DataError(f"{output} has no {name}, which its manifest lists: protect the originals again")
            yield one, (output / copy).resolve(), listed[one.name].get("box")


def _original(one: Source) -> Photo:
    return decode(one.read(), one.name)


def _copy(path: Path) -> Photo:
    return decode(whole(partial(read, path)), path.name)
