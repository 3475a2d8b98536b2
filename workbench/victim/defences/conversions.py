"""Defences that convert every image once, before training and before the test: less colour, detail or depth."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.data.halving import half
from workbench.victim.defence import Defence


class Grayscale(Defence):
    """Three equal channels of the brightness."""

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError for grey images."""
        if data.samples.shape[1] == 1:
            raise ConfigError("defence grayscale: these images are grey already, it would change nothing")

    def inputs(self, x: Tensor) -> Tensor:
        """Take the colour out of the images."""
        return functional.rgb_to_grayscale(x, num_output_channels=3)


class Jpeg(Defence):
    """JPEG compression. quality: 1..100."""

    def __init__(self, quality: int):
        self.quality = quality

    def inputs(self, x: Tensor) -> Tensor:
        """Compress each image and read it back."""
        return torch.stack([functional.jpeg(image, quality=self.quality) for image in x])


class BitDepth(Defence):
    """The highest `bits` bits of every value; the others become 0."""

    def __init__(self, bits: int):
        self.bits = bits

    def inputs(self, x: Tensor) -> Tensor:
        """Cut the lower bits."""
        return functional.posterize(x, bits=self.bits)


class Blur(Defence):
    """A Gaussian of 3×3 pixels, σ = 1."""

    def inputs(self, x: Tensor) -> Tensor:
        """Blur the images."""
        return functional.gaussian_blur(x, kernel_size=[3, 3], sigma=[1.0, 1.0])


class ResizeHalf(Defence):
    """Halved and brought back, as a learner does who works at half the size."""

    def inputs(self, x: Tensor) -> Tensor:
        """Scale down and up again, antialiased."""
        return half(x)
