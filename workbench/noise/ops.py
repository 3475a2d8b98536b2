"""`ops`: One-Pixel Shortcut, one pixel of every image set to its class's colour (Wu et al., ICLR 2023): a control.

Place and colour (a corner of the colour cube: each channel 0 or 255) are those that the images of the class are
furthest from, and most alike in that: mean(|corner - x|) / std(|corner - x|) is largest. No two classes share both.
Nothing is drawn, so the seed changes nothing.
"""

import itertools

import torch
from torch import Tensor

from workbench.config import OUTSIDE, ConfigError
from workbench.noise.no_options import Options
from workbench.noise.search import Search

AT_ONCE = 512  # images whose pixels are numbers with a point at the same time
LEAST_SPREAD = 1e-3  # pixel values: below the spread of any pixel whose values are not all the same


def search(task: Search, options: Options) -> Tensor:
    """Return δ, int16 K×C×H×W, or N×C×H×W with the same for all images of a class.

    It is ±255 in the one pixel, so that x + δ, cut to the range of pixels, is the corner whatever x is. Raises
    ConfigError when there are more classes than places and colours.
    """
    classes, (channels, height, width) = len(task.data.classes), task.samples.shape[1:]
    corners = torch.tensor(list(itertools.product((0, 1), repeat=channels)))
    if classes > len(corners) * height * width:
        raise ConfigError(f"ops: {width}×{height} pixels of {len(corners)} colours are too few for {classes} classes")
    delta = torch.zeros((classes, channels, height * width), dtype=torch.int16)
    taken = torch.zeros((len(corners), height * width), dtype=torch.bool)
    for label in task.labels.unique().tolist():  # a class without images has no pixel
        found = scores(task.samples, (task.labels == label).nonzero()[:, 0], corners).masked_fill(taken, -1)
        colour, place = divmod(int(found.argmax()), height * width)
        taken[colour, place] = True
        delta[label, :, place] = torch.where(corners[colour] == 1, OUTSIDE, -OUTSIDE).short()
    delta = delta.view(classes, channels, height, width)
    return delta if task.classwise else delta[task.labels.cpu()]


def scores(samples: Tensor, mine: Tensor, corners: Tensor) -> Tensor:
    """mean / std of |corner - x| over the samples `mine` (int64) and their channels: float64 corners×(H·W)."""
    sums = torch.zeros((2, *samples.shape[1:]), dtype=torch.int64, device=samples.device)
    for part in mine.split(AT_ONCE):
        values = samples[part].long()
        sums += torch.stack([values.sum(0), values.square().sum(0)])
    first, second = sums.cpu().double().flatten(2) / len(mine)  # the means of x and of x²; of 255 - x they follow
    both = torch.stack([first, OUTSIDE - first]), torch.stack([second, OUTSIDE**2 - 2 * OUTSIDE * first + second])
    mean, square = (moment[corners, torch.arange(corners.shape[1])].mean(1) for moment in both)
    return mean / (square - mean.square()).clamp_min(LEAST_SPREAD**2).sqrt()
