"""Defences that change every training image anew in every epoch.

The operations are torchvision's; v2 draws once for a batch, so each image is given to it alone.
"""

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from workbench.victim.defence import Defence, seeded


class PerImage(Defence):
    """One draw per image."""

    def change(self, height: int, width: int) -> nn.Module:
        """Make the transformation of one uint8 image C×H×W."""
        raise NotImplementedError

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Transform each image."""
        change = self.change(*x.shape[2:])
        with seeded(draw):
            return torch.stack([change(image) for image in x.cpu()]).to(x.device)


class CropFlip(PerImage):
    """A random 40 % to 100 % of the image, brought to its size and mirrored with probability one half."""

    def change(self, height: int, width: int) -> nn.Module:
        """Crop, then flip."""
        crop = v2.RandomResizedCrop((height, width), scale=(0.4, 1.0), antialias=True)
        return v2.Compose([crop, v2.RandomHorizontalFlip()])


class Cutout(PerImage):
    """A black square of half the side, inside the image."""

    def change(self, height: int, width: int) -> nn.Module:
        """Erase a square."""
        return v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))


class RandAugment(PerImage):
    """Two random operations at torchvision's default strength."""

    def change(self, height: int, width: int) -> nn.Module:
        """Draw the operations."""
        return v2.RandAugment()
