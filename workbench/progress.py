"""Progress that suits where it is read: one bar with ETA in a terminal or a live notebook, else one line a step.

Lightning's and tqdm's own bars flood a notebook that papermill runs (thousands of messages, and the run fails), so
`workbench run` asks for lines by setting WORKBENCH_PROGRESS=lines.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TextIO

from tqdm.auto import tqdm

MODES = ("bar", "lines", "off")


class Step(NamedTuple):
    """A step that is done: which of how many, the numbers worth seeing, seconds; noise: of a search, in the making."""

    label: str
    done: int
    total: int
    numbers: Mapping[str, float]
    spent: float
    left: float
    noise: Mapping[str, Any] | None = None

    @property
    def share(self) -> float:
        """The share of the stage that is done, 0 to 1."""
        return self.done / max(1, self.total)

    def __str__(self) -> str:
        shown = f": {in_words(self.numbers)}" if self.numbers else ""
        return f"{self.label} {self.done}/{self.total}{shown} ({self.spent:.0f} s, ETA {self.left:.0f} s)"


Listener = Callable[[Step], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
_mode: ContextVar[str] = ContextVar("mode", default="")
_said_to: ContextVar[TextIO | None] = ContextVar("said_to", default=None)


class Progress:
    """Counts steps (rounds, epochs) of one stage; `advance` after each with the numbers worth seeing."""

    def __init__(self, label: str, total: int, done: int = 0, lines: int = 0):
        self.label, self.total, self.done = label, total, done
        self._begun, self._first = time.monotonic(), done
        self._listeners = _listeners.get()  # now: steps may be counted in another thread
        self._mode, self._stride = mode(), max(1, total // lines) if lines else 1
        bar = self._mode == "bar" and sys.stderr is not None
        self._bar = tqdm(desc=label, total=total, initial=done, unit="step") if bar else None

    def advance(self, steps: int = 1, noise: Mapping[str, Any] | None = None, /, **numbers: float) -> None:
        """Count steps that are done; show the numbers, the time taken and the time left."""
        before, self.done = self.done, self.done + steps
        spent = time.monotonic() - self._begun
        left = spent / max(1, self.done - self._first) * (self.total - self.done)
        step = Step(self.label, self.done, self.total, numbers, spent, left, noise)
        if self._bar is not None:
            self._bar.set_postfix_str(in_words(numbers), refresh=False)
            self._bar.update(steps)
        elif self._mode == "lines" and (self.done // self._stride > before // self._stride or self.done == self.total):
            print(step, flush=True)
        for told in self._listeners:
            told(step)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(label: str, total: int, done: int = 0, lines: int = 0) -> Iterator[Progress]:
    """Show `total` steps of a stage, of which `done` were done by an earlier, interrupted run.

    lines: where progress is lines, print about so many in all (0: one a step).
    """
    shown = Progress(label, total, done, lines)
    try:
        yield shown
    finally:
        shown.close()


@contextmanager
def listening(told: Listener) -> Iterator[None]:
    """Also tell every step in the block to `told`, after whoever listens already.

    Whatever `told` raises ends the work; steps that are done stay done. Only progress that this thread begins is told.
    """
    before = _listeners.set((*_listeners.get(), told))
    try:
        yield
    finally:
        _listeners.reset(before)


@contextmanager
def shown_as(mode: str) -> Iterator[None]:
    """Show progress as bar, lines or off in the block, whatever the environment says; in this thread only."""
    before = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(before)


def mode() -> str:
    """Tell how progress is shown: as the block (shown_as) or $WORKBENCH_PROGRESS asks, else a bar for a person."""
    asked = _mode.get() or os.environ.get("WORKBENCH_PROGRESS", "")
    if asked in MODES:
        return asked
    return "bar" if watched() else "lines"


def watched() -> bool:
    """Tell whether a person watches: in a terminal or a live notebook, unless $WORKBENCH_PROGRESS says otherwise."""
    asked = os.environ.get("WORKBENCH_PROGRESS", "")
    return asked == "bar" if asked in MODES else "ipykernel" in sys.modules or bool(sys.stderr and sys.stderr.isatty())


def in_words(numbers: Mapping[str, float]) -> str:
    """Say numbers with their names: "train accuracy 0.912, test accuracy 0.634"."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in numbers.items())


@contextmanager
def saying_to(file: TextIO | None) -> Iterator[None]:
    """Let `say` write to a file instead of stderr (None: to stderr), for work in the background that has a log."""
    before = _said_to.set(file)
    try:
        yield
    finally:
        _said_to.reset(before)


def say(line: str) -> None:
    """Tell people one line on stderr (in a notebook on stdout, lest it look like an error), above the bar if any."""
    if told := _said_to.get() or (sys.stdout if "ipykernel" in sys.modules else sys.stderr):
        tqdm.write(f"workbench: {line}", file=told)
