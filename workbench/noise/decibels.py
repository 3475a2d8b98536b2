"""The budget of sound: how far every value of a clip may move, from its own peak, exact in whole steps.

B dB under the peak p of a clip allow changes of at most r, the largest whole number with 20·log10(r/p) ≤ B: D_x(δ) ≤ B
of Carlini and Wagner (2018), in whole steps, so anybody with the two files can check it. Noise is kept as shares of
that limit, so one search, in one unit, serves loud and quiet clips.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from workbench import catalogue
from workbench.budgets import ENVELOPE, FULL, MASKED, QUIETEST, SHAPES
from workbench.config import ConfigError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO, IMAGE, Space
from workbench.noise.budget import PerturbationBudget

DIMENSIONS = {IMAGE: 4, AUDIO: 3}  # of noise; in a space of one's own any
STRIP = 2**20  # values of a channel whose limits are found at once
WINDOW = 0.04  # seconds, over which the loudness that an envelope follows is averaged


def budget(epsilon: int, space: Space, shape: str = SHAPES[0]) -> PerturbationBudget:
    """The budget that `epsilon` means in a space: pixel values, or, for sound, shares of what its decibels allow.

    Raises ConfigError that names the option of the space where the other's was given.
    """
    known = SHAPES if space == AUDIO else SHAPES[:1]
    if shape not in known:
        raise ConfigError(f"{space.name} noise has no shape {shape!r}: give {' or '.join(known)}")
    if space == AUDIO:
        if epsilon >= 0:
            raise ConfigError(f"epsilon {epsilon} is for images: the budget of sound is --budget-db, as in -30")
        if epsilon < QUIETEST:
            raise ConfigError(f"budget-db is {epsilon}: it must be in {QUIETEST}..-1, as in -30")
        return PerturbationBudget(FULL, space)
    if epsilon < 0:
        raise ConfigError(f"epsilon is {epsilon}: below 0 it is --budget-db, of sound; give images --epsilon, as in 8")
    return PerturbationBudget(epsilon, space)


def check(config: NoiseConfig, data: str) -> None:
    """Raise ConfigError for settings of another kind of data than the named one, before any of it is read."""
    if data in catalogue.DATA:
        space = catalogue.DATA[data].space
        catalogue.check_space("method", config.method, catalogue.METHODS[config.method].spaces, space)
        budget(config.epsilon, AUDIO if space == AUDIO.name else IMAGE)
    if config.epsilon >= 0 and config.shape != SHAPES[0]:
        raise ConfigError(f"shape {config.shape} is for sound: the budget of images is {SHAPES[0]}, leave it away")
    if config.shape == MASKED and config.kind == "classwise":
        raise ConfigError("shape masked is of each clip's own masking: give --kind samplewise")
    if config.epsilon < 0 and config.options.get("begin") == "bands":
        raise ConfigError("begin bands is of colours, for images: noise of sound begins at zero, leave it away")


def with_limits(data: Dataset, decibels: int, shape: str) -> Dataset:
    """The same clips with the largest change of each value: int16 N×C×T, 0 after a clip's end and in silent ones.

    Clips without lengths are as long as their samples; images have one limit for all and come back as they are.
    """
    if data.space != AUDIO:
        return data
    found = torch.zeros_like(data.samples)
    for number, length in enumerate(lengths(data)):
        clip = data.samples[number, :, :length]
        found[number, :, :length] = limits(clip, decibels, shape, data.rate).to(found.dtype)
    return replace(data, limits=found)


def lengths(data: Dataset) -> list[int]:
    """How many values each clip has."""
    return [data.samples.shape[2]] * len(data) if data.lengths is None else data.lengths.tolist()


def radius(peak: int, decibels: int) -> int:
    """The largest r with 20·log10(r/peak) ≤ decibels, a whole number below 0: r²⁰ · 10^-decibels ≤ peak²⁰, exactly."""
    most, scale = peak**20, 10**-decibels
    found = int(peak * 10 ** (decibels / 20))  # floating point may be one off
    while found**20 * scale > most:
        found -= 1
    while (found + 1) ** 20 * scale <= most:
        found += 1
    return found


def limits(clip: Tensor, decibels: int, shape: str, rate: int) -> Tensor:
    """The largest change of each value of one clip: int64 C×T, for whole values C×T at `rate` Hz.

    flat: r everywhere; masked too, as masked.py turns the noise itself down. envelope: r · (loudness, averaged over
    40 ms, of its largest), cut to whole steps. Loudness is that of a value's highest 16 bits.
    """
    found = [part for _, part in limits_in_strips(clip, decibels, shape, rate)]
    return torch.cat(found, 1) if found else clip.long()


def limits_in_strips(clip: Tensor, decibels: int, shape: str, rate: int) -> Iterator[tuple[slice, Tensor]]:
    """The same a strip at a time, with its place: of an hour's recording the wide numbers would need gigabytes."""
    if not clip.numel():
        return
    count = clip.shape[1]
    peak = max(int(clip.max()), -int(clip.min()))
    most = radius(peak, decibels)
    places = [slice(first, min(first + STRIP, count)) for first in range(0, count, STRIP)]
    if shape != ENVELOPE:
        for place in places:
            yield place, torch.full((len(clip), place.stop - place.start), most, device=clip.device)
        return
    shift = max(0, peak.bit_length() - 16)  # or the sums of squares of 24 bits would not fit
    heard = [_loudness(clip, places[0], shift, rate)] if len(places) == 1 else None
    loudest = max(float(loud.max()) for loud in heard or (_loudness(clip, place, shift, rate) for place in places))
    for place in places:
        loud = heard[0] if heard else _loudness(clip, place, shift, rate)
        yield place, (most * loud / max(loudest, 1e-9)).floor().long()


def _loudness(clip: Tensor, place: slice, shift: int, rate: int) -> Tensor:
    """The root mean square within 40 ms around each value of a strip: float64 C×(the strip's length)."""
    half, count = max(1, round(WINDOW * rate / 2)), clip.shape[1]
    begin = max(0, place.start - half)
    heard = clip[:, begin : place.stop + half].long() >> shift
    sums = torch.cat([heard.new_zeros(len(heard), 1), heard.square().cumsum(1)], 1)  # whole numbers: exact everywhere
    at = torch.arange(place.start, place.stop, device=clip.device)
    first, last = (at - half).clamp(min=0), (at + half).clamp(max=count)
    return ((sums[:, last - begin] - sums[:, first - begin]).double() / (last - first)).sqrt()


def steps(share: Tensor, limits: Tensor) -> Tensor:
    """Shares of a limit, whole numbers of FULL, as whole steps of a file: int64, never beyond the limit."""
    product = share.long() * limits.long()
    return product.sign() * ((product.abs() * 2 + FULL) // (2 * FULL))


def added(data: Dataset, index: Tensor, delta: Tensor) -> Tensor:
    """The samples `index` with δ as a search holds it, not cut to their space's range: float32; of images x + δ."""
    return data.samples[index] + (delta if data.limits is None else delta * (data.limits[index].float() / FULL))
