"""What somebody who wants to learn from the data anyway tries against the noise: classes with four hooks.

A defence belongs to that learner's pipeline. The catalogue names them, victim/defences/ holds them by family, one's own
are registered from outside (registry.py), composed.py builds them by name.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from workbench.data.dataset import Dataset


class Defence:
    """One attempt. Every hook does nothing unless overridden.

    From `prepare` on: classes: how many the data has; seed: of the training; originals: the training samples without
    noise, for a defence alone whose entry in the catalogue says that it has help.
    held: after `train_set`, published samples kept from training, on which a learner may choose the epoch to stop at.
    """

    pictures = True  # False: `inputs` makes something else of them, which no augmentation of pictures fits
    classes: int = 0
    seed: int = 0
    originals: Dataset | None = None
    held: Dataset | None = None

    def prepare(self, data: Dataset, seed: int = 0, originals: Dataset | None = None) -> None:
        """Note what the hooks may need; called once, before any of them."""
        self.classes, self.seed, self.originals = len(data.classes), seed, originals

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError when this defence makes no sense for the published data. carries: as for `train_set`."""

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Change the training set, once: sees all of it on the CPU. carries: bool N, which samples carry noise."""
        return data

    def inputs(self, x: Tensor) -> Tensor:
        """Change samples once, training and test alike: uint8 N×C×H×W on the CPU to the same."""
        return x

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Change every training batch anew: uint8 N×C×H×W to the same, all chance from `draw`."""
        return x

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change what the loss is taken of: x float32 N×C×H×W in 0..255; y int64 N, or probabilities N×K."""
        return x, y


@contextmanager
def seeded(draw: torch.Generator) -> Iterator[None]:
    """Seed the global stream, which torchvision's transformations draw from, by `draw`; put it back afterwards."""
    most = 2**31 - 1 if draw.device.type == "mps" else 2**62  # Apple's GPU draws no larger numbers
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(most, (1,), generator=draw, device=draw.device)))
        yield
