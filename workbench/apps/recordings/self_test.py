"""Can voices still be learnt from these copies? Recognisers of speakers, trained in several ways on both sides, and
met by recordings that neither has seen. No result is assumed: all is tried here and now.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench import noise
from workbench.apps.photos.findings import Things, sentences
from workbench.apps.photos.self_test import TRAINING, TRAINING_RANDOM, SelfTest, Sets, TooFew, files, held_out, judged
from workbench.apps.photos.working_set import numbered
from workbench.apps.recordings.clips import Clips, spoken, with_company
from workbench.apps.recordings.protect import kind, opened
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import NoiseConfig
from workbench.data.dataset import Dataset
from workbench.files.picture_kinds import read, whole
from workbench.progress import progress

RECOGNISER = "convnet-w8"  # hears a log-mel spectrogram
WAVE = "m5"  # reads the wave itself
BINDING = "bit-depth-8"  # gave most back of tones, where they were measured
OTHERS = (WAVE, BINDING, "trim-silence-15", "spectral-gate")
THINGS = Things("clip", "recordings", "A synthetic voice is easily told from a recorded one", OTHERS)
MOST_CLIPS = 3000  # to train on: more would take hours
READING = "reading copy"
CLIPS = (
    "Recordings are cut into clips of a second or less for this, pauses left out, and brought to 8 kHz; all clips of a "
    "recording are kept aside together."
)
NOBODY = (
    "No recogniser that knows voices already was asked, for this program has none. Expect that one still knows the "
    "voice, and that it can still be cloned: this noise is not made against that."
)


def self_test(
    source: Path,
    output: Path,
    config: RecordingsConfig,
    *,
    people: Mapping[str, str] | None = None,
    seeds: int = 3,
    told: Callable[[SelfTest], None] | None = None,
) -> SelfTest:
    """Train and test recognisers of speakers on `source` and on its complete copies in `output`.

    As the self-test of photos has it; nothing is known early here, so `told` is not called. Raises DataError where
    nobody has three recordings.
    """
    sets = _sets(source, output, config, people)
    tried = [(TRAINING, config.method, ["none", *OTHERS], seeds)]
    if config.method != "random":
        tried.append((TRAINING_RANDOM, "random", ["none"], seeds))
    rows = judged(sets, tried, "recordings", config.epsilon, RECOGNISER, config.device)
    chance, count = 1 / len(sets.original.classes), len(sets.held_out)
    found = sentences(rows, chance, count, sets.tested, sets.drawn, THINGS)
    said = [found[0], *_undone(rows, chance), CLIPS, *found[1:], NOBODY]
    return SelfTest(rows, said, count, pd.DataFrame(), 1, THINGS)


def _undone(rows: pd.DataFrame, chance: float) -> list[str]:
    """Say plainly which ways of learning get far more out of the copies than training as usual does."""
    peaks = rows[(rows["metric"] == "accuracy") & (rows["split"] == "test")]
    best = peaks.groupby(["method", "defence", "seed"])["value"].max().groupby(["method", "defence"]).mean()
    methods = set(best.index.get_level_values("method")) - {"clean", "random"} or {"random"}
    (method,) = methods
    plain = best.get((method, "none"), 0.0)
    found = []
    for name in OTHERS:
        tried, clean = best.get((method, name)), best.get(("clean", name))
        if tried is None or clean is None or clean <= 2 * chance:
            continue
        # half of what the noise took from training as usual is a lot to get back
        if tried - plain > 0.5 * max(0.1, clean - plain):
            found.append(name)
    if not found:
        return []
    from workbench.judging import learners

    how = " or ".join(learners.named(name).words for name in found)
    return [
        f"Who learns by {how} undoes most of what the noise does against training as usual here. Anybody can do so."
    ]


def _sets(source: Path, output: Path, config: RecordingsConfig, people: Mapping[str, str] | None) -> Sets:
    before, after = Clips(), Clips()
    listed = list(files(source, output, people, kind))
    with progress(READING, len(listed)) as steps:
        for one, copy, _ in listed:
            original = opened(one.read(), one.name)
            seconds = spoken(original) if original.peak else []
            before.add(one.person, original, seconds)
            after.add(one.person, opened(whole(partial(read, copy)), copy.name), seconds)
            steps.advance()
    owners = np.array([turn for turn, taken in enumerate(before.seconds) for _ in taken])
    persons = sorted(set(before.people))
    held = held_out(numbered(before.people), config.seed)  # of recordings
    apart = held[torch.from_numpy(owners)] if len(owners) else torch.zeros(0, dtype=torch.bool)
    if not apart.any():
        raise TooFew(f"nobody in {source} has 3 recordings or more: nothing can be held out to test with")
    labels = numbered(before.people)[torch.from_numpy(owners)]
    kept = _evenly((~apart).nonzero()[:, 0])
    train = with_company([before.waves[row] for row in kept], labels[kept], persons)
    copies = with_company([after.waves[row] for row in kept], labels[kept], persons).samples
    met = apart.nonzero()[:, 0]
    test = with_company([before.waves[row] for row in met], labels[met], persons)
    test = test.subset(torch.arange(len(met)))  # nobody of the company is asked for
    variants = {"clean": train.samples, "random": _random(train, len(kept), config), config.method: copies}
    return Sets(train, variants, test, len(labels[met].unique()), len(train.classes) - len(persons))


def _evenly(rows: Tensor) -> Tensor:
    """Take at most MOST_CLIPS of them, evenly."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), MOST_CLIPS)).long()]


def _random(data: Dataset, count: int, config: RecordingsConfig) -> Tensor:
    """Add random noise of the same budget to the first clips; the company after them stays clean: int16 N×1×LENGTH."""
    asked = NoiseConfig(
        method="random", kind="samplewise", epsilon=config.epsilon, shape=config.shape, seed=config.seed
    )
    made = noise.make(noise.resolved(asked, "audio"), data)[0]
    return made.apply(data, torch.arange(len(data)) < count)
