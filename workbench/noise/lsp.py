"""`lsp`: squares of colour from linearly separable points, drawn without a search (Yu et al., KDD 2022).

The points of a class lie around a corner of a hypercube; each coordinate is repeated over a square of 8×8 pixels, and
every δ gets the same L2 norm. The distribution is scikit-learn's `make_classification` as the paper uses it (one
cluster a class, class_sep 10, nothing redundant), drawn here because its bits are no promise from version to version.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.batches import Stream
from workbench.noise import norms
from workbench.noise.search import Search

SQUARE = 8  # pixels a side
LEAST_SQUARES = 4  # a side of the image: those of small images are smaller
APART = 10.0  # class_sep: how far the hypercube's corners lie from zero along every axis
SIZE = 6.0  # root mean square of a δ, pixel values of 255: an L2 norm of √(C·H·W)·6
BITS = 16  # of a corner, by which no two classes are alike; the others are chance


@dataclass(frozen=True)
class Options:
    """Whose points, and how large."""

    points: str = option(
        "class (all images of a class have one) or image (own ones, as published)", choices=("class", "image")
    )
    norm: str = option(norms.HELP, choices=norms.NORMS)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """One point a class, clipped to the budget."""
        return {"points": "class", "norm": "linf"}


def search(task: Search, options: Options) -> Tensor:
    """Draw δ, float32 K×C×H×W, or N×C×H×W. Raises ConfigError when the budget does not hold the norm l2."""
    if task.classwise and options.points == "image":
        raise ConfigError("points image is for --kind samplewise: class-wise noise has one point a class")
    channels, height, width = task.samples.shape[1:]
    side = max(1, min(SQUARE, min(height, width) // LEAST_SQUARES))
    down, across = -(-height // side), -(-width // side)
    corners, spread = hypercube(len(task.data.classes), channels * down * across, task.generator(Stream.LSP, 0))
    own = options.points == "image"
    centres = corners[task.labels] if own else corners
    draw = task.generator(Stream.LSP, 1 if own else 2)
    points = centres + torch.randn(centres.shape, generator=draw, device=draw.device) @ spread
    squares = points.view(-1, channels, down, across).repeat_interleave(side, 2).repeat_interleave(side, 3)
    delta = norms.held(task, norms.scaled(squares[:, :, :height, :width], SIZE), options.norm)
    return delta if own or task.classwise else delta[task.labels]


def hypercube(classes: int, features: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """A corner for every class, no two alike, float32 K×F, and the matrix F×F that spreads points around them.

    Raises ConfigError when there are fewer corners than classes.
    """
    bits = min(features, BITS)
    if classes > 2**bits:
        raise ConfigError(f"lsp: images of {features} squares tell {2**bits} classes apart, not {classes}: give larger")
    on = draw.device
    numbers = torch.randperm(2**bits, generator=draw, device=on)[:classes, None]
    first = numbers >> torch.arange(bits, device=on) & 1
    rest = torch.randint(0, 2, (classes, features - bits), generator=draw, device=on)
    spread = torch.rand((features, features), generator=draw, device=on) * 2 - 1
    return (torch.cat([first, rest], 1) * 2.0 - 1) * APART, spread
