"""Noise that makes images hard to learn from: every method by name, behind one function."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench import device, models
from workbench.config import ConfigError, NoiseConfig, check_choice
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise import em, em_joint, em_max, linear, random, targeted
from workbench.noise import together as group
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import Perturbation
from workbench.noise.search import CHECKPOINT, Rounds
from workbench.noise.settings import resolved as fill_in
from workbench.records.checkpoint import previous

Method = Callable[[Dataset, NoiseConfig, Fabric, Path | None], tuple[Tensor, Rounds | None]]

METHODS: dict[str, Method] = {
    "em-joint": em_joint.search,
    "em": em.search,
    "em-max": em_max.search_maximising,
    "targeted": targeted.search,
    "linear": linear.search,
    "random": random.search_random,
}


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with its names checked and every open setting taken from noise/settings.py."""
    check_choice("method", config.method, METHODS)
    if config.method == "linear":
        config = replace(config, surrogate="linear")  # it has no network
    for name in architectures(config):
        if name != "linear" or config.method != "linear":
            models.check_name(name)
    PerturbationBudget(config.epsilon)
    device.check_group(device.pick(config.device), config.devices, config.precision)
    if config.devices * config.num_nodes > 1 and config.method not in group.METHODS:
        raise ConfigError(f"method {config.method} searches on one device only: use em-joint, or --devices 1")
    return fill_in(config, data_name)


def architectures(config: NoiseConfig) -> list[str]:
    """The surrogate's architectures: "A+B" names two, for the methods that search against several at once."""
    names = config.surrogate.split("+")
    if len(names) > 1 and config.method != "targeted":
        raise ConfigError(f"surrogate {config.surrogate}: only the method targeted takes several, {config.method} one")
    return names


def search(config: NoiseConfig, data: Dataset, *, folder: Path | None = None) -> tuple[Perturbation, dict[str, Any]]:
    """Search noise for `data` and return it in whole pixel values, with what the search cost and reached.

    config: as `resolved` returns it. folder: where a checkpoint is kept after every round; the search goes on from one
    that is there. Same configuration, data and device: same noise, bit for bit.
    """
    on = device.pick(config.device)
    together = config.devices * config.num_nodes > 1
    fabric = Fabric(
        accelerator="cuda" if on.type == "cuda" else "cpu",
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp_spawn" if together else "auto",
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
    )
    if together:
        delta, facts = group.search(config, data, fabric)
    else:
        delta, rounds = METHODS[config.method](data.to(on), config, fabric, folder)
        facts = rounds.facts() if rounds else {}
    noise = Perturbation(
        delta=whole_pixels(PerturbationBudget(config.epsilon), delta),
        kind=config.kind,
        epsilon=config.epsilon,
        method=config.method,
        fingerprint=data.fingerprint,
    )
    return noise, facts


def whole_pixels(budget: PerturbationBudget, delta: Tensor) -> Tensor:
    """δ as int8 on the CPU; what a method has rounded already passes."""
    if delta.dtype == torch.int8:
        return delta.cpu()
    found = mapped.room_for(tuple(delta.shape), torch.int8, "the noise")
    for part in mapped.parts(len(delta)):
        found[part] = budget.round(delta[part]).cpu()
    return found


def forget(folder: Path) -> None:
    """Remove the checkpoints of a search that is over: they are many times as large as its noise."""
    for kept in (folder / CHECKPOINT, previous(folder / CHECKPOINT)):
        kept.unlink(missing_ok=True)


def bytes_on_disk(config: NoiseConfig, data: Dataset) -> int:
    """What a search writes into its folder at most, while it runs: noise.safetensors before and after it is whole, and
    checkpoints, of which the one before the last and the one being written lie there too.
    """
    values = math.prod(data.samples.shape[1:]) * (len(data) if config.kind == "samplewise" else len(data.classes))
    kept = {"random": 0, "linear": 0, "targeted": 2}.get(config.method, 1)  # float32 tensors in a checkpoint
    return values * (2 + 3 * 4 * kept)


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
