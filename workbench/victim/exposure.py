"""Which training samples carry the noise."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.config import ConfigError, VictimConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.files import names
from workbench.noise.perturbation import Perturbation


class Exposed(NamedTuple):
    """The training set as it is published, and which of its samples carry the noise (bool N)."""

    data: Dataset
    carries: Tensor


def expose(data: Dataset, perturbation: Perturbation | None, config: VictimConfig) -> Exposed:
    """Put the noise on a seeded share `config.protected_fraction` of the samples of `config.protected_classes`.

    None: on no sample, for the clean twin. Raises DataError when the noise is for other data, ConfigError when the
    share comes to no sample at all (unless it is 0).
    """
    carries = torch.zeros(len(data), dtype=torch.bool)
    if perturbation is None:
        return Exposed(data, carries)
    # A stream of its own: (seed, 1) is that of the second epoch's order, which then met all noisy samples first.
    order = torch.randperm(len(data), generator=generator(torch.device("cpu"), config.seed, Stream.CARRIERS, 1))
    wanted = [data.classes.index(name) for name in names.chosen(config.protected_classes, data.classes)]
    order = order[torch.isin(data.labels, torch.tensor(wanted)).cpu()[order]]
    count = round(config.protected_fraction * len(order))
    if not count and config.protected_fraction:
        advice = f"name {1 / len(order):.2g} or more" if len(order) else "name other --protected-classes"
        raise ConfigError(f"protected-fraction {config.protected_fraction:g} of {len(order)} samples is none: {advice}")
    carries[order[:count]] = True
    return Exposed(replace(data, samples=perturbation.apply(data, carries.to(data.samples.device))), carries)
