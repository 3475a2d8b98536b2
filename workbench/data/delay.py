"""Batched augmentation of recordings: each clip a little earlier or later, louder or quieter."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import check_choice
from workbench.data.augment import AUGMENTATIONS, none


def delay_gain(clips: Tensor, generator: torch.Generator) -> Tensor:
    """Move and amplify each clip: int16 N×C×T, cut to its range."""
    return moved(clips, generator).round().clamp(-(2**15), 2**15 - 1).to(clips.dtype)


def moved(clips: Tensor, generator: torch.Generator) -> Tensor:
    """Move each clip by up to ±a tenth of its room, zeros coming in, and amplify it by up to ±6 dB: N×C×T → float32.

    Gradients pass through.
    """
    count, channels, length = clips.shape
    most = length // 10
    places = torch.randint(2 * most + 1, (count, 1), generator=generator, device=generator.device)
    decibels = (torch.rand((count, 1, 1), generator=generator, device=generator.device) * 2 - 1) * 6
    where = (places + torch.arange(length, device=clips.device))[:, None].expand(-1, channels, -1)
    return functional.pad(clips, [most, most]).gather(2, where).float() * 10 ** (decibels / 20)


OF_SOUND = {"none": none, "delay-gain": delay_gain}
EVERY = AUGMENTATIONS | OF_SOUND


def named(name: str, space: str) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The augmentation of this name. Raises ConfigError for one of another kind of data."""
    known = OF_SOUND if space == "audio" else AUGMENTATIONS
    check_choice(f"augmentation of {space} data", name, known)
    return known[name]
