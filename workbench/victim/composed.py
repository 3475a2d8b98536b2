"""Defences by name, and several as one: "grayscale+jpeg-75" is every hook of each in turn."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench import catalogue, registry
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence
from workbench.victim.foreign import Foreign

NONE = "none"
NO_PICTURES = (
    "a defence that makes descriptions of pictures comes last in a composition, after those that convert pictures once"
)


class Composed(Defence):
    """Several defences: every hook of each, in their order."""

    def __init__(self, parts: Sequence[Defence]):
        self.parts = parts
        self.pictures = all(part.pictures for part in parts)

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Check each, on the data as published. Raises ConfigError for what changes pictures where there are none."""
        *before, last = self.parts
        each_time = any(type(part).batch is not Defence.batch for part in before)
        if not self.pictures and (last.pictures or each_time or not all(part.pictures for part in before)):
            raise ConfigError(NO_PICTURES)
        for part in self.parts:
            part.check(data, carries)

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Let each change what the one before it returned; by its name it is known whether a sample carries."""
        by_name = dict(zip(data.names, carries.tolist(), strict=True))
        for part in self.parts:
            data = part.train_set(data, torch.tensor([by_name.get(name, False) for name in data.names]))
            self.held = part.held or self.held
        return data

    def inputs(self, x: Tensor) -> Tensor:
        """Apply each in turn."""
        for part in self.parts:
            x = part.inputs(x)
        return x

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Apply each in turn, all of one draw."""
        for part in self.parts:
            x = part.batch(x, draw)
        return x

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Apply each in turn, all of one draw."""
        for part in self.parts:
            x, y = part.loss_batch(network, x, y, draw)
        return x, y


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` is a defence or a composition of several. Builds nothing."""
    parts = name.split("+")
    for part in parts:
        registry.check("defence", part)
    doubled = [part for part, count in Counter(parts).items() if count > 1]
    if doubled:
        raise ConfigError(f"defence {name!r} names {doubled[0]} twice: name it once")
    if len(parts) > 1 and NONE in parts:
        raise ConfigError(f"defence {name!r}: {NONE} is no part of a composition: leave it out")


def named(name: str) -> Defence:
    """Build a defence, or the composition of those between the +, by name. Raises ConfigError for an unknown one."""
    check_name(name)
    made = [_built(part) for part in name.split("+")]
    return made[0] if len(made) == 1 else Composed(made)


def prepared(name: str, data: Dataset, carries: Tensor, *, seed: int = 0, originals: Dataset | None = None) -> Defence:
    """Build a defence for published data, ready for its hooks. Raises ConfigError when it makes no sense for them.

    originals: the same samples without noise; only a defence that has help, by the catalogue, gets to see them.
    """
    made = named(name)
    for part, one in zip(name.split("+"), made.parts if isinstance(made, Composed) else [made], strict=True):
        entry = catalogue.DEFENCES[part]
        catalogue.check_space("defence", part, entry.spaces, data.space.name)
        one.prepare(data, seed, originals if entry.help else None)
    made.check(data, carries)
    return made


def _built(name: str) -> Defence:
    entry, made = catalogue.DEFENCES[name], registry.look_up("defence", name)
    if not entry.module:  # registered from outside
        return Foreign(name, made, entry.given)
    built: Defence = made(**entry.given)
    return built
