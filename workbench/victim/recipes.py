"""How victims are trained: one recipe per data set, for every setting that is left open."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from workbench import catalogue
from workbench.config import VictimConfig, check_choice


@dataclass(frozen=True)
class Recipe:
    """How a victim is trained on one data set: SGD with momentum 0.9, cosine decay to zero, gradients clipped at 5."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augmentation: str
    warmup: float  # share of the training in which the learning rate climbs to its peak


RECIPES = {
    "photo-digits": Recipe(5, 64, 0.1, 5e-4, "shift", 0.2),
    "folder": Recipe(12, 64, 0.1, 5e-4, "shift-flip", 0.2),
    "recordings": Recipe(12, 64, 0.1, 5e-4, "delay-gain", 0.2),
    "spoken-digits": Recipe(12, 64, 0.1, 5e-4, "delay-gain", 0.2),
    # 140 photographs are ten batches: many epochs, or there are no steps to learn in.
    "synthetic-people": Recipe(50, 14, 0.03, 5e-4, "shift-flip", 0.2),
    # The 2021 settings (configs/*.yaml of the authors' code).
    "cifar10": Recipe(60, 128, 0.1, 5e-4, "shift-flip", 0.0),
    "cifar100": Recipe(100, 128, 0.1, 5e-5, "shift-flip-rotate", 0.0),
    "svhn": Recipe(30, 128, 0.1, 5e-4, "none", 0.0),
}


# What an optimiser has of its own instead of the recipe's.
OPTIMISERS: dict[str, dict[str, float]] = {"sgd": {}, "adamw": {"learning_rate": 1e-3, "weight_decay": 0.01}}
RISING = 0.3  # share of a one-cycle training in which the learning rate climbs (Smith and Topin 2017)


def optimiser(config: VictimConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of a resolved configuration."""
    how: dict[str, Any] = {"lr": config.learning_rate or 0.0, "weight_decay": config.weight_decay or 0.0}
    return (
        torch.optim.AdamW(parameters, **how)
        if config.optimiser == "adamw"
        else torch.optim.SGD(parameters, momentum=0.9, **how)
    )


def share(config: VictimConfig, step: int, steps: int, warmup: float) -> float:
    """The learning rate at a step, as a share of its peak. warmup: the recipe's."""
    rising = (RISING if config.schedule == "one-cycle" else warmup) * steps
    if config.schedule == "constant":
        return 1.0
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))


def named(name: str) -> Recipe:
    """The recipe of a data set in the catalogue, or the one that is called so. Arrays take that of folders."""
    name = {"arrays": "folder"}.get(name, name)
    name = catalogue.DATA[name].recipe if name in catalogue.DATA else name
    check_choice("recipe", name, RECIPES)
    return RECIPES[name]
