"""What a run is asked to do: frozen dataclasses with a line of documentation a field, and the refusals.

A configuration that names something unknown or has the wrong type raises before anything is read or written; the hash
of a configuration is the key of its run.
"""

import csv
import dataclasses
import difflib
import hashlib
import io
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.budgets import FULL, QUIETEST, SHAPES, USUAL

KINDS = ("classwise", "samplewise")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bf16")
NODES = "machines that do so; each runs this command with NODE_RANK, MASTER_ADDR, MASTER_PORT"
LARGEST_EPSILON = 127  # of 255: δ is stored as int8
OUTSIDE = 255  # the epsilon of controls outside the budget, which may make any value of any: δ is stored as int16
FORMER = ("batch_size", "step", "shared_step", "train_steps", "noise_steps", "rounds", "stop_error", "start")
RENAMED = {"begin": "start"}  # options by the name that they have in keys
SMALLEST_SIDE, LARGEST_SIDE = 8, 1024  # pixels; the networks halve an image three times


class WorkbenchError(Exception):
    """Anything the user can mend: one line that says what, where and what to do. The program exits with 2."""

    def _render_traceback_(self) -> list[str]:
        return [f"Error: {self}"]  # all that IPython shows of it in a notebook


class ConfigError(WorkbenchError, ValueError):
    """A name, type or value in a configuration is wrong."""


class DataError(WorkbenchError):
    """Images, noise or a run's folder are missing, unreadable, or do not belong together."""


