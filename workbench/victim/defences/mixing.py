"""Defences that blend the images and labels of every training batch, one share per batch."""

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from workbench.victim.defence import Defence, seeded


class MixUp(Defence):
    """Weighted sums of two images and of their labels."""

    blend: type[nn.Module] = v2.MixUp

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Blend each image and label with those of another image of the batch; labels become probabilities."""
        with seeded(draw):
            mixed: tuple[Tensor, Tensor] = self.blend(num_classes=self.classes)(x, y)
        return mixed


class CutMix(MixUp):
    """A rectangle of another image, and its share of that image's label."""

    blend = v2.CutMix
