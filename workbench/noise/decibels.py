"""The budget of sound: how far every value of a clip may move, from its own peak, exact in whole steps.

B dB under the peak p of a clip allow changes of at most r, the largest whole number with 20·log10(r/p) ≤ B: D_x(δ) ≤ B
of Carlini and Wagner (2018), in whole steps, so anybody with the two files can check it. Noise is kept as shares of
that limit, so one search, in one unit, serves loud and quiet clips.
"""

from dataclasses import replace

import torch
from torch import Tensor

from workbench import catalogue
from workbench.budgets import ENVELOPE, FULL
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO, IMAGE, Space
from workbench.noise.budget import PerturbationBudget

WINDOW = 0.04  # seconds, over which the loudness that an envelope follows is averaged


def budget(epsilon: int, space: Space) -> PerturbationBudget:
    """The budget that `epsilon` means in a space: pixel values, or, for sound, shares of what its decibels allow.

    Raises ConfigError that names the option of the space where the other's was given.
    """
    if space == AUDIO:
        if epsilon >= 0:
            raise ConfigError(f"epsilon {epsilon} is for images: the budget of sound is --budget-db, as in -30")
        return PerturbationBudget(FULL, space)
    if epsilon < 0:
        raise ConfigError(f"budget-db {epsilon} is for sound: the budget of images is --epsilon, as in 8")
    return PerturbationBudget(epsilon, space)


def check(epsilon: int, data: str) -> None:
    """Raise ConfigError for a budget of another kind of data than the named one, before any of it is read."""
    if data in catalogue.DATA:
        budget(epsilon, AUDIO if catalogue.DATA[data].space == AUDIO.name else IMAGE)


def with_limits(data: Dataset, decibels: int, shape: str) -> Dataset:
    """The same clips with the largest change of each value: int16 N×C×T, 0 after a clip's end and in silent ones."""
    if data.lengths is None:
        return data  # images, which have one limit for all
    found = torch.zeros_like(data.samples)
    for number, length in enumerate(data.lengths.tolist()):
        clip = data.samples[number, :, :length]
        found[number, :, :length] = limits(clip, decibels, shape, data.rate).to(found.dtype)
    return replace(data, limits=found)


def radius(peak: int, decibels: float) -> int:
    """The largest whole number of steps that is `decibels` (negative) or more under `peak`."""
    return int(peak * 10 ** (decibels / 20) + 1e-9 * peak)


def limits(clip: Tensor, decibels: float, shape: str, rate: int) -> Tensor:
    """The largest change of each value of one clip: int64 C×T, for whole values C×T at `rate` Hz.

    flat: r everywhere. envelope: r · (loudness, averaged over 40 ms, of its largest), cut to whole steps.
    """
    wide = clip.long()
    if not wide.numel():
        return wide
    most = radius(int(wide.abs().max()), decibels)
    if shape != ENVELOPE:
        return torch.full_like(wide, most)
    half, count = max(1, round(WINDOW * rate / 2)), wide.shape[1]
    sums = torch.cat([wide.new_zeros(len(wide), 1), wide.square().cumsum(1)], 1)  # whole numbers: exact everywhere
    place = torch.arange(count, device=wide.device)
    first, last = (place - half).clamp(min=0), (place + half).clamp(max=count)
    loudness = ((sums[:, last] - sums[:, first]).double() / (last - first)).sqrt()
    return (most * loudness / loudness.max().clamp_min(1e-9)).floor().long()


def steps(share: Tensor, limits: Tensor) -> Tensor:
    """Shares of a limit, whole numbers of FULL, as whole steps of a file: int64, never beyond the limit."""
    product = share.long() * limits.long()
    return product.sign() * ((product.abs() * 2 + FULL) // (2 * FULL))


def added(data: Dataset, index: Tensor, delta: Tensor) -> Tensor:
    """The samples `index` with δ as a search holds it, not cut to their space's range: float32; of images x + δ."""
    return data.samples[index] + (delta if data.limits is None else delta * (data.limits[index].float() / FULL))
