"""Does it work on these photos? A recogniser trained on the copies and its twin on the originals, met by photos that
neither has seen, and what simple countermeasures give back. No result is assumed: it is trained here and now.
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
from workbench.apps.photos.sources import gather
from workbench.apps.photos.working_set import RECOGNISER, SIDE, numbered, thumbnail, with_company
from workbench.catalogue import DEFENCES
from workbench.config import DataError, NoiseConfig, ProtectConfig, VictimConfig, key
from workbench.data.dataset import DataPair, Dataset
from workbench.export import verify
from workbench.files import untrusted
from workbench.files.picture_kinds import read, whole
from workbench.files.pictures import decode
from workbench.records import table
from workbench.victim import exposure, recipes, train

HELD_OUT = 0.3  # of a person's photos are met later
LEAST_PHOTOS = 3  # of a person, or nothing of that person can be held out
COUNTERMEASURES = ("jpeg-75", "grayscale", "resize-half")
LITTLE = 0.1  # of what lies between guessing and the originals: less of a fall is called none
IMAGE_PASSES = 14_000  # of one training: 50 epochs of 280 photos
EPOCHS = (12, 60)


@dataclass(frozen=True)
class SelfTest:
    """What was found: `rows` is a table as in results.py, of the data "photos"; `sentences` say it in plain words."""

    rows: pd.DataFrame
    sentences: list[str]

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
    rows = table.merged(_trained(sets, config, method, defence, seed) for seed, method, defence in trainings)
    chance = 1 / len(sets.original.classes)
    return SelfTest(rows, sentences(rows, chance, len(sets.held_out), sets.tested, sets.drawn))


def _plan(sets: Sets) -> Iterator[tuple[str, str]]:
    """List every training of one seed: method and defence."""
    grey = sets.original.samples.shape[1] == 1
    countermeasures = [name for name in COUNTERMEASURES if not (grey and name == "grayscale")]
    yield from ((method, "none") for method in sets.variants)
    yield from ((method, defence) for defence in countermeasures for method in sets.variants if method != "random")


def _trained(sets: Sets, config: ProtectConfig, method: str, defence: str, seed: int) -> pd.DataFrame:
    epochs = max(EPOCHS[0], min(EPOCHS[1], round(IMAGE_PASSES / len(sets.original))))
    asked = VictimConfig(victim=RECOGNISER, epochs=epochs, defence=defence, seed=seed, device=config.device)
    asked = train.resolved(asked, recipes.named("photos"))
    published = replace(sets.original, samples=sets.variants[method])
    pair = DataPair(published, sets.held_out, "photos")
    name = {"clean": "the originals", "random": "random noise"}.get(method, "the copies")
    exposed, carries = exposure.expose(published, None, asked)
    curve = train.train(asked, pair, exposed, carries, label=f"recogniser on {name}, {defence}, epoch")
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
        Dataset(photos, labels, classes, tuple(str(number) for number in range(len(photos))))
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


def sentences(rows: pd.DataFrame, chance: float, held_out: int, people: int, drawn: int = 0) -> list[str]:
    """Say what was found, in plain words.

    rows: of a self-test, with one method besides clean and random; chance: of a right guess; drawn: how many drawn
    people kept the others company.
    """
    best = table.summary(rows)
    (method,) = set(best["method"]) - {"clean", "random"} or {"random"}
    plain = best[best["defence"] == "none"]
    original = plain[plain["method"] == "clean"]
    copies = plain[plain["method"] == method]
    times = original["seed"].nunique()
    found = [
        f"{held_out} photos of {people} {'person' if people == 1 else 'people'} were kept aside, and recognisers were "
        f"trained on the others, {'once' if times == 1 else f'{times} times'} each. "
        f"Guessing names {chance:.0%} rightly.",
        f"Trained on the originals, they named {_said(original)} of the photos kept aside.",
        f"Trained on the copies, they named {_said(copies)}.",
    ]
    if drawn:
        found.insert(
            1,
            f"There were {drawn} drawn people among them, because a recogniser needs several. A drawing is easily told "
            "from a photo, so this test is easier for a recogniser than real people would be, and may find no effect "
            "where there is one. Photos of several people make a better test.",
        )
    random = plain[plain["method"] == "random"]
    if len(random) and method != "random":
        found.append(f"With random noise of the same size instead, they named {_said(random)}.")
    found += _given_back(best[best["method"] == method])
    return [*found, _verdict(best[best["method"] == method], original, chance)]


def _given_back(copies: pd.DataFrame) -> Iterator[str]:
    for defence in COUNTERMEASURES:
        tried = copies[copies["defence"] == defence]
        if len(tried):
            yield f"After {DEFENCES[defence].words}, they named {_said(tried)} from the copies."


def _verdict(copies: pd.DataFrame, original: pd.DataFrame, chance: float) -> str:
    """Judge by the most that anybody got out of the copies here, each training at its best moment."""
    worst = float(copies.groupby("defence")["peak"].mean().max())
    usual = float(original["peak"].mean())
    if usual - chance < LITTLE:
        return "So nothing can be said: even from the originals these people could not be told apart."
    kept = (worst - chance) / (usual - chance)
    if kept > 1 - LITTLE:
        judged = "The noise does not help on these photos"
    elif kept > 0.5:
        judged = "The noise makes it harder, and this data can still be learnt from"
    else:
        judged = "The noise makes it much harder for these ways of learning; others may get more"
    most = f"So the most that anybody here got out of the copies is {worst:.0%}, of {usual:.0%} with the originals"
    return f"{most}. {judged}."


def _said(runs: pd.DataFrame) -> str:
    """Say "31% (24% to 40%; 38% at the best moment)": after the last epoch, the spread over trainings, and the peak."""
    final = runs["final"]
    text = f"{final.mean():.0%}"
    spread = f"{final.min():.0%} to {final.max():.0%}; " if len(final) > 1 else ""
    return f"{text} ({spread}{runs['peak'].mean():.0%} at the best moment)"
