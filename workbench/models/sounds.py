"""How networks hear: a log-mel spectrogram for the architectures of images, and one that reads the wave itself.

Both take values in -1..1 and return logits, like all others; gradients reach the wave.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import ConfigError
from workbench.data.space import SHORTEST, SLOWEST

BANDS = 40  # of the spectrogram
WINDOW, HOP = 0.025, 0.02  # seconds; the window at least, the hop as near as whole samples allow
LOWEST, HIGHEST = 60.0, 0.4875  # Hz; of the rate (3,900 Hz at 8 kHz)
LEAST = 8  # frames: architectures of images halve them three times
FLOOR = 1e-7  # of full scale's power, or the gradient of silence would be without bounds


def hearing(
    make: Callable[..., nn.Module], channels: int, length: int, classes: int, rate: int, *, by_eye: bool, **said: Any
) -> nn.Module:
    """An architecture for clips of `length` samples at `rate` Hz; by_eye: one of images, which sees a spectrogram.

    Raises ConfigError for clips that are too short or have too few samples a second.
    """
    if rate < SLOWEST:
        raise ConfigError(f"clips at {rate} Hz cannot be heard: give their rate, {SLOWEST:,} Hz or more")
    if length < SHORTEST * rate:
        raise ConfigError(f"clips of {length:,} samples at {rate:,} Hz are too short: give {SHORTEST:g} s or more")
    if not by_eye:
        return make(channels, length, classes, rate=rate, **said)
    return nn.Sequential(LogMel(rate), make(channels, BANDS, classes, **said))


def window(rate: int) -> int:
    """How many values a frame has: the next power of two from 25 ms on, and four at least."""
    return 2 ** max(2, math.ceil(math.log2(WINDOW * rate)))


class LogMel(nn.Module):
    """Clips N×C×T at `rate` Hz → log-mel spectrograms N×C×BANDS×frames, without the clip's own loudness.

    Silence follows a clip of less than LEAST frames.
    """

    mel: Tensor
    window: Tensor

    def __init__(self, rate: int):
        super().__init__()
        self.size = window(rate)
        self.hop = max(1, round(HOP * rate))
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)
        self.register_buffer("mel", filters(rate, self.size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, max(0, (LEAST - 1) * self.hop - x.shape[2])))
        count, channels, length = x.shape
        spectrum = torch.stft(
            x.reshape(-1, length), self.size, self.hop, window=self.window, center=True, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        power = spectrum.real.square() + spectrum.imag.square()
        loud = (FLOOR + self.mel @ power).log().view(count, channels, BANDS, -1)
        return loud - loud.mean((1, 2, 3), keepdim=True)


def filters(rate: int, size: int) -> Tensor:
    """Triangles that are even on the mel scale of HTK (O'Shaughnessy 1987), each of the sum 1: float32 BANDS×bins."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST, HIGHEST * rate))
    edges = 700 * (10 ** (torch.linspace(low, high, BANDS + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.arange(size // 2 + 1, dtype=torch.float64) * rate / size
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    found = torch.minimum(rising, falling).clamp(min=0)
    nearest = (bins[None] - middle).abs().argmin(1)
    found[torch.arange(BANDS), nearest] = found[torch.arange(BANDS), nearest].clamp(min=1e-3)  # narrower than a bin
    return (found / found.sum(1, keepdim=True)).float()


def m5(channels: int, side: int, classes: int, width: int, rate: int = 8000) -> nn.Module:
    """M5 (Dai, Dai, Qu, Li and Das, ICASSP 2017): four convolutions on the wave, average pooling."""
    first = max(4, round(rate / 100))  # 80 samples at 8 kHz
    w = width
    widths = (w, w, 2 * w, 4 * w)
    layers: list[nn.Module] = [
        nn.Conv1d(channels, w, first, stride=max(1, first // 20), padding=first // 2, bias=False)
    ]
    for before, after in itertools.pairwise(widths):
        layers += [nn.BatchNorm1d(before), nn.ReLU(), nn.MaxPool1d(4)]
        layers.append(nn.Conv1d(before, after, 3, padding=1, bias=False))
    layers += [nn.BatchNorm1d(4 * w), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4 * w, classes)]
    return nn.Sequential(Loudness(), *layers)


class Loudness(nn.Module):
    """Every clip at one root mean square, so that quiet recordings count like loud ones."""

    def forward(self, x: Tensor) -> Tensor:
        # The floor comes before the root, whose gradient at 0 has no bounds.
        return 0.1 * x / x.square().mean((1, 2), keepdim=True).clamp_min(1e-8).sqrt()
