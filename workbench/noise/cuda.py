"""`cuda`: every class's images blurred by a filter of its own (Sadasivan et al., CUDA, CVPR 2023): a control.

CUDA is "convolution-based unlearnable data set". A 3×3 filter, the same for all channels, has one tap of 1 at a drawn
place and all others drawn from 0 to `blur`; the filtered image is divided by its largest value. δ is what that changes,
so it is each image's own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import OUTSIDE, ConfigError, NoiseConfig, check_range, option
from workbench.data.batches import Stream
from workbench.files import mapped
from workbench.noise.search import Search

AT_ONCE = 1024  # images that are filtered at the same time


@dataclass(frozen=True)
class Options:
    """How strong the blur is."""

    blur: float = option("largest tap of a filter beside the one of 1, 0 to 1", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """The paper's blur for CIFAR-10. Raises ConfigError for class-wise noise, which there is none of."""
        if asked.kind == "classwise":
            raise ConfigError("cuda filters every image, so its noise is each image's own: give --kind samplewise")
        return {"blur": 0.3}


def search(task: Search, options: Options) -> Tensor:
    """Return δ = filtered image - image, int16 N×C×H×W."""
    check_range(options, "blur", 0, 1)
    taps = filters(len(task.data.classes), options.blur, task.generator(Stream.CUDA, 0))
    found = task.room(task.shape, task.budget.delta)
    for part in mapped.parts(len(task.data), AT_ONCE):
        samples = task.samples[part]
        found[part] = (filtered(samples.float(), taps[task.labels[part]]).short() - samples.short()).cpu()
        mapped.release(task.samples)
    return found


def filters(classes: int, blur: float, draw: torch.Generator) -> Tensor:
    """A filter for every class: float32 K×3×3."""
    taps = torch.rand((classes, 9), generator=draw, device=draw.device) * blur
    place = torch.randint(0, 9, (classes, 1), generator=draw, device=draw.device)
    return taps.scatter_(1, place, 1.0).view(classes, 3, 3)


def filtered(images: Tensor, taps: Tensor) -> Tensor:
    """Filter images, float32 N×C×H×W, by taps N×3×3, with black around, and bring the brightest value of each to 255:
    whole pixel values of that shape; black images stay black.
    """
    channels, height, width = images.shape[1:]
    weights = taps.repeat_interleave(channels, 0)[:, None]
    found = functional.conv2d(images.view(1, -1, height, width), weights, padding=1, groups=len(weights))
    found = found.view(images.shape)
    return (found * (OUTSIDE / found.amax((1, 2, 3), keepdim=True).clamp_min(1e-6))).round()
