"""Defences that filter every image once, before training and before the test."""

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.codec import cosines
from workbench.data.parts import by_parts
from workbench.victim.defence import Defence


class Median(Defence):
    """The median of every pixel and its neighbours, channel by channel; beyond the edge the image is mirrored."""

    def inputs(self, x: Tensor) -> Tensor:
        """Filter the images."""
        return by_parts(_median, x)


class SharpenLowPass(Defence):
    """Sharpening, then the lowest frequencies alone (RSK+FF, which is made for noise that blurs).

    The published one draws a kernel an image: centre c from N(2.5, 0.1), the four neighbours −(c−1)/4 ± 0.1. Here it is
    their mean, so that training and test images pass through the same filter and nothing is drawn.
    keep: percent of the rows and of the columns of the image's cosine transform.
    """

    centre = 2.5

    def __init__(self, keep: int):
        self.keep = keep

    def inputs(self, x: Tensor) -> Tensor:
        """Filter the images."""
        beside = (1 - self.centre) / 4
        kernel = torch.tensor([[0, beside, 0], [beside, self.centre, beside], [0, beside, 0]])
        across, along = (self._lowest(side).to(x.device) for side in x.shape[2:])

        def change(part: Tensor) -> Tensor:
            edged = functional.pad(part.float(), [1, 1, 1, 1], mode="replicate")
            weights = kernel.to(x.device).expand(x.shape[1], 1, 3, 3)
            sharp = functional.conv2d(edged, weights, groups=x.shape[1])
            low = across @ sharp.clamp(0, 255).double() @ along
            return low.round().clamp(0, 255).to(torch.uint8)

        return by_parts(change, x)

    def _lowest(self, side: int) -> Tensor:
        """The projection onto the lowest frequencies of a side in pixels: float64, so that ties are rounded alike."""
        kept = cosines(side)[: -(-side * self.keep // 100)].double()
        return kept.T @ kept


def _median(x: Tensor) -> Tensor:
    """Of 3×3 values each: uint8 N×C×H×W to the same. An image one pixel wide is continued by that pixel.

    Columns of three are sorted first: the median of nine is that of the highest low, the middle middle and the lowest
    high.
    """
    mirrors = "reflect" if min(x.shape[2:]) > 1 else "replicate"
    edged = functional.pad(x.float(), [1, 1, 1, 1], mode=mirrors).to(torch.uint8)
    columns = _sorted(edged[..., :-2, :], edged[..., 1:-1, :], edged[..., 2:, :])
    beside = [_sorted(each[..., :-2], each[..., 1:-1], each[..., 2:]) for each in columns]
    return _sorted(beside[0][2], beside[1][1], beside[2][0])[1]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort three values everywhere, the lowest first."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    return torch.minimum(low, c), torch.maximum(low, torch.minimum(high, c)), torch.maximum(high, c)
