"""Defences that change every training image anew in every epoch: whole batches on their device, one draw an image.

torchvision's distributions; its own transformations draw once for a batch, and one by one they starve a GPU.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.augment import flip
from workbench.data.parts import by_parts
from workbench.victim.defence import Defence
from workbench.victim.defences import operations

TRIES = 10  # draws of a crop's size, as torchvision's; after these the whole image, cut to the ratio


class CropFlip(Defence):
    """A random 40 % to 100 % of the image, brought to its size and mirrored with probability one half."""

    scale = (0.4, 1.0)  # of the area
    ratio = (3 / 4, 4 / 3)  # width to height, evenly in its logarithm

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Crop, then flip. Between pixels linearly; a crop is never made smaller, so there is no aliasing."""
        return flip(by_parts(resized, x, *self.boxes(x, draw)), draw)

    def boxes(self, x: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw for each image a box inside it: tops, lefts, heights, widths in pixels, float32 N of whole values."""
        height, width = x.shape[2:]
        area, shape, place = torch.rand((3, len(x), TRIES), generator=draw, device=draw.device)
        area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * area)
        low, high = (math.log(end) for end in self.ratio)
        shape = (low + (high - low) * shape).exp()
        heights, widths = (area / shape).sqrt().round(), (area * shape).sqrt().round()
        fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
        first = fits.int().argmax(1, keepdim=True)
        whole = min(height, round(width / self.ratio[0])), min(width, round(height * self.ratio[1]))
        some = fits.any(1)
        heights = torch.where(some, heights.gather(1, first)[:, 0], whole[0])
        widths = torch.where(some, widths.gather(1, first)[:, 0], whole[1])
        tops = (place[:, 0] * (height - heights + 1)).floor()
        lefts = (place[:, 1] * (width - widths + 1)).floor()
        middle = (height - whole[0]) // 2, (width - whole[1]) // 2
        return torch.where(some, tops, middle[0]), torch.where(some, lefts, middle[1]), heights, widths


def resized(x: Tensor, tops: Tensor, lefts: Tensor, heights: Tensor, widths: Tensor) -> Tensor:
    """Bring a box of every image to the image's size, linearly: uint8 N×C×H×W; boxes in pixels, float32 N."""
    ends = []
    for side, begins, sizes in ((x.shape[2], tops, heights), (x.shape[3], lefts, widths)):
        at = (torch.arange(side, device=x.device) + 0.5) * sizes[:, None] / side - 0.5
        at = begins[:, None] + torch.minimum(at.clamp(min=0), sizes[:, None] - 1)  # nothing from beyond the box
        ends.append((2 * at + 1) / side - 1)
    grid = torch.stack(
        [ends[1][:, None, :].expand(-1, x.shape[2], -1), ends[0][:, :, None].expand(-1, -1, x.shape[3])], 3
    )
    return functional.grid_sample(x.float(), grid, align_corners=False).round().to(torch.uint8)


class Cutout(Defence):
    """A black square of a quarter of the area (as large as fits, where a side is less than a quarter of the other)."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Erase a square inside each image."""
        height, width = x.shape[2:]
        side = min(round(math.sqrt(height * width / 4)), height, width)
        tops = torch.randint(height - side + 1, (len(x), 1), generator=draw, device=draw.device)
        lefts = torch.randint(width - side + 1, (len(x), 1), generator=draw, device=draw.device)
        rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        rows, columns = (rows < tops) | (rows >= tops + side), (columns < lefts) | (columns >= lefts + side)
        return x * (rows[:, :, None] | columns[:, None, :])[:, None]


class RandAugment(Defence):
    """Two random operations at torchvision's default strength."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Draw the operations of each image and apply them."""
        return operations.randaugment(x, draw)
