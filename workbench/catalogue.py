"""What there is by name: methods, defences, data sets, networks, panels. Facts alone, and their look-up; no torch.

Help texts, refusals, figures' words and looks, notebooks' lists and estimates of cost and room come from here. A new
method is its file and one entry of methods.toml, a new defence its class and one of defences.toml; one's own, from
outside, registers itself (registry.py).
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from workbench.config import ConfigError

ANY = ("image", "audio")
IMAGE = ("image",)


class Method(NamedTuple):
    """A way to make noise. module: holds `Options` and `search`, as "package.module"."""

    module: str
    words: str
    source: str
    looks: tuple[tuple[str, str], tuple[str, str]]  # colour and marker of class-wise and sample-wise noise
    cost: str  # of the defaults, in image passes through a network
    surrogates: int = 1  # networks that it is made against: 0, 1, or 2 for several ("A+B")
    stands_for: str = ""  # what the surrogate is called where there is no network; "": what was asked for
    drawn: bool = False  # from the class or from chance alone, without a search
    outside: bool = False  # moves pixels further than any budget that cannot be seen: a control, of epsilon 255
    several_devices: bool = False
    kept: int = 1  # float32 tensors of the noise's size in a checkpoint
    spaces: tuple[str, ...] = IMAGE


CLEAN_LOOK = ("#000000", "o")


class Defence(NamedTuple):
    """What a learner tries against noise. module: "package.module:Class"; given: the class's arguments."""

    module: str
    words: str
    source: str
    given: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    help: str = ""  # what it needs from outside: clean samples, pretrained weights
    tests_through: bool = False  # whether test samples pass through it too
    cost: float = 1.0  # in plain trainings
    spaces: tuple[str, ...] = IMAGE


def _read(kind: type[Any], below: str, table: str) -> dict[str, Any]:
    """The built-in entries of a kind, from the table beside this file. below: the folder of their modules."""
    path = Path(__file__).with_name(f"{table}.toml")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    for facts in found.values():
        facts["module"] = f"{below}.{facts['module']}"
        facts |= {name: _frozen(value) for name, value in facts.items() if isinstance(value, list)}
    return {name: kind(**facts) for name, facts in found.items()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


METHODS: dict[str, Method] = _read(Method, "workbench.noise", "methods")
DEFENCES: dict[str, Defence] = _read(Defence, "workbench.victim", "defences")


class Data(NamedTuple):
    """A data set. module: "package.module:function" of what stands behind the colon and the seed, to a DataPair."""

    module: str
    words: str
    form: str  # how a SPEC names it
    recipe: str  # of victims: an entry of victim/recipes.py
    embedded: bool = False  # made by the program itself
    space: str = "image"


DATA: dict[str, Data] = _read(Data, "workbench.data", "datasets")


class Network(NamedTuple):
    """An architecture. module: "package.module:function" that builds it."""

    module: str
    words: str
    by_width: bool = False  # named NAME-wN, for any width N
    heads: bool = False  # ends in global max pooling, or, named NAME-wN-avg, in average pooling
    least: int = 1  # pixels of a sample's shorter side
    spaces: tuple[str, ...] = IMAGE


NETWORKS: dict[str, Network] = _read(Network, "workbench.models", "networks")


class Panel(NamedTuple):
    """Learners that a judgement tries, as learners.toml marks them."""

    words: str


PANELS: dict[str, Panel] = {
    "quick": Panel("the learners that bind in practice, in minutes"),
    "standard": Panel("all learners that have the published data alone"),
    "full": Panel("those, and the learners that have help: clean samples, pairs, pretrained networks"),
}


DEFAULTS = {"method": "em-joint", "defence": "none", "data": "photo-digits"}


def check_within(name: str) -> None:
    """Raise ConfigError for a method outside the budget: nothing is made by it that people publish."""
    if METHODS[name].outside:
        raise ConfigError(f"{name} is a control outside the budget, whose changes anybody sees: name another method")


def check_space(what: str, name: str, spaces: Iterable[str], space: str) -> None:
    """Raise ConfigError when a method, defence or network is not made for this kind of data."""
    if space not in spaces:
        raise ConfigError(f"{what} {name} is for {' or '.join(spaces)} data, not for {space}: name another one")
