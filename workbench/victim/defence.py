"""What somebody who wants to learn from the data anyway will try against the noise.

A defence belongs to that learner's pipeline. Some change the images once, before training, and then the clean test
images as well (`images`); some change every training batch anew (`augment`, `mix`); adversarial training learns from
the worst images near each one (`radius`). The operations are torchvision's; v2 draws once for a batch, so each image is
given to it alone, from a seed of the batch's own. Sources: Liu et al., ISS (ICML 2023) for grayscale, JPEG and bit
depth; Huang et al. (ICLR 2021, §4.3) for Cutout, MixUp, CutMix and adversarial training.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from workbench.config import ConfigError, check_choice
from workbench.models import input_gradient

Pixels = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Defence:
    """One attempt; whatever is None or 0 is left out.

    images: uint8 N×C×H×W to the same, on the CPU; augment: makes the transformation of one uint8 image C×H×W of the
    given height and width; mix: makes the transformation of a batch (float pixels, int64 labels) of that many classes,
    which returns pixels and class probabilities; radius, steps: of the PGD attack in pixel values of 255.
    """

    images: Pixels | None = None
    augment: Callable[[tuple[int, int]], nn.Module] | None = None
    mix: Callable[[int], nn.Module] | None = None
    radius: int = 0
    steps: int = 0


def _each(change: Pixels, images: Tensor) -> Tensor:
    return torch.stack([change(image) for image in images])


def _grayscale(images: Tensor) -> Tensor:
    return functional.rgb_to_grayscale(images, num_output_channels=3)


def _jpeg(quality: int) -> Defence:
    return Defence(images=partial(_each, partial(functional.jpeg, quality=quality)))


def _blur(images: Tensor) -> Tensor:
    return functional.gaussian_blur(images, kernel_size=[3, 3], sigma=[1.0, 1.0])


def _resize_half(images: Tensor) -> Tensor:
    """Halved and brought back, as a learner does who works at half the size."""
    height, width = images.shape[2:]
    small = functional.resize(images, [max(1, height // 2), max(1, width // 2)], antialias=True)
    return functional.resize(small, [height, width], antialias=True)


def _crop_flip(size: tuple[int, int]) -> nn.Module:
    crop = v2.RandomResizedCrop(size, scale=(0.4, 1.0), antialias=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip()])


def _cutout(size: tuple[int, int]) -> nn.Module:
    return v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))  # a square of half the side


DEFENCES: dict[str, Defence] = {
    "none": Defence(),
    "crop-flip": Defence(augment=_crop_flip),
    "cutout": Defence(augment=_cutout),
    "randaugment": Defence(augment=lambda size: v2.RandAugment()),
    "mixup": Defence(mix=lambda classes: v2.MixUp(num_classes=classes)),
    "cutmix": Defence(mix=lambda classes: v2.CutMix(num_classes=classes)),
    "grayscale": Defence(images=_grayscale),
    "jpeg-75": _jpeg(75),
    "jpeg-30": _jpeg(30),
    "jpeg-10": _jpeg(10),
    "bit-depth-2": Defence(images=partial(functional.posterize, bits=2)),
    "blur": Defence(images=_blur),
    "resize-half": Defence(images=_resize_half),
    "adversarial-4": Defence(radius=4, steps=3),  # short, for CPUs
    "adversarial-8": Defence(radius=8, steps=10),  # as APBench (TMLR 2024) does
    "leave-out": Defence(),  # drops the images that carry noise: victim.published
}


def defend(name: str, images: Tensor) -> Tensor:
    """Apply what the defence `name` does before training to uint8 images N×C×H×W.

    Raises ConfigError for an unknown or pointless one.
    """
    check_choice("defence", name, DEFENCES)
    if name == "grayscale" and images.shape[1] == 1:
        raise ConfigError("defence grayscale: these images are grey already, it would change nothing")
    change = DEFENCES[name].images
    return change(images.cpu()).to(images.device) if change else images


def augment(name: str, images: Tensor, draw: torch.Generator) -> Tensor:
    """Apply what the defence `name` does to a training batch, a draw an image: uint8 N×C×H×W to the same."""
    make = DEFENCES[name].augment
    if make is None:
        return images
    change = make((images.shape[2], images.shape[3]))
    with _seeded(draw):
        return _each(change, images.cpu()).to(images.device)


def mix(name: str, pixels: Tensor, labels: Tensor, classes: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend the images and labels of a batch (MixUp, CutMix), one share a batch: float N×C×H×W and float N×classes.

    Any other defence returns what it was given, labels int64 N.
    """
    make = DEFENCES[name].mix
    if make is None:
        return pixels, labels
    with _seeded(draw):
        mixed: tuple[Tensor, Tensor] = make(classes)(pixels, labels)
    return mixed


def worst_nearby(name: str, network: nn.Module, pixels: Tensor, labels: Tensor, draw: torch.Generator) -> Tensor:
    """The batch that adversarial training learns from (PGD, Madry et al., ICLR 2018): float N×C×H×W within the
    defence's radius and 0..255, uphill on the loss from a random start. Other defences return `pixels`.
    """
    radius, steps = DEFENCES[name].radius, DEFENCES[name].steps
    if not radius:
        return pixels
    start = torch.rand(pixels.shape, generator=draw, device=pixels.device) * 2 - 1
    found = (pixels + radius * start).clamp(0, 255)
    for _ in range(steps):
        uphill = found + 2.5 * radius / steps * input_gradient(network, found, labels).sign()
        found = torch.clamp(uphill, pixels - radius, pixels + radius).clamp(0, 255)
    return found


@contextmanager
def _seeded(draw: torch.Generator) -> Iterator[None]:
    """torchvision's transformations draw from the global stream: seed it from `draw`, then put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=draw, device=draw.device)))
        yield
