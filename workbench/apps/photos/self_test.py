"""Does it work on these photos? A recogniser trained on the copies and its twin on the originals, met by photos that
neither has seen, and what simple countermeasures give back. No result is assumed: it is trained here and now.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench import noise
from workbench.apps.photos.carrying import thumbnail
from workbench.apps.photos.outcome import sentences
from workbench.apps.photos.settings import RECOGNISER, SIDE
from workbench.apps.photos.sources import gather
from workbench.apps.photos.working_set import LEAST_CLASSES, company
from workbench.config import DataError, NoiseConfig, ProtectConfig, VictimConfig, key
from workbench.data.dataset import DataPair, Dataset
from workbench.export import verify
from workbench.files import untrusted
from workbench.files.picture_kinds import read, whole
from workbench.files.pictures import decode
from workbench.progress import listening
from workbench.records import table
from workbench.victim import module

HELD_OUT = 0.3  # of a person's photos are met later
LEAST_PHOTOS = 3  # of a person, or nothing of that person can be held out
COUNTERMEASURES = ("jpeg-75", "grayscale", "resize-half")
IMAGE_PASSES = 14_000  # of one training: 50 epochs of 280 photos
EPOCHS = (12, 60)


@dataclass(frozen=True)
class SelfTest:
    """What was found: `rows` is a table as in results.py, of the data "photos"; `sentences` say it in plain words."""

    rows: pd.DataFrame
    sentences: list[str]

    def in_words(self) -> str:
        """The sentences, a line each."""
        return "\n".join(self.sentences)


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
    seeds: int = 3,
    told: Callable[[str, float], None] | None = None,
) -> SelfTest:
    """Train and test recognisers on `source` and on its complete copies in `output` (as `protect` wrote them).

    seeds: trainings of each kind, for the spread. Raises DataError when nobody has three photos: then nobody can be
    met again.
    """
    sets = _sets(source, output, config)
    tables = []
    with listening(told):
        for seed in range(seeds):
            for method, defence in _plan(sets):
                tables.append(_trained(sets, config, method, defence, seed))
    rows = table.merged(tables)
    chance = 1 / len(sets.original.classes)
    return SelfTest(rows, sentences(rows, chance, len(sets.held_out), sets.tested, sets.drawn))


def _plan(sets: Sets) -> Iterator[tuple[str, str]]:
    """Every training of one seed: method and defence."""
    grey = sets.original.samples.shape[1] == 1
    countermeasures = [name for name in COUNTERMEASURES if not (grey and name == "grayscale")]
    yield from ((method, "none") for method in sets.variants)
    yield from ((method, defence) for defence in countermeasures for method in sets.variants if method != "random")


def _trained(sets: Sets, config: ProtectConfig, method: str, defence: str, seed: int) -> pd.DataFrame:
    epochs = max(EPOCHS[0], min(EPOCHS[1], round(IMAGE_PASSES / len(sets.original))))
    asked = VictimConfig(victim=RECOGNISER, epochs=epochs, defence=defence, seed=seed, device=config.device)
    asked = module.resolved(asked, "photos")
    published = replace(sets.original, samples=sets.variants[method])
    pair = DataPair(published, sets.held_out, "photos")
    name = {"clean": "the originals", "random": "random noise"}.get(method, "the copies")
    curve = module.train(asked, pair, label=f"recogniser on {name}, {defence}, epoch")
    clean = method == "clean"
    identity = table.Identity(
        key({"method": method, "defence": defence, "seed": seed, "photos": published.fingerprint}),
        "photos",
        method,
        kind="none" if clean else "samplewise",
        epsilon=0 if clean else config.epsilon,
        victim=RECOGNISER,
        defence=defence,
        protected_fraction=0.0 if clean else 1.0,
        seed=seed,
    )
    return table.table(identity, curve)


def _sets(source: Path, output: Path, config: ProtectConfig) -> Sets:
    before, after, people = _pairs(source, output)
    if all(one.shape[2] == 1 for one in before):
        channels = [(one, other) for one, other in zip(before, after, strict=True)]
    else:
        channels = [(_colour(one), _colour(other)) for one, other in zip(before, after, strict=True)]
    original, copies = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2) for part in zip(*channels, strict=True))
    persons = sorted(set(people))
    labels = torch.tensor([persons.index(person) for person in people])
    held = _held_out(labels, config.seed)
    if not held.any():
        raise DataError(f"nobody in {source} has {LEAST_PHOTOS} photos or more: nothing can be held out to test with")
    classes = [person or "(top folder)" for person in persons]
    extra = max(0, LEAST_CLASSES - len(persons))
    others, whose = company(extra) if extra else (original[:0, :1], labels[:0])
    others = others.expand(-1, original.shape[1], -1, -1)
    classes += [f"somebody else {number + 1}" for number in range(extra)]

    def training(photos: Tensor) -> Tensor:
        return torch.cat([photos[~held], others])

    whole = torch.cat([labels[~held], whose + len(persons)])
    names = tuple(str(number) for number in range(len(whole)))
    train = Dataset(training(original), whole, tuple(classes), names)
    test = Dataset(original[held], labels[held], tuple(classes), tuple(str(n) for n in range(int(held.sum()))))
    variants = {"clean": train.samples, "random": training(_random(original, config)), config.method: training(copies)}
    return Sets(train, variants, test, len(labels[held].unique()), extra)


def _random(original: Tensor, config: ProtectConfig) -> Tensor:
    """Random noise of the same budget, at the size of the working copies and alike in all channels."""
    plain = Dataset(original[:, :1], torch.zeros(len(original), dtype=torch.int64), ("all",), ())
    asked = noise.resolved(
        NoiseConfig(method="random", kind="samplewise", epsilon=config.epsilon, seed=config.seed), "folder"
    )
    delta = noise.search(asked, plain)[0].delta
    return (original.short() + delta.short()).clamp(0, 255).to(torch.uint8)


def _held_out(labels: Tensor, seed: int) -> Tensor:
    """Which photos are met later, bool N: a share of each person's, at least one, of nobody with fewer than three."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    draw = torch.Generator().manual_seed(seed)
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        if len(mine) >= LEAST_PHOTOS:
            count = max(1, round(HELD_OUT * len(mine)))
            held[mine[torch.randperm(len(mine), generator=draw)[:count]]] = True
    return held


def _pairs(source: Path, output: Path) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Working copies of every original and of its copy as decoded from the output's files, and whose they are."""
    files = {entry["original"]: entry for entry in verify.read_manifest(output).get("files", [])}
    if not files:
        raise DataError(f"{output} holds no copies with a manifest: protect the photos first")
    before, after, people = [], [], []
    for one in gather(source)[0]:
        if one.name in files:
            before.append(thumbnail(decode(one.read(), one.name)))
            copy = files[one.name]["file"]
            if not verify.within(output, copy):
                raise DataError(
                    f"{output} has no {untrusted.one_line(copy)}, which its manifest lists: protect the photos again"
                )
            after.append(thumbnail(decode(whole(partial(read, (output / copy).resolve())), copy)))
            people.append(one.person)
    return before, after, people


def _colour(small: np.ndarray) -> np.ndarray:
    return np.broadcast_to(small, (SIDE, SIDE, 3))
