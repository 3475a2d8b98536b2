"""`tones`: a chord for each class, drawn without a search; sample-wise with phases of each clip's own.

Every class has three of eight bands of pitch, and two tones in each: what shows in a spectrogram at once. Codes of two
classes differ in two bands or more where there are few enough classes. The sign of the chord uses all of the budget:
10 dB more than the chord itself, which rounding to 8 bits takes away. Source: own; drawn noise that a linear classifier
reads, as in Yu et al. (KDD 2022).
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import NoiseConfig, option
from workbench.data.batches import Stream
from workbench.noise.search import Search

BANDS, CHOSEN, TONES = 8, 3, 2
LOWEST, HIGHEST = 250.0, 0.45  # Hz; of the rate


@dataclass(frozen=True)
class Options:
    """How the chord fills the budget."""

    waveform: str = option("sign (all of the budget) or sine (softer to listen to)", choices=("sign", "sine"))

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Signs."""
        return {"waveform": "sign"}


def search(task: Search, options: Options) -> Tensor:
    """Draw δ, shares of each clip's limit: float32 K×C×T or N×C×T."""
    draw = task.generator(Stream.TONES, 0, cpu=True)
    pitches = chords(len(task.data.classes), task.data.rate, draw)
    rows = torch.arange(len(pitches)) if task.classwise else task.labels.cpu()
    length = task.samples.shape[-1]
    turns = torch.arange(length) * (2 * math.pi / task.data.rate)
    found = torch.empty((len(rows), 1, length))
    for row, label in enumerate(rows.tolist()):
        phases = torch.rand((pitches.shape[1], 1), generator=draw) * 2 * math.pi
        wave = chord(pitches[label], turns, phases)
        found[row, 0] = wave.sign() if options.waveform == "sign" else wave / wave.abs().max()
    return (found * task.budget.radius).expand(task.shape).contiguous().to(task.device)


def chord(pitches: Tensor, turns: Tensor, phases: Tensor | float = 0.0) -> Tensor:
    """The sum of a sine for each pitch in Hz (P), of the size 1. turns: 2π·seconds of each sample, T; phases: P×1."""
    return (pitches[:, None] * turns + phases).sin().sum(0)


def chords(classes: int, rate: int, draw: torch.Generator) -> Tensor:
    """The pitches of every class in Hz, float32 K×(CHOSEN·TONES): codes as far from each other as there are."""
    edges = torch.logspace(math.log10(LOWEST), math.log10(HIGHEST * rate), BANDS + 1)
    every = [set(code) for code in itertools.combinations(range(BANDS), CHOSEN)]
    order = [every[place] for place in torch.randperm(len(every), generator=draw).tolist()]
    taken: list[set[int]] = []
    for apart in (2, 1, 0):  # bands that two codes must not share
        for code in order:
            if len(taken) < classes and code not in taken and all(len(code - other) >= apart for other in taken):
                taken.append(code)
    pitches = torch.empty((classes, CHOSEN * TONES))
    for label in range(classes):
        bands = torch.tensor(sorted(taken[label % len(taken)])).repeat_interleave(TONES)
        low, high = edges[bands], edges[bands + 1]
        pitches[label] = low + torch.rand(len(low), generator=draw) * (high - low)
    return pitches
