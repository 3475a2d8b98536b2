"""What somebody who wants to learn from the data anyway will try on the images first.

A defence is part of that learner's pipeline: it is applied to the training images after the noise, and to the clean
test images as well. All take and return uint8 N×C×H×W on the CPU. Sources: Liu et al., ISS (ICML 2023) for grayscale,
JPEG and bit depth.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from workbench.config import ConfigError, check_choice


def _each(change: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.stack([change(image) for image in images])


def _grayscale(images: Tensor) -> Tensor:
    return functional.rgb_to_grayscale(images, num_output_channels=3)


def _jpeg(quality: int, images: Tensor) -> Tensor:
    return _each(partial(functional.jpeg, quality=quality), images)


def _blur(images: Tensor) -> Tensor:
    return functional.gaussian_blur(images, kernel_size=[3, 3], sigma=[1.0, 1.0])


DEFENCES: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda images: images,
    "grayscale": _grayscale,
    "jpeg-75": partial(_jpeg, 75),
    "jpeg-10": partial(_jpeg, 10),
    "bit-depth-2": partial(functional.posterize, bits=2),
    "blur": _blur,
}


def defend(name: str, images: Tensor) -> Tensor:
    """Apply the defence `name` to uint8 images N×C×H×W. Raises ConfigError for an unknown or pointless one."""
    check_choice("defence", name, DEFENCES)
    if name == "grayscale" and images.shape[1] == 1:
        raise ConfigError("defence grayscale: these images are grey already, it would change nothing")
    return DEFENCES[name](images.cpu()).to(images.device)
