"""Noise that makes images hard to learn from: every method by name, behind one function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench import device, models
from workbench.budget import PerturbationBudget
from workbench.config import ConfigError, NoiseConfig, check_choice
from workbench.images import ImageSet
from workbench.noise import controls, error_minimising, joint, targeted
from workbench.noise.perturbation import Perturbation
from workbench.noise.rounds import Rounds
from workbench.noise.settings import resolved as fill_in

Method = Callable[[ImageSet, NoiseConfig, Fabric, Path | None], tuple[Tensor, Rounds | None]]

METHODS: dict[str, Method] = {
    "em-joint": joint.search,
    "em": error_minimising.search,
    "em-max": controls.search_maximising,
    "targeted": targeted.search,
    "random": controls.search_random,
}


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with its names checked and every open setting taken from noise/settings.py."""
    check_choice("method", config.method, METHODS)
    for name in architectures(config):
        models.check_name(name)
    PerturbationBudget(config.epsilon)
    return fill_in(config, data_name)


def architectures(config: NoiseConfig) -> list[str]:
    """The surrogate's architectures: "A+B" names two, for the methods that search against several at once."""
    names = config.surrogate.split("+")
    if len(names) > 1 and config.method != "targeted":
        raise ConfigError(f"surrogate {config.surrogate}: only the method targeted takes several, {config.method} one")
    return names


def search(config: NoiseConfig, data: ImageSet, *, folder: Path | None = None) -> tuple[Perturbation, dict[str, Any]]:
    """Search noise for `data` and return it in whole pixel values, with what the search cost and reached.

    config: as `resolved` returns it. folder: where a checkpoint is kept after every round; the search goes on from one
    that is there. Same configuration, data and device: same noise, bit for bit.
    """
    on = device.pick(config.device)
    fabric = Fabric(accelerator="cuda" if on.type == "cuda" else "cpu", devices=1, precision="32-true")
    delta, rounds = METHODS[config.method](data.to(on), config, fabric, folder)
    noise = Perturbation(
        delta=PerturbationBudget(config.epsilon).round(delta).cpu(),
        kind=config.kind,
        epsilon=config.epsilon,
        method=config.method,
        fingerprint=data.fingerprint(),
    )
    return noise, {"image_passes": rounds.image_passes, "surrogate_error": rounds.error} if rounds else {}


def within_class_similarity(delta: Tensor, labels: Tensor) -> float:
    """How alike the noise of one class is: the mean over classes of the squared length of the mean unit noise.

    delta: int8 N×C×H×W, one row an image. 1 for class-wise noise, about 0 when every image's noise is its own.
    """
    found = []
    for label in labels.unique():
        mine = delta[labels == label].flatten(1).float()
        unit = mine / mine.norm(dim=1, keepdim=True).clamp_min(1e-6)
        found.append(unit.mean(0).square().sum())
    return float(torch.stack(found).mean())
