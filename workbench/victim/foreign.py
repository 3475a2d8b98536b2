"""Defences that somebody else wrote: any class that has some of the hooks, with its results checked."""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench import catalogue, registry
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence

HOOKS = {"train_set": 2, "inputs": 1, "batch": 2, "loss_batch": 4}  # and how many arguments each is given
ALIKE = 0.75  # of difflib's ratio; from there a method is taken for a misspelt hook


class Foreign(Defence):
    """A class from outside as a Defence. It need not derive from Defence: hooks that it lacks do nothing.

    It gets copies of the data, which may be changed in place. Raises ConfigError, in one line, for a class without
    hooks, a misspelt one, and whatever a hook returns that is not of the due type, shape, dtype, or not finite.
    """

    def __init__(self, name: str, made: Any, given: Mapping[str, Any]):
        self.name = name
        if not isinstance(made, type):
            raise ConfigError(f"defence {name}: register a class with some of the methods {', '.join(HOOKS)}")
        mine = [hook for hook in HOOKS if getattr(made, hook, None) not in (None, getattr(Defence, hook))]
        for other in dir(made):
            nearest = difflib.get_close_matches(other, HOOKS, n=1, cutoff=ALIKE)
            if other not in HOOKS and nearest and nearest[0] not in mine:
                raise ConfigError(f"defence {name} has no hook {other!r}: did you mean {nearest[0]!r}?")
        if not mine:
            raise ConfigError(f"defence {name} has none of the hooks {', '.join(HOOKS)}: it would change nothing")
        try:
            whole = made if issubclass(made, Defence) else type(made.__name__, (made, Defence), {})
            self.own: Any = whole(**given)
            for hook in mine:
                inspect.signature(getattr(self.own, hook)).bind(*[None] * HOOKS[hook])
        except TypeError as error:
            raise ConfigError(
                f"defence {name} cannot be used ({error}): see victim/defence.py for the hooks"
            ) from error
        self._checks = issubclass(made, Defence)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go into another process by name: its class may stand in a file that has to be run there first."""
        return _again, (self.name, self.classes, vars(self.own))

    def prepare(self, data: Dataset, seed: int = 0, originals: Dataset | None = None) -> None:
        """Prepare it, when it derives from Defence; else its methods of that name are its own business."""
        super().prepare(data, seed, originals)
        if self._checks:
            self.own.prepare(data)
        self.own.classes, self.own.seed, self.own.originals = len(data.classes), seed, originals

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Let it check, when it derives from Defence."""
        if self._checks:
            self.own.check(data, carries)

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Return its training set: as many classes, samples of the same type and shape, one or more."""
        copy = replace(data, samples=data.samples.clone(), labels=data.labels.clone())
        found = self.own.train_set(copy, carries.clone())
        if not isinstance(found, Dataset):
            self._refuse("train_set", type(found).__name__, "a Dataset")
        if found.classes != data.classes:
            self._refuse("train_set", f"the classes {', '.join(found.classes)}"[:80], "the same classes")
        if len({len(found.samples), len(found.labels), len(found.names)}) != 1 or not len(found):
            counts = f"{len(found.samples)} samples, {len(found.labels)} labels and {len(found.names)} names"
            self._refuse("train_set", counts, "as many of each")
        self._like("train_set", found.samples, data.samples, len(found))
        self._labels("train_set", found.labels, len(found))
        return found

    def inputs(self, x: Tensor) -> Tensor:
        """Return its samples: of the same type and shape."""
        return self._like("inputs", self.own.inputs(x.clone()), x, len(x))

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Return its batch: of the same type and shape."""
        return self._like("batch", self.own.batch(x, draw), x, len(x))

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return its batch, of any length, and its labels or probabilities, of the same."""
        found = self.own.loss_batch(network, x, y, draw)
        if not isinstance(found, tuple) or len(found) != 2:
            self._refuse("loss_batch", type(found).__name__, "a pair (x, y)")
        pixels = self._like("loss_batch", found[0], x, len(found[0]))
        return pixels, self._labels("loss_batch", found[1], len(pixels))

    def _like(self, hook: str, found: Any, given: Tensor, count: int) -> Tensor:
        shape = (count, *given.shape[1:])
        if not isinstance(found, Tensor) or found.shape != shape or found.dtype != given.dtype:
            self._refuse(hook, _in_words(found), _in_words(given.new_empty(shape, device="meta")))
        self._finite(hook, found)
        return found.to(given.device)

    def _labels(self, hook: str, found: Any, count: int) -> Tensor:
        hard = isinstance(found, Tensor) and found.dtype == torch.int64 and found.shape == (count,)
        soft = isinstance(found, Tensor) and found.is_floating_point() and found.shape == (count, self.classes)
        if not hard and not (soft and hook == "loss_batch"):
            probabilities = f" or float32 {count}×{self.classes}" if hook == "loss_batch" else ""
            self._refuse(hook, f"labels {_in_words(found)}", f"int64 {count}{probabilities}")
        if hard and not bool(((found >= 0) & (found < self.classes)).all()):
            self._refuse(hook, "labels that no class has", f"0..{self.classes - 1}")
        self._finite(hook, found)
        return found

    def _finite(self, hook: str, found: Tensor) -> None:
        if found.is_floating_point() and not bool(found.isfinite().all()):
            self._refuse(hook, "values that are not finite", "finite ones")

    def _refuse(self, hook: str, found: str, due: str) -> None:
        raise ConfigError(f"defence {self.name}: {hook} returned {found}, it must return {due}")


def _again(name: str, classes: int, state: dict[str, Any]) -> Foreign:
    made = Foreign(name, registry.look_up("defence", name), catalogue.DEFENCES[name].given)
    made.classes = classes
    vars(made.own).update(state)
    return made


def _in_words(found: Any) -> str:
    if not isinstance(found, Tensor):
        return type(found).__name__
    return f"{str(found.dtype).removeprefix('torch.')} {'×'.join(map(str, found.shape))}"
