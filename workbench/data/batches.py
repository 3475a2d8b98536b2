"""Batches of images that already lie on the device: no worker processes, no copies, order from a seed."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from workbench.data.augment import none
from workbench.data.dataset import Dataset

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
    share: (rank, devices). Of a drawn batch each device augments all and takes every so many-th image, so that together
    they meet what one alone would (a short batch is filled up with its first images); without a generator each device
    passes over its own images, once.
    """

    def __init__(
        self,
        data: Dataset,
        size: int,
        draw: torch.Generator | None = None,
        augmentation: Augmentation = none,
        share: tuple[int, int] = (0, 1),
    ):
        self.data, self.size, self.draw, self.augmentation, self.share = data, size, draw, augmentation, share

    def __len__(self) -> int:
        rank, devices = self.share
        mine = len(self.data) if self.draw is not None else len(range(rank, len(self.data), devices))
        return -(-mine // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count, device = len(self.data), self.data.samples.device
        rank, devices = self.share
        if self.draw is None:
            order = torch.arange(rank, count, devices, device=device)
        else:
            order = torch.randperm(count, generator=self.draw, device=device)
        for index in order.split(self.size):
            if self.draw is None:
                yield self.data.samples[index], self.data.labels[index]
                continue
            length = -(-len(index) // devices) * devices
            filled = index.repeat(-(-length // len(index)))[:length]
            pixels = self.augmentation(self.data.samples[filled], self.draw)
            yield pixels[rank::devices], self.data.labels[filled][rank::devices]


def network_input(pixels: Tensor) -> Tensor:
    """Pixel values 0..255 of any type as float32 in channels_last, which is the fastest layout measured."""
    return pixels.float().contiguous(memory_format=torch.channels_last)
