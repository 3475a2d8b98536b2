"""Leaving out the samples that carry noise, as a learner who knew them would."""

from torch import Tensor

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence


class LeaveOut(Defence):
    """The clean part alone, repeated up to the old number, so that an epoch has as many steps."""

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError when there is nothing to leave out, or nothing left."""
        if carries.all() or not carries.any():
            raise ConfigError("defence leave-out: it needs some samples with noise and some without")

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Drop the samples that carry noise."""
        rest = (~carries).nonzero()[:, 0]
        return data.subset(rest.repeat(-(-len(data) // len(rest)))[: len(data)])