def documented(default: Any, text: str, *, least: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its default and its one line of documentation (shown by --help).

    least, choices: what `check_values` holds it to.
    """
    return field(default=default, metadata={"help": text, "least": least, "choices": choices})


def option(
    text: str, *, least: float | None = None, choices: tuple[str, ...] = (), former: tuple[str, ...] = ()
) -> Any:
    """A field of a method's Options, whose default depends on data, kind and budget. former: other names it goes by."""
    return field(metadata={"help": text, "least": least, "choices": choices, "former": former})


def listed(names: Iterable[str]) -> str:
    """Names for a line of help: "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def as_row(names: Iterable[str]) -> str:
    """Names as one row of CSV: by commas, in double quotes what holds a comma; files/names.chosen reads it."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(names)
    return row.getvalue()


@dataclass(frozen=True)
class DataConfig:
    """Which images."""

    data: str = documented("photo-digits", "which data, as a SPEC: `workbench datasets` lists them")
    limit_train: int = documented(0, "keep this many to train on, spread evenly over the classes (0: all)", least=0)
    limit_test: int = documented(0, "keep this many to test on, spread evenly over the classes (0: all)", least=0)
    side: int = documented(0, "scale images to this many pixels a side (0: leave them)")
    seed: int = documented(0, "seed of everything random: data, weights, order, augmentation, noise")
    device: str = documented("auto", listed(DEVICES), choices=DEVICES)

    def __post_init__(self) -> None:
        check_values(self)
        check_range(self, "side", 0, LARGEST_SIDE)
        if 0 < self.side < SMALLEST_SIDE:
            raise ConfigError(f"side is {self.side}: it must be 0 or at least {SMALLEST_SIDE} pixels")
        check_range(self, "seed", 0, 2**31 - 1)


@dataclass(frozen=True)
class NoiseConfig(DataConfig):
    """A search for noise. `options` are those of the method alone; what is not given there, the method fills in."""

    method: str = documented("em-joint", "how the noise is made: `workbench methods` lists them")
    kind: str = documented("samplewise", "classwise (one noise per class) or samplewise (one per image)")
    epsilon: int = documented(USUAL, "perturbation budget: the largest change, in pixel values of 255")
    shape: str = documented("flat", "recordings: flat, envelope (as loud as the clip) or masked", choices=SHAPES)
    surrogate: str = documented("convnet-w16", "network the noise is made against (A+B for both, where several go)")
    devices: int = documented(
        1, "devices of this machine, or processes on a CPU, that search together (em-joint)", least=1
    )
    num_nodes: int = documented(1, NODES, least=1)
    precision: str = documented("float32", "float32 or bf16 (CUDA only)", choices=PRECISIONS)
    compile: bool = documented(False, "compile the surrogate with torch.compile: slower to start, faster to run")
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("kind", self.kind, KINDS)
        if self.epsilon != OUTSIDE:
            check_range(self, "epsilon", QUIETEST if self.epsilon < 0 else 0, LARGEST_EPSILON)

    @property
    def radius(self) -> int:
        """The budget in the steps that a search takes: ε, or for sound the whole of a clip's limit."""
        return self.epsilon if self.epsilon >= 0 else FULL

    @classmethod
    def of(cls, **values: Any) -> "NoiseConfig":
        """A configuration from names and values, of which those that are no field are the method's own options."""
        common = {entry.name for entry in dataclasses.fields(cls)}
        former = {old: name for name, old in RENAMED.items()}
        own = {former.get(name, name): value for name, value in values.items() if name not in common}
        options = {**values.get("options", {}), **own}
        return cls(**{name: value for name, value in values.items() if name in common} | {"options": options})

    def identity(self) -> dict[str, Any]:
        """The flat form that run.json shows and that the run's key is the hash of.

        Until 0.2 one table held the settings of all methods: those names stay, as null where a method has none.
        """
        common = {name: value for name, value in dataclasses.asdict(self).items() if name != "options"}
        former = dict.fromkeys(FORMER, None) | {"learning_rate": 0.1}
        if self.shape == SHAPES[0]:
            del common["shape"]  # which came later
        return common | former | {RENAMED.get(name, name): value for name, value in self.options.items()}


@dataclass(frozen=True)
class VictimConfig(DataConfig):
    """Training of a victim. A setting left at None is taken from the recipe of the data set (victim/recipes.py)."""

    victim: str = documented("convnet-w16", "network to train, N being its width")
    epochs: int | None = documented(None, "passes over the training data", least=1)
    batch_size: int | None = documented(None, "images a batch", least=1)
    learning_rate: float | None = documented(None, "peak learning rate", least=0)
    weight_decay: float | None = documented(None, "weight decay", least=0)
    optimiser: str = documented("sgd", "sgd (momentum 0.9) or adamw", choices=("sgd", "adamw"))
    schedule: str = documented(
        "cosine", "of the learning rate: cosine, constant or one-cycle", choices=("cosine", "constant", "one-cycle")
    )
    augmentation: str | None = documented(None, "none, shift, shift-flip, shift-flip-rotate or delay-gain")
    defence: str = documented("none", "what is done against the noise; NAME+NAME does both: `workbench defences`")
    protected_fraction: float = documented(1.0, "share of the training images that carry the noise, 0 to 1")
    protected_classes: str = documented("", "names of the only classes that carry the noise, by commas (empty: all)")
    confusion: bool = documented(False, "also record which classes are taken for which after the last epoch")
    devices: int = documented(1, "devices of this machine, or processes on a CPU, that train together", least=1)
    num_nodes: int = documented(1, NODES, least=1)
    precision: str = documented("float32", "float32 or bf16 (CUDA only)", choices=PRECISIONS)
    compile: bool = documented(False, "compile the victim with torch.compile: slower to start, faster to run")

    def __post_init__(self) -> None:
        names: Any = self.protected_classes
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            object.__setattr__(self, "protected_classes", as_row(names))
        super().__post_init__()
        check_range(self, "protected_fraction", 0, 1)

    def identity(self) -> dict[str, Any]:
        """The form that the run's key is the hash of: what came after 0.2 stands in it where it is not as before."""
        later = {"optimiser": "sgd", "schedule": "cosine"}
        return {name: value for name, value in dataclasses.asdict(self).items() if later.get(name, ...) != value}


@dataclass(frozen=True)
class ProtectConfig:
    """How people's own photos are protected."""

    method: str = documented("robust-targeted", "how the noise is made (of recordings tones): `workbench methods`")
    epsilon: int = documented(8, "perturbation budget: the largest change, in pixel values of 255")
    seed: int = documented(0, "seed of everything random")
    device: str = documented("auto", listed(DEVICES), choices=DEVICES)
    where: str = documented("whole", "noise on all of a photo, or by its largest face", choices=("whole", "faces"))
    format: str = documented("png", "of the copies: png is exact, jpeg loses a little", choices=("png", "jpeg"))

    def __post_init__(self) -> None:
        check_values(self)
        check_range(self, "epsilon", 1, LARGEST_EPSILON)
        check_range(self, "seed", 0, 2**31 - 1)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of `choices`, naming the nearest one."""
    choices = list(choices)
    if value not in choices:
        nearest = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.0)
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


def check_values(options: Any) -> None:
    """Raise ConfigError when a field has a wrong type, is less than its least value, or none of its choices."""
    check_types(options)
    for entry in dataclasses.fields(options):
        if entry.metadata.get("least") is not None:
            check_range(options, entry.name, entry.metadata["least"])
        if entry.metadata.get("choices"):
            check_choice(entry.name, getattr(options, entry.name), entry.metadata["choices"])


def accepted_types(hint: Any) -> tuple[type, ...]:
    """The types a field with this annotation takes."""
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    members = tuple(typing.get_origin(member) or member for member in members)
    return (*members, int) if float in members else members


def key(values: Mapping[str, Any]) -> str:
    """The run's key: 12 hexadecimal digits of the SHA-256 of the values as canonical JSON."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
