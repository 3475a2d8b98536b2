"""Batched augmentation on the device, one draw a sample.

torchvision's v2 transforms draw once for a whole batch, which would change the science; these draw for each image,
on uint8 (clips of sound: int16), from a generator that is given.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

PADDING = 4  # pixels; RandomCrop(32, padding=4) of the 2021 recipe
DEGREES = 20  # RandomRotation(20) of the 2021 recipe for CIFAR-100


def shift(images: Tensor, generator: torch.Generator, padding: int = PADDING) -> Tensor:
    """Pad every image with zeros and cut it out again at a random place: uint8 N×C×H×W, a draw an image."""
    count, _, height, width = images.shape
    padded = functional.pad(images, [padding] * 4)
    tops = torch.randint(2 * padding + 1, (count, 1), generator=generator, device=generator.device)
    lefts = torch.randint(2 * padding + 1, (count, 1), generator=generator, device=generator.device)
    rows = (tops + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (lefts + torch.arange(width, device=images.device))[:, None, None, :]
    which = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[which, channel, rows, columns]


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half: uint8 N×C×H×W."""
    mirrored = torch.rand(len(images), generator=generator, device=generator.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def rotate(images: Tensor, generator: torch.Generator, degrees: float = DEGREES) -> Tensor:
    """Turn each image about its middle by up to ±degrees, nearest pixel, zeros outside: uint8 N×C×H×W."""
    height, width = images.shape[2:]
    draw = torch.rand(len(images), generator=generator, device=generator.device)
    angles = (draw * 2 - 1) * math.radians(degrees)
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    turn = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], 1).view(-1, 2, 3)
    grid = functional.affine_grid(turn, list(images.shape), align_corners=False)
    return functional.grid_sample(images.float(), grid, mode="nearest", align_corners=False).to(images.dtype)


def none(images: Tensor, generator: torch.Generator) -> Tensor:
    """Leave the images as they are."""
    return images


def shift_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """The 2021 recipe for CIFAR-10: random crop after padding, then random mirror."""
    return flip(shift(images, generator), generator)


def shift_flip_rotate(images: Tensor, generator: torch.Generator) -> Tensor:
    """The 2021 recipe for CIFAR-100: random crop after padding, random mirror, random rotation."""
    return rotate(shift_flip(images, generator), generator)


AUGMENTATIONS = {"none": none, "shift": shift, "shift-flip": shift_flip, "shift-flip-rotate": shift_flip_rotate}
