"""Noise that makes samples hard to learn from: every method of the catalogue behind one function."""

import dataclasses
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from workbench import catalogue, device, models, registry
from workbench.config import LARGEST_EPSILON, OUTSIDE, ConfigError, NoiseConfig, check_choice, check_values, listed
from workbench.data.dataset import Dataset
from workbench.files import atomic, mapped
from workbench.noise import decibels, run, together
from workbench.noise.perturbation import Perturbation
from workbench.noise.run import options_of as options_of
from workbench.noise.search import CHECKPOINT


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with its names checked and every option of the method filled in."""
    registry.check("method", config.method)
    entry, kind = catalogue.METHODS[config.method], options_of(config.method)
    if entry.outside and config.epsilon != OUTSIDE:
        raise ConfigError(f"method {config.method} is a control outside the budget: give --epsilon {OUTSIDE}")
    if not entry.outside and config.epsilon > LARGEST_EPSILON:
        raise ConfigError(f"epsilon is {config.epsilon}: it must be in 0..{LARGEST_EPSILON} for {config.method}")
    decibels.check(config, data_name)
    if entry.stands_for:
        config = replace(config, surrogate=entry.stands_for)  # it has no network
    else:
        for name in architectures(config):
            models.check_name(name)
    device.check_group(device.pick(config.device), config)
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
    on, several = device.pick(config.device), config.devices * config.num_nodes > 1
    fabric = Fabric(
        accelerator=on.type,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp_spawn" if several else "auto",
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
    )
    with device.enough_memory(int(config.options.get("batch_size", 0))):
        whole, facts = together.run(config, data, fabric) if several else run.run(config, data, fabric, folder)
    made = (whole, config.kind, config.epsilon, config.method, data.fingerprint, data.space, config.surrogate)
    return Perturbation(*made, shape=config.shape), facts


def forget(folder: Path) -> None:
    """Remove what a search that is over leaves in its run's folder: many times as large as its noise."""
    for name in (CHECKPOINT, f"{CHECKPOINT}.previous", mapped.STARTED):
        with suppress(PermissionError):  # Windows keeps what is mapped: the noise that is still in use
            atomic.remove(folder / name)


def bytes_on_disk(config: NoiseConfig, data: Dataset) -> int:
    """What a search writes into its folder at most, while it runs: noise.safetensors before and after it is whole, and
    checkpoints, of which the one before the last and the one being written lie there too.
    """
    values = math.prod(data.samples.shape[1:]) * (len(data) if config.kind == "samplewise" else len(data.classes))
    each = decibels.budget(config.epsilon, data.space).delta.itemsize
    return values * (2 * each + 3 * 4 * catalogue.METHODS[config.method].kept)
