"""Numbers that are not finite, noticed where they arise."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from workbench.config import DataError

STRIDE = 32  # steps between two looks on a GPU: every look waits for it


class NotFinite(DataError):
    """A loss, a gradient, weights or noise hold NaN or infinity."""


class Watch:
    """Looks at one number a step: at once on a CPU, where that is free, else with every 32nd step.

    what: names the number, and the epoch or round it belongs to. several: there are other processes that would wait for
    this one if it stopped within a round, so it looks at the round's end only.
    """

    def __init__(self, what: str, *, several: bool = False):
        self.what, self.step, self._several = what, 0, several
        self._spoilt: Tensor | None = None

    def see(self, value: Tensor) -> None:
        """The number of this step. Raises NotFinite when it, or an earlier one that was not looked at, is none."""
        self.step += 1
        zero = 0 * value.detach()  # NaN when the value is not finite, and so is the sum from then on
        self._spoilt = zero if self._spoilt is None else self._spoilt + zero
        if not self._several and (self._free(value) or self.step % STRIDE == 0):
            self._look("at" if self._free(value) else "by")

    def end(self) -> None:
        """Look now; the next step is the first one again."""
        self._look("by")
        self._spoilt, self.step = None, 0

    def _free(self, value: Tensor) -> bool:
        return value.device.type == "cpu"

    def _look(self, when: str) -> None:
        if self._spoilt is not None and not bool(self._spoilt.isfinite()):
            raise NotFinite(f"{self.what} is not finite {when} step {self.step}")


def check(state: Any, what: str) -> None:
    """Raise NotFinite when a tensor anywhere in `state` (dicts, lists) holds NaN or infinity."""
    if not all(bool(part.isfinite().all()) for part in tensors(state) if part.is_floating_point()):
        raise NotFinite(f"{what} not finite")


def tensors(state: Any) -> Iterator[Tensor]:
    """Every tensor in nested dicts, lists and tuples."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        for part in state.values():
            yield from tensors(part)
    elif isinstance(state, list | tuple):
        for part in state:
            yield from tensors(part)
