"""What somebody who wants to learn from the data anyway tries against the noise: classes with four hooks.

A defence belongs to that learner's pipeline. The catalogue names them, victim/defences/ holds them by family, one's own
are registered from outside (registry.py). "grayscale+jpeg-75" is every hook of each in turn.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from workbench import catalogue, registry
from workbench.config import ConfigError
from workbench.data.dataset import Dataset

NONE = "none"


class Defence:
    """One attempt. Every hook does nothing unless overridden.

    classes: how many the data has, from `prepare` on.
    """

    classes: int = 0

    def prepare(self, data: Dataset) -> None:
        """Note what the hooks may need of the published data; called once, before any of them."""
        self.classes = len(data.classes)

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError when this defence makes no sense for the published data. carries: as for `train_set`."""

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Change the training set, once: sees all of it on the CPU. carries: bool N, which samples carry noise."""
        return data

    def inputs(self, x: Tensor) -> Tensor:
        """Change samples once, training and test alike: uint8 N×C×H×W on the CPU to the same."""
        return x

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Change every training batch anew: uint8 N×C×H×W to the same, all chance from `draw`."""
        return x

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change what the loss is taken of: x float32 N×C×H×W in 0..255; y int64 N, or probabilities N×K."""
        return x, y


class Composed(Defence):
    """Several defences: every hook of each, in their order."""

    def __init__(self, parts: Sequence[Defence]):
        self.parts = parts

    def prepare(self, data: Dataset) -> None:
        """Prepare each."""
        for part in self.parts:
            part.prepare(data)

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Check each, on the data as published."""
        for part in self.parts:
            part.check(data, carries)

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Let each change what the one before it returned; by its name it is known whether a sample carries."""
        by_name = dict(zip(data.names, carries.tolist(), strict=True))
        for part in self.parts:
            data = part.train_set(data, torch.tensor([by_name.get(name, False) for name in data.names]))
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


def prepared(name: str, data: Dataset, carries: Tensor) -> Defence:
    """Build a defence for published data, ready for its hooks. Raises ConfigError when it makes no sense for them."""
    made = named(name)
    for part in name.split("+"):
        catalogue.check_space("defence", part, catalogue.DEFENCES[part].spaces, data.space.name)
    made.prepare(data)
    made.check(data, carries)
    return made


def _built(name: str) -> Defence:
    entry, made = catalogue.DEFENCES[name], registry.look_up("defence", name)
    if not entry.module:  # registered from outside
        from workbench.victim.foreign import Foreign

        return Foreign(name, made, entry.given)
    built: Defence = made(**entry.given)
    return built


@contextmanager
def seeded(draw: torch.Generator) -> Iterator[None]:
    """Seed the global stream, which torchvision's transformations draw from, by `draw`; put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=draw, device=draw.device)))
        yield
