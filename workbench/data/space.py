"""Space: what the numbers of a kind of data are. Images have one, sound another, one's own data may have a third."""

from typing import NamedTuple

import torch
from torch import Tensor


class Space(NamedTuple):
    """What the numbers of a kind of data are: their range, unit, and the whole-number types they and δ are kept in."""

    name: str
    low: int
    high: int
    unit: str
    sample: torch.dtype
    delta: torch.dtype

    @property
    def largest(self) -> int:
        """The largest budget: what δ's type holds on both sides of zero."""
        return torch.iinfo(self.delta).max

    def unit_range(self, samples: Tensor) -> Tensor:
        """Samples as float32 in 0..1 (images) or -1..1 (signed data): what a network of one's own gets."""
        return samples / max(-self.low, self.high)


IMAGE = Space("image", 0, 255, "of 255", torch.uint8, torch.int8)
SHORTEST, SLOWEST = 0.05, 2000  # of a clip in seconds and of its rate in Hz, or there is nothing to hear
AUDIO = Space("audio", -(2**15), 2**15 - 1, "dB under a clip's peak", torch.int16, torch.int16)
