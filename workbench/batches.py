"""Batches of images that already lie on the device: no worker processes, no copies, order from a seed."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from workbench.augment import none
from workbench.images import ImageSet

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def generator(device: torch.device, *seeds: int) -> torch.Generator:
    """A generator on `device` whose stream depends on all of `seeds`, in order (seed, epoch, purpose …).

    Every epoch draws from its own stream, so a resumed run needs no saved random state to repeat itself.
    """
    mixed = 0
    for seed in seeds:
        mixed = (mixed * 1_000_003 + seed + 0x9E3779B9) % (2**63 - 1)
    return torch.Generator(device=device).manual_seed(mixed)


class Batches:
    """One pass over a set: pairs of pixels uint8 B×C×H×W (augmented) and labels int64 B.

    With a generator the order is shuffled and the augmentation drawn from it; without one, images come in order.
    """

    def __init__(
        self, data: ImageSet, size: int, draw: torch.Generator | None = None, augmentation: Augmentation = none
    ):
        self.data, self.size, self.draw, self.augmentation = data, size, draw, augmentation

    def __len__(self) -> int:
        return -(-len(self.data) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count, device = len(self.data), self.data.images.device
        if self.draw is None:
            order = torch.arange(count, device=device)
        else:
            order = torch.randperm(count, generator=self.draw, device=device)
        for index in order.split(self.size):
            pixels = self.data.images[index]
            if self.draw is not None:
                pixels = self.augmentation(pixels, self.draw)
            yield pixels, self.data.labels[index]


def network_input(pixels: Tensor) -> Tensor:
    """Pixel values 0..255 of any type as float32 in channels_last, which is the fastest layout measured."""
    return pixels.float().contiguous(memory_format=torch.channels_last)
