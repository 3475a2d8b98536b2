"""Does it work on these photos? Recognisers trained on the copies, in several ways, and their twins on the originals,
met by photos that neither has seen. No result is assumed: they are trained here and now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench import noise
from workbench.apps.photos.findings import OTHERS, sentences
from workbench.apps.photos.sources import gather
from workbench.apps.photos.working_set import RECOGNISER, SIDE, numbered, thumbnail, with_company
from workbench.config import DataError, NoiseConfig, ProtectConfig, key
from workbench.data.dataset import DataPair, Dataset
from workbench.export import verify
from workbench.files import untrusted
from workbench.files.picture_kinds import read, whole
from workbench.files.pictures import decode
from workbench.judging import learners
from workbench.records import table
from workbench.victim import exposure, train

HELD_OUT = 0.3  # of a person's photos are met later
LEAST_PHOTOS = 3  # of a person, or nothing of that person can be held out


@dataclass(frozen=True)
class SelfTest:
    """What was found: `rows` is a table as in results.py, of the data "photos"; `sentences` say it in plain words.

    photos: how many were kept aside.
    """

    rows: pd.DataFrame
    sentences: list[str]
    photos: int = 0

    def in_words(self) -> str:
        """Say the sentences, each on a line."""
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


def self_test(source: Path, output: Path, config: ProtectConfig, *, seeds: int = 3) -> SelfTest:
    """Train and test recognisers on `source` and on its complete copies in `output` (as `protect` wrote them).

    seeds: trainings of each kind, for the spread. Raises DataError when nobody has three photos: then nobody can be
    met again.
    """
    sets = _sets(source, output, config)
    trainings = [(seed, *plan) for seed in range(seeds) for plan in _plan(sets)]
    rows = table.merged(
        _trained(sets, config, method, learner, seed, f"self-test {number} of {len(trainings)}, ")
        for number, (seed, method, learner) in enumerate(trainings, 1)
    )
    chance, photos = 1 / len(sets.original.classes), len(sets.held_out)
    return SelfTest(rows, sentences(rows, chance, photos, sets.tested, sets.drawn), photos)


def _plan(sets: Sets) -> Iterator[tuple[str, str]]:
    """List every training of one seed: method and learner."""
    grey = sets.original.samples.shape[1] == 1
    others = [name for name in OTHERS if not (grey and name == "grayscale")]
    yield from ((method, "none") for method in sets.variants)
    yield from ((method, name) for name in others for method in sets.variants if method != "random")


def _trained(sets: Sets, config: ProtectConfig, method: str, learner: str, seed: int, number: str) -> pd.DataFrame:
    how = learners.named(learner)
    asked = how.config(RECOGNISER, sets.original, seed=seed, device=config.device)
    published = replace(sets.original, samples=sets.variants[method])
    pair = DataPair(published, sets.held_out, published.source)
    name = {"clean": "the originals", "random": "random noise"}.get(method, "the copies")
    exposed, carries = exposure.expose(published, None, asked)
    curve = train.train(asked, pair, exposed, carries, label=f"{number}recogniser on {name}, {how.words}, epoch")
    clean = method == "clean"
    identity = table.Identity(
        key({"method": method, "defence": learner, "seed": seed, "photos": published.fingerprint}),
        "photos",
        method,
        kind="none" if clean else "samplewise",
        epsilon=0 if clean else config.epsilon,
        victim=RECOGNISER,
        defence=learner,
        protected_fraction=0.0 if clean else 1.0,
        seed=seed,
    )
    return table.table(identity, curve)


def _sets(source: Path, output: Path, config: ProtectConfig) -> Sets:
    before, after, people = _pairs(source, output)
    channels = max(small.shape[2] for small in before)  # as one grey photo among colours is grey in colour
    original, copies = (
        torch.from_numpy(np.stack([np.broadcast_to(small, (SIDE, SIDE, channels)) for small in part])).permute(
            0, 3, 1, 2
        )
        for part in (before, after)
    )
    persons, labels = sorted(set(people)), numbered(people)
    held = _held_out(labels, config.seed)
    if not held.any():
        raise DataError(f"nobody in {source} has {LEAST_PHOTOS} photos or more: nothing can be held out to test with")
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


def _held_out(labels: Tensor, seed: int) -> Tensor:
    """Choose the photos that are met later, bool N: a share of each person's, none of who has fewer than three."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    draw = torch.Generator().manual_seed(seed)
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        if len(mine) >= LEAST_PHOTOS:
            count = max(1, round(HELD_OUT * len(mine)))
            held[mine[torch.randperm(len(mine), generator=draw)[:count]]] = True
    return held


def _pairs(source: Path, output: Path) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Bring every original, and its copy as decoded from the output, to working size; and say whose they are."""
    files = {entry["original"]: entry for entry in verify.read_manifest(output).get("files", [])}
    if not files:
        raise DataError(f"{output} holds no copies with a manifest: protect the photos first")
    before, after, people = [], [], []
    for one in gather(source)[0]:
        if one.name in files:
            before.append(thumbnail(decode(one.read(), one.name)))
            copy = files[one.name]["file"]
            if not verify.within(output, copy):
                name = untrusted.one_line(copy)
                raise DataError(f"{output} has no {name}, which its manifest lists: protect the photos again")
            after.append(thumbnail(decode(whole(partial(read, (output / copy).resolve())), copy)))
            people.append(one.person)
    return before, after, people
