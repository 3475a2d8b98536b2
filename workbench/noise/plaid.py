"""`plaid`: grey plaids of a frequency pair for each class, drawn without a search or a network.

Equal in red, green and blue, so turning the images grey takes nothing from them; of the middle band, which JPEG, blur
and two bits a channel leave; with phases of their own in every image (sample-wise), so that no mean over a class holds
them. A plaid that is mirrored or shifted is the same plaid with other phases.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.batches import Stream
from workbench.noise.search import Search

FINEST = 16  # cycles per 32 pixels: one pixel up, one down
# Frequency pairs (down, across) of the first ten classes: None no wave, else its place between lowest and highest.
FIRST = (
    (None, 0), (None, 0.5), (None, 1), (0, None), (0.5, None), (1, None), (0, 0), (0.5, 0.5), (0, 0.75), (0.75, 0),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Which frequencies."""

    low: float = option("lowest frequency, cycles per 32 pixels", least=1)
    high: float = option("highest frequency, cycles per 32 pixels", least=1)
    waveform: str = option("sign (all of the budget) or sine (softer to look at)", choices=("sign", "sine"))

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """The band from 4 to 8, signs."""
        return {"low": 4.0, "high": 8.0, "waveform": "sign"}


def search(task: Search, options: Options) -> Tensor:
    """Draw δ, float32 K×C×H×W, or N×C×H×W with phases of its own for every image."""
    if options.high <= options.low:  # where they are equal, all classes have the same wave
        raise ConfigError(f"high is {options.high:g}, low {options.low:g}: the highest frequency lies above the lowest")
    if options.high > FINEST:
        raise ConfigError(f"high is {options.high:g}: pixels show no more than {FINEST} cycles per 32 of them")
    pairs = frequencies(len(task.data.classes), options.low, options.high).to(task.device)
    pairs = pairs if task.classwise else pairs[task.labels]
    draw = task.generator(Stream.PLAID, 0)
    phases = torch.rand(pairs.shape, generator=draw, device=task.device) * 2 * math.pi
    height, width = task.samples.shape[2:]
    down, across = (_wave(pairs[:, axis], phases[:, axis], length) for axis, length in enumerate((height, width)))
    plaid = down[:, :, None] * across[:, None, :]
    if options.waveform == "sign":
        plaid = torch.where(plaid < 0, -1.0, 1.0)
    return (task.budget.radius * plaid)[:, None].expand(-1, task.samples.shape[1], -1, -1).contiguous()


def frequencies(classes: int, low: float, high: float) -> Tensor:
    """The frequency pair of every class, cycles per 32 pixels, float32 K×2; 0 is no wave.

    After the first ten, each is the one of a grid that lies farthest from those before it.
    """
    fine = max(8, math.ceil(math.sqrt(classes)))
    places = [None, *(step / fine for step in range(fine + 1))]
    grid = [pair for pair in itertools.product(places, places) if pair != (None, None)]
    every, chosen = (torch.tensor([[_cycles(p, low, high) for p in pair] for pair in some]) for some in (grid, FIRST))
    while len(chosen) < classes:
        apart = torch.cdist(every, chosen).min(1).values
        chosen = torch.cat([chosen, every[apart.argmax()][None]])
    return chosen[:classes]


def _cycles(place: float | None, low: float, high: float) -> float:
    return 0.0 if place is None else low + place * (high - low)


def _wave(cycles: Tensor, phases: Tensor, length: int) -> Tensor:
    """N×length: a cosine of each frequency and phase; 1 where there is none."""
    angles = 2 * math.pi / 32 * cycles[:, None] * torch.arange(length, device=cycles.device) + phases[:, None]
    return torch.where(cycles[:, None] > 0, angles.cos(), torch.ones_like(angles))
