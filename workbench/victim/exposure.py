"""What is published, and what a learner makes of it: which training images carry the noise, and the defence on them."""

from dataclasses import replace

import torch
from torch import Tensor

from workbench.config import ConfigError, VictimConfig, check_choice
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.noise.perturbation import Perturbation
from workbench.victim.defence import defend

LEAVE_OUT = "leave-out"


def published(data: Dataset, perturbation: Perturbation | None, config: VictimConfig) -> tuple[Dataset, Tensor]:
    """The training images as published, and which of them carry the noise (bool N).

    A seeded share `config.protected_fraction` of the images of `config.protected_classes` carries it, no other.
    """
    chosen = torch.zeros(len(data), dtype=torch.bool)
    if perturbation is None:
        return data, chosen
    # A stream of its own: (seed, 1) is that of the second epoch's order, which then met all noisy images first.
    order = torch.randperm(len(data), generator=generator(torch.device("cpu"), config.seed, Stream.CARRIERS, 1))
    order = order[_of_classes(data, config.protected_classes).cpu()[order]]
    chosen[order[: round(config.protected_fraction * len(order))]] = True
    return replace(data, samples=perturbation.apply(data, chosen.to(data.samples.device))), chosen


def _of_classes(data: Dataset, names: str) -> Tensor:
    wanted = [name.strip() for name in names.split(",")] if names else list(data.classes)
    for name in wanted:
        check_choice("class", name, data.classes)
    return torch.isin(data.labels, torch.tensor([data.classes.index(name) for name in wanted]))


def learnt_from(data: Dataset, perturbation: Perturbation | None, config: VictimConfig) -> Dataset:
    """What the learner trains on: the published images after the defence.

    `leave-out` drops the images that carry noise, as a learner who knew them would, and repeats the rest up to the old
    number, so that an epoch has as many steps. Raises ConfigError for a defence that makes no sense.
    """
    seen, chosen = published(data, perturbation, config)
    check(config, seen, chosen)
    if config.defence == LEAVE_OUT:
        rest = (~chosen).nonzero()[:, 0]
        seen = seen.subset(rest.repeat(-(-len(data) // len(rest)))[: len(data)])
    return replace(seen, samples=defend(config.defence, seen.samples))


def check(config: VictimConfig, seen: Dataset, chosen: Tensor) -> None:
    """Raise ConfigError when the defence makes no sense for these images, of which `chosen` (bool N) carry noise."""
    if config.defence == LEAVE_OUT and (chosen.all() or not chosen.any()):
        raise ConfigError("defence leave-out: it needs some images with noise and some without")
    defend(config.defence, seen.samples[:1])
