"""`bands`: bands of colour that tell classes apart, drawn for each class without a search or a network.

A network finds such patterns sooner than what the images show: linearly separable noise drawn from the class alone is
the cheapest shortcut known (Yu et al., Availability Attacks Create Shortcuts, KDD 2022, whose patches are squares).
Bands run across the image because a mirrored band is itself, and a few are wide enough to survive a shift by 4 pixels.
"""

import torch
from torch import Tensor

from workbench.data.batches import Stream
from workbench.noise.budget import PerturbationBudget
from workbench.noise.no_options import Options
from workbench.noise.search import Search

FEW, MANY = 4, 8  # bands of a channel
CANDIDATES = 4096


def search(task: Search, options: Options) -> Tensor:
    """Draw δ, float32 K×C×H×W, or N×C×H×W with the same for all images of a class."""
    shape = (len(task.data.classes), *task.samples.shape[1:])
    bands = drawn(task.budget, shape, task.generator(Stream.BANDS))
    return bands if task.classwise else bands[task.labels]


def drawn(budget: PerturbationBudget, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """±ε in every channel of every band, each class as far from the others as candidates drawn by chance allow.

    shape: K×C×H×W; returns float32 of that shape on the generator's device, pixel values of 255, constant along rows.
    """
    classes, channels, height = shape[:3]
    count = min(height, FEW if FEW * channels >= classes else MANY)
    signs = torch.randint(0, 2, (CANDIDATES, channels * count), generator=draw, device=draw.device) * 2.0 - 1
    chosen = [signs[0]]
    alike = signs @ signs[0]
    while len(chosen) < classes:
        chosen.append(signs[alike.argmin()])
        alike = torch.maximum(alike, signs @ chosen[-1])
    band = torch.arange(height, device=draw.device) * count // height
    return budget.radius * torch.stack(chosen).view(classes, channels, count)[:, :, band, None].expand(shape)
