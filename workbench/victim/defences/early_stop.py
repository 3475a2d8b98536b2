"""Stopping early, as a learner can who has no clean test set: by the accuracy on published samples kept aside."""

from dataclasses import replace

import torch
from torch import Tensor

from workbench.config import ConfigError
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence
from workbench.victim.defences.shares import of_each_class


class EarlyStop(Defence):
    """Keeps a stratified, seeded share of the published samples from training. share: percent, one sample at least."""

    def __init__(self, share: int):
        self.share = share

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError when a class would have no sample left."""
        counts = torch.bincount(data.labels, minlength=len(data.classes))
        if int(counts[counts > 0].min()) < 2:
            raise ConfigError("defence early-stop: a class has one sample only, none can be kept aside")

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Take the share out, and hold it."""
        draw = generator(torch.device("cpu"), self.seed, Stream.HELD, 0)
        aside = of_each_class(data.labels, self.share, draw)
        self.held = replace(data.subset(aside.nonzero()[:, 0]), root=None)
        return data.subset((~aside).nonzero()[:, 0])
