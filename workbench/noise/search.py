"""The rounds of a search: shown, counted, and kept, so that neither an interruption nor a NaN loses what is done."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from torch import Tensor

from workbench.config import DataError, NoiseConfig
from workbench.progress import progress, say
from workbench.records import nan_guard
from workbench.records.checkpoint import Keeper
from workbench.records.nan_guard import NotFinite

CHECKPOINT = "noise.ckpt"


class Resumable(Protocol):
    """A surrogate, or several: what can be kept and gone on with."""

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs. Raises NotFinite when a loss since the last time was not finite."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""

    def slow_down(self) -> None:
        """Halve the learning rate of all steps to come."""

    def anywhere(self, here: bool) -> bool:
        """Whether something is so in this process or in any other one that searches with it."""


class Rounds:
    """Iterate over the rounds that are still to do; do each in a `with` block and call `end` as its last act.

    noise: the float tensors the search changes in place; folder: where noise.ckpt is kept (None: nowhere); unit: what a
    round is called where people read it.
    `image_passes` counts images that went forward and backward through the surrogate, over all rounds.
    A round in which a value stops being finite is undone, and the search goes on with half the learning rate, once:
    `rolled_back` then says in which round, why, and with what learning rate; the second time raises DataError.
    """

    def __init__(
        self,
        config: NoiseConfig,
        surrogate: Resumable,
        noise: dict[str, Tensor],
        folder: Path | None,
        unit: str = "round",
    ):
        self.surrogate, self.noise = surrogate, noise
        self.image_passes, self.error = 0, 1.0
        self.rolled_back: dict[str, Any] | None = None
        self._label, self._total, self._done = f"{config.method} {config.kind} noise, {unit}", config.rounds or 1, 0
        self._slower = (config.learning_rate or 0.0) / 2
        self._finished = False
        self._keeper = Keeper(folder / CHECKPOINT if folder else None)
        found = self._keeper.newest()
        if found is None:
            self._keeper.begin(self._state())
        else:
            try:
                self._restore(found)
            except Exception as error:  # whole, but of another kind: torch raises whatever it stumbles over
                line = (str(error) or type(error).__name__).splitlines()[0]
                where = f"{folder / CHECKPOINT if folder else ''} cannot be resumed from ({line})"
                raise DataError(f"{where}: remove the folder and start again") from error

    def __iter__(self) -> Iterator[int]:
        with progress(self._label, self._total, self._done) as self._shown:
            while self._done < self._total and not self._finished:
                yield self._done

    def __enter__(self) -> None:
        """A round begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """A round is over, or broken off: then what is done goes to disk, and a value that is not finite is undone."""
        if isinstance(error, NotFinite):
            self._go_back(error)
            return True
        if error is not None:
            self._keeper.write()
        return False

    def end(self, error: float, *, finished: bool = False) -> None:
        """The round is done: `error` is the surrogate's error rate on the noisy images; `finished` ends the search."""
        state, fault = self._checked()
        if self.surrogate.anywhere(fault is not None):
            raise fault or NotFinite("a value on another device is not finite")
        self._done, self.error, self._finished = self._done + 1, error, finished
        self._keeper.keep({**state, "facts": self._facts()})
        self._shown.advance(surrogate_error=error)

    def _checked(self) -> tuple[dict[str, Any], NotFinite | None]:
        """The state, and what in it is not finite."""
        try:
            state = self._state()
            nan_guard.check(state["noise"], "the noise is")
            nan_guard.check(state["surrogate"], "the surrogate's weights are")
        except NotFinite as fault:
            return {}, fault
        return state, None

    def facts(self) -> dict[str, Any]:
        """What the search cost and reached, for the record."""
        facts: dict[str, Any] = {"image_passes": self.image_passes, "surrogate_error": self.error}
        return facts | ({"rolled_back": self.rolled_back} if self.rolled_back else {})

    def _go_back(self, fault: NotFinite) -> None:
        broken = self._done + 1
        if self.rolled_back is not None:
            raise DataError(
                f"{self._label} {broken}: {fault}, as before in round {self.rolled_back['round']} with twice the "
                f"learning rate ({self._slower:g} now): lower --learning-rate"
            ) from fault
        good = self._keeper.newest()
        if good is None:
            raise DataError(f"{self._label} {broken}: {fault}, and no round is kept: lower --learning-rate") from fault
        self._restore(good)
        self._shown.done = self._done
        self.surrogate.slow_down()
        self.rolled_back = {"round": broken, "cause": str(fault), "learning_rate": self._slower}
        say(f"{self._label} {broken}: {fault}; the round is undone, going on with learning rate {self._slower:g}")

    def _state(self) -> dict[str, Any]:
        return {"surrogate": self.surrogate.state(), "noise": self.noise, "facts": self._facts()}

    def _facts(self) -> dict[str, Any]:
        done = {"done": self._done, "passes": self.image_passes, "error": self.error, "end": self._finished}
        return {**done, "rolled_back": self.rolled_back}

    def _restore(self, state: dict[str, Any]) -> None:
        self.surrogate.restore(state["surrogate"])
        for name, part in self.noise.items():
            part.copy_(state["noise"][name])
        facts = state["facts"]
        self._done, self.image_passes = facts["done"], facts["passes"]
        self.error, self._finished, self.rolled_back = facts["error"], facts["end"], facts["rolled_back"]
