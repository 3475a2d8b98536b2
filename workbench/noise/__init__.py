"""Noise that makes samples hard to learn from: every method of the catalogue behind one function."""

import dataclasses
import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench import catalogue, device, models, registry
from workbench.config import ConfigError, DataError, NoiseConfig, check_choice, check_values, listed
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise import together
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import Perturbation
from workbench.noise.search import CHECKPOINT, Search

ROUNDING = 1e-3  # of a step: what float32 may add to a value at the ball's edge


def options_of(method: str) -> type[Any] | None:
    """The Options of a method, a dataclass; None for one of one's own that has none."""
    found: type[Any] | None = registry.look_up("method", method).Options
    return found


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with its names checked and every option of the method filled in."""
    registry.check("method", config.method)
    entry, kind = catalogue.METHODS[config.method], options_of(config.method)
    if entry.stands_for:
        config = replace(config, surrogate=entry.stands_for)  # it has no network
    else:
        for name in architectures(config):
            models.check_name(name)
    device.check_group(device.pick(config.device), config.devices, config.precision)
    if config.devices * config.num_nodes > 1 and not entry.several_devices:
        able = listed(name for name, other in catalogue.METHODS.items() if other.several_devices)
        raise ConfigError(f"method {config.method} searches on one device only: use {able}, or --devices 1")
    names = [field.name for field in dataclasses.fields(kind)] if kind else []
    for name in config.options:
        check_choice(f"setting of the method {config.method}", name, names)
    if kind is None:
        return config
    known = {name: value for name, value in config.options.items() if value is not None}
    asked = replace(config, options=known)
    defaults = kind.defaults(asked, data_name) if hasattr(kind, "defaults") else {}
    try:
        options = kind(**{**defaults, **known})
    except TypeError as error:
        raise ConfigError(f"method {config.method}: its options cannot be filled in ({error})") from error
    check_values(options)
    return replace(config, options={name: getattr(options, name) for name in names})


def architectures(config: NoiseConfig) -> list[str]:
    """The surrogate's architectures: "A+B" names two, for the methods that search against several at once."""
    names = config.surrogate.split("+")
    if len(names) > 1 and catalogue.METHODS[config.method].surrogates < 2:
        able = listed(name for name, entry in catalogue.METHODS.items() if entry.surrogates > 1)
        raise ConfigError(f"surrogate {config.surrogate}: only {able} takes several, {config.method} one")
    return names


def sources(config: NoiseConfig) -> dict[str, str]:
    """The hashes of what is one's own in a search: method, surrogate, data."""
    network = "" if catalogue.METHODS[config.method].surrogates == 0 else config.surrogate
    return registry.sources(method=config.method, network=network, data=config.data.partition(":")[0])


def make(config: NoiseConfig, data: Dataset, *, folder: Path | None = None) -> tuple[Perturbation, dict[str, Any]]:
    """Search noise for `data` and return it in whole steps, with what the search cost and reached.

    config: as `resolved` returns it. folder: where a checkpoint is kept; the search goes on from one that is there.
    Same configuration, data and device: same noise, bit for bit. Raises DataError for a result that is no noise.
    """
    catalogue.check_space("method", config.method, catalogue.METHODS[config.method].spaces, data.space.name)
    found, kind = registry.look_up("method", config.method), options_of(config.method)
    search, options = getattr(found, "search", found), kind(**config.options) if kind else None
    on, several = device.pick(config.device), config.devices * config.num_nodes > 1
    fabric = Fabric(
        accelerator="cuda" if on.type == "cuda" else "cpu",
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp_spawn" if several else "auto",
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
    )
    budget = PerturbationBudget(config.epsilon, data.space)
    with device.enough_memory(int(config.options.get("batch_size", 0))):
        if several:
            delta, facts = together.search(search, options, config, data, fabric)
        else:
            own = (
                nullcontext()
                if catalogue.METHODS[config.method].module
                else registry.foreign(f"method {config.method}")
            )
            with Search(config, data, fabric, folder) as task:
                with own:
                    found = search(task, options)
                delta, facts = checked(found, task), task.facts()
    whole = whole_steps(budget, delta)
    return Perturbation(whole, config.kind, config.epsilon, config.method, data.fingerprint, data.space), facts


def checked(delta: Any, task: Search) -> Tensor:
    """What a method returned. Raises DataError when it is no noise of this shape and budget."""
    method = f"the method {task.config.method} returned"
    if not isinstance(delta, Tensor):
        raise DataError(f"{method} {type(delta).__name__}, not a tensor")
    if tuple(delta.shape) != task.shape:
        shapes = ["×".join(map(str, shape)) for shape in (delta.shape, task.shape)]
        raise DataError(f"{method} a tensor of the shape {shapes[0]}: {task.kind} noise for these data is {shapes[1]}")
    if delta.dtype == task.data.space.delta or not delta.numel():
        return delta  # Perturbation holds it to the budget
    if not (delta.is_floating_point() or delta.dtype in (torch.int16, torch.int32, torch.int64)):
        raise DataError(f"{method} a tensor of the type {delta.dtype}: give float32 or {task.data.space.delta}")
    delta = delta.detach().float()
    if not bool(delta.isfinite().all()):
        raise DataError(f"{method} noise that is not finite (NaN or infinity)")
    largest = float(delta.abs().max())
    if largest > task.epsilon + ROUNDING:
        raise DataError(f"{method} noise that reaches {largest:g}, beyond its budget of {task.epsilon}")
    return delta


def whole_steps(budget: PerturbationBudget, delta: Tensor) -> Tensor:
    """δ in whole steps on the CPU; what a method has rounded already passes."""
    if delta.dtype == budget.space.delta:
        return delta.cpu()
    found = mapped.room_for(tuple(delta.shape), budget.space.delta, "the noise")
    for part in mapped.parts(len(delta)):
        found[part] = budget.round(delta[part]).cpu()
    return found


def forget(folder: Path) -> None:
    """Remove what a search that is over leaves in its run's folder: many times as large as its noise."""
    for name in (CHECKPOINT, f"{CHECKPOINT}.previous", mapped.STARTED):
        (folder / name).unlink(missing_ok=True)


def bytes_on_disk(config: NoiseConfig, data: Dataset) -> int:
    """What a search writes into its folder at most, while it runs: noise.safetensors before and after it is whole, and
    checkpoints, of which the one before the last and the one being written lie there too.
    """
    values = math.prod(data.samples.shape[1:]) * (len(data) if config.kind == "samplewise" else len(data.classes))
    return values * (2 + 3 * 4 * catalogue.METHODS[config.method].kept)


def passes(config: NoiseConfig, data: Dataset) -> int:
    """Image passes that a search takes at most, for an estimate of time; 0 where a method does not say."""
    kind = options_of(config.method)
    options: Any = kind(**config.options) if kind else None
    return int(options.passes(len(data), config.kind)) if hasattr(options, "passes") else 0
