"""Defences that disturb every training image a little, anew in every epoch: values, colours or places."""

import torch
from torch import Tensor

from workbench.victim.defence import Defence


class Gaussian(Defence):
    """Noise of its own for every value. sigma: in pixel values."""

    def __init__(self, sigma: float):
        self.sigma = sigma

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Add the noise."""
        noise = torch.randn(x.shape, generator=draw, device=draw.device)
        return (x + self.sigma * noise).round().clamp(0, 255).to(torch.uint8)


class ChannelShift(Defence):
    """Every channel of every image brighter or darker by a whole number of pixel values up to `most`."""

    def __init__(self, most: int):
        self.most = most

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Shift the channels."""
        by = torch.randint(-self.most, self.most + 1, (*x.shape[:2], 1, 1), generator=draw, device=draw.device)
        return (x + by).clamp(0, 255).to(torch.uint8)


class Coin(Defence):
    """Every pixel taken from a place nearby, between pixels linearly; beyond an edge the image begins again.

    Each pixel has a draw of its own, as published: a field without smoothness, which no convolution gives or undoes.
    most: the longest way in pixels, down and across.
    """

    def __init__(self, most: float):
        self.most = most

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Move the pixels."""
        count, channels, height, width = x.shape
        by = (torch.rand((2, count, height, width), generator=draw, device=draw.device) * 2 - 1) * self.most
        down, right = by.floor()
        part_down, part_right = (by - by.floor()).unsqueeze(2)
        rows = down.long() + torch.arange(height, device=x.device)[:, None]
        columns = right.long() + torch.arange(width, device=x.device)

        def values(lower: int, further: int) -> Tensor:
            place = (rows + lower).remainder(height) * width + (columns + further).remainder(width)
            return x.flatten(2).gather(2, place.view(count, 1, -1).expand(-1, channels, -1)).view_as(x).float()

        above = torch.lerp(values(0, 0), values(0, 1), part_right)
        below = torch.lerp(values(1, 0), values(1, 1), part_right)
        return torch.lerp(above, below, part_down).round().to(torch.uint8)
