"""Batches of samples that already lie on the device, and the named random streams that everything is drawn from."""

from collections.abc import Callable, Iterator
from enum import IntEnum

import torch
from torch import Tensor

from workbench.data.augment import none
from workbench.data.dataset import Dataset

Augmentation = Callable[[Tensor, torch.Generator], Tensor]
# The fastest layout measured; Apple's GPU fails in the gradients of networks whose weights or inputs have it.
LAYOUT = torch.contiguous_format if torch.backends.mps.is_available() else torch.channels_last


class Stream(IntEnum):
    """What is drawn. Every purpose has a stream of its own; new ones get new numbers, old numbers never change."""

    ORDER = 0  # of a victim's training samples, by epoch
    DEFENCE = 1  # of a batch, by epoch and batch
    EM_ORDER = 2
    EM_JOINT_ORDER = 3
    RANDOM = 4
    EM_MAX_TRAINING = 5
    TARGETED_TRAINING, TARGETED_STEPS = 6, 7
    LINEAR_WEIGHTS, LINEAR_ORDER, LINEAR_START = 8, 9, 10
    CARRIERS = 11  # which samples carry the noise
    BANDS = 12
    MATCHING = 13  # which people teach the network
    HELD = 14  # which samples a learner keeps aside
    HELPED = 15  # which clean samples or pairs a learner has
    LEARNER = 16  # the weights of a network that a defence trains beforehand
    PLAID = 17
    LEARNER_STEPS = 18
    LSP, AUTOREGRESSIVE, CUDA, SEM, MI_UE = 19, 20, 21, 22, 23
    ROBUST_TRAINING, ROBUST_STEPS = 26, 27
    TEXTURE, TEXTURE_STEPS = 28, 29
    TONES, MOVED = 30, 31


def generator(device: torch.device, seed: int, stream: Stream, *place: int) -> torch.Generator:
    """A generator on `device` for one purpose at one place (epoch, batch, …) of a run with this seed.

    Every place draws from its own stream, so a resumed run needs no saved random state to repeat itself. ORDER is mixed
    from seed and epoch alone, as it always was, or every number measured so far would change; its epochs 4, 8 and 12
    are therefore the streams of RANDOM, LINEAR_WEIGHTS and BANDS, which no training draws from.
    """
    mixed = 0
    for part in (seed, *place) if stream is Stream.ORDER else (seed, *place, int(stream)):
        mixed = (mixed * 1_000_003 + part + 0x9E3779B9) % (2**63 - 1)
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
    """Samples of any type as float32, images in the networks' layout."""
    return pixels.float().contiguous(memory_format=LAYOUT if pixels.ndim == 4 else torch.contiguous_format)
