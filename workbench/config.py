"""What a run is asked to do: frozen dataclasses with a line of documentation a field, and the refusals.

A configuration that names something unknown or has the wrong type raises before anything is read or written; the hash
of a configuration is the key of its run.
"""

import dataclasses
import difflib
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Config = TypeVar("Config")
KINDS = ("classwise", "samplewise")
STARTS = ("bands", "zero")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bf16")
SMALLEST_SIDE, LARGEST_SIDE = 8, 1024  # pixels; the networks halve an image three times


class WorkbenchError(Exception):
    """Anything the user can mend: one line that says what, where and what to do. The program exits with 2."""


class ConfigError(WorkbenchError, ValueError):
    """A name, type or value in a configuration is wrong."""


class DataError(WorkbenchError):
    """Images, noise or a run's folder are missing, unreadable, or do not belong together."""


def documented(default: Any, text: str) -> Any:
    """A dataclass field with its default and its one line of documentation (shown by --help)."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class DataConfig:
    """Which images."""

    data: str = documented(
        "photo-digits", "photo-digits[:N], synthetic-people[:N], cifar10, cifar100, svhn, folder:PATH"
    )
    limit_train: int = documented(0, "keep this many training images, spread evenly over the classes (0: all)")
    limit_test: int = documented(0, "keep this many test images, spread evenly over the classes (0: all)")
    side: int = documented(0, "scale images to this many pixels a side (0: leave them)")
    seed: int = documented(0, "seed of everything random: data, weights, order, augmentation, noise")
    device: str = documented("auto", "auto, cpu or cuda")

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("device", self.device, DEVICES)
        check_range(self, "limit_train", 0)
        check_range(self, "limit_test", 0)
        check_range(self, "side", 0, LARGEST_SIDE)
        if 0 < self.side < SMALLEST_SIDE:
            raise ConfigError(f"side is {self.side}: it must be 0 or at least {SMALLEST_SIDE} pixels")
        check_range(self, "seed", 0, 2**31 - 1)


@dataclass(frozen=True)
class NoiseConfig(DataConfig):
    """A search for noise. A setting left at None is taken from the table of the data set (noise/settings.py)."""

    method: str = documented("em-joint", "em-joint, em, em-max, targeted, linear or random")
    kind: str = documented("samplewise", "classwise (one noise a class) or samplewise (one an image)")
    epsilon: int = documented(8, "perturbation budget: the largest change, in pixel values of 255")
    surrogate: str = documented("convnet-w16", "architecture the noise is made against")
    batch_size: int | None = documented(None, "images a batch")
    step: float | None = documented(None, "size of a sign step, in pixel values of 255")
    shared_step: float | None = documented(None, "em-joint sample-wise: sign step of the part a class shares (0: none)")
    train_steps: int | None = documented(
        None, "em: surrogate steps a round (M); em-max: epochs of clean training first"
    )
    noise_steps: int | None = documented(None, "sign steps an image and round (em, em-max: T)")
    rounds: int | None = documented(None, "rounds (em, em-max: at most) or passes over the images (em-joint)")
    stop_error: float | None = documented(None, "em: stop at this surrogate error; em-max: climb to this one")
    start: str | None = documented(None, "em-joint: where the noise that a class shares starts, bands or zero")
    learning_rate: float | None = documented(None, "the surrogate's learning rate (SGD, momentum 0.9)")
    devices: int = documented(1, "devices of this machine, or processes on a CPU, that search together (em-joint)")
    num_nodes: int = documented(
        1, "machines that do so; each runs this command with NODE_RANK, MASTER_ADDR, MASTER_PORT"
    )
    precision: str = documented("float32", "float32 or bf16 (CUDA only)")
    compile: bool = documented(False, "compile the surrogate with torch.compile: slower to start, faster to run")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, KINDS)
        check_range(self, "epsilon", 0, 255)
        check_choice("precision", self.precision, PRECISIONS)
        if self.start is not None:
            check_choice("start", self.start, STARTS)
        for name in ("batch_size", "train_steps", "noise_steps", "rounds", "devices", "num_nodes"):
            check_range(self, name, 1)
        for name in ("step", "shared_step", "learning_rate", "stop_error"):
            check_range(self, name, 0)


@dataclass(frozen=True)
class VictimConfig(DataConfig):
    """Training of a victim. A setting left at None is taken from the recipe of the data set (victim.py)."""

    victim: str = documented("convnet-w16", "architecture to train")
    epochs: int | None = documented(None, "passes over the training images")
    batch_size: int | None = documented(None, "images a batch")
    learning_rate: float | None = documented(None, "peak learning rate (SGD, momentum 0.9)")
    weight_decay: float | None = documented(None, "weight decay")
    augmentation: str | None = documented(None, "none, shift, shift-flip or shift-flip-rotate")
    defence: str = documented("none", "what is done to the training images against the noise")
    protected_fraction: float = documented(1.0, "share of the training images that carry the noise, 0 to 1")
    protected_classes: str = documented("", "names of the only classes that carry the noise, by commas (empty: all)")
    confusion: bool = documented(False, "also record which classes are taken for which after the last epoch")
    devices: int = documented(1, "devices of this machine, or processes on a CPU, that train together")
    num_nodes: int = documented(
        1, "machines that do so; each runs this command with NODE_RANK, MASTER_ADDR, MASTER_PORT"
    )
    precision: str = documented("float32", "float32 or bf16 (CUDA only)")
    compile: bool = documented(False, "compile the victim with torch.compile: slower to start, faster to run")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, "protected_fraction", 0, 1)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("epochs", "batch_size", "devices", "num_nodes"):
            check_range(self, name, 1)
        for name in ("learning_rate", "weight_decay"):
            check_range(self, name, 0)


@dataclass(frozen=True)
class ProtectConfig:
    """How people's own photos are protected."""

    method: str = documented("targeted", "em-joint, em, em-max, targeted or random")
    epsilon: int = documented(8, "perturbation budget: the largest change, in pixel values of 255")
    seed: int = documented(0, "seed of everything random")
    device: str = documented("auto", "auto, cpu or cuda")

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("device", self.device, DEVICES)
        check_range(self, "epsilon", 1, 127)
        check_range(self, "seed", 0, 2**31 - 1)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of `choices`, naming the nearest one."""
    choices = list(choices)
    if value not in choices:
        nearest = difflib.get_close_matches(value, choices, n=1, cutoff=0.0)
        advice = f"did you mean {nearest[0]!r}? There are {', '.join(choices)}" if nearest else "there is none"
        raise ConfigError(f"unknown {name} {value!r}: {advice}")


def check_range(config: Any, name: str, low: float, high: float | None = None) -> None:
    """Raise ConfigError when a number of `config` is outside low..high; None (take the default) passes."""
    value = getattr(config, name)
    if value is not None and not (low <= value and (high is None or value <= high)):
        span = f"at least {low}" if high is None else f"in {low}..{high}"
        raise ConfigError(f"{name.replace('_', '-')} is {value}: it must be {span}")


def check_types(config: Any) -> None:
    """Raise ConfigError when a field's value is not of the field's type. An int passes for a float, never a bool."""
    hints = typing.get_type_hints(type(config))
    for entry in dataclasses.fields(config):
        value, allowed = getattr(config, entry.name), accepted_types(hints[entry.name])
        if (isinstance(value, bool) and bool not in allowed) or not isinstance(value, allowed):
            names = " or ".join(kind.__name__ for kind in allowed if kind is not type(None))
            raise ConfigError(f"{entry.name} is {value!r}: it must be of type {names}")


def accepted_types(hint: Any) -> tuple[type, ...]:
    """The types a field with this annotation takes."""
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return (*members, int) if float in members else tuple(members)


def from_mapping(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from names and values; an unknown name raises ConfigError with the nearest valid one."""
    names = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in values:
        check_choice("setting", name, names)
    return kind(**values)


def key(values: Mapping[str, Any]) -> str:
    """The run's key: 12 hexadecimal digits of the SHA-256 of the values as canonical JSON."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
