"""Progress that suits where it is read: one bar with ETA in a terminal or a live notebook, else one line a step.

Lightning's and tqdm's own bars flood a notebook that papermill runs (thousands of messages, and the run fails), so
`workbench run` asks for lines by setting WORKBENCH_PROGRESS=lines.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from tqdm.auto import tqdm

MODES = ("bar", "lines", "off")
Listener = Callable[[str, float], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_said_to: ContextVar[TextIO | None] = ContextVar("said_to", default=None)


class Progress:
    """Counts steps (rounds, epochs) of one stage; `advance` after each with the numbers worth seeing."""

    def __init__(self, label: str, total: int, done: int = 0, lines: int = 0):
        self.label, self.total, self.done = label, total, done
        self._begun, self._first = time.monotonic(), done
        self._mode, self._stride = mode(), max(1, total // lines) if lines else 1
        self._bar = None
        if self._mode == "bar":
            self._bar = tqdm(desc=label, total=total, initial=done, unit="step", leave=True)

    def advance(self, **numbers: float) -> None:
        """One step is done; show the numbers, the time taken and the time left."""
        self.done += 1
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in numbers.items())
        if self._bar is not None:
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update()
        elif self._mode == "lines" and (self.done % self._stride == 0 or self.done == self.total):
            print(self._line(shown), flush=True)
        told = _listener.get()
        if told is not None:
            told(self._line(shown), self.done / max(1, self.total))

    def _line(self, shown: str) -> str:
        spent = time.monotonic() - self._begun
        left = spent / (self.done - self._first) * (self.total - self.done)
        return f"{self.label} {self.done}/{self.total}{': ' if shown else ''}{shown} ({spent:.0f} s, ETA {left:.0f} s)"

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
def listening(told: Listener | None) -> Iterator[None]:
    """Also tell every step to `told`: the line with its ETA, and the share of the stage that is done (0 to 1).

    Whatever `told` raises ends the work; steps that are done stay done. Only this thread's progress is told.
    """
    before = _listener.set(told)
    try:
        yield
    finally:
        _listener.reset(before)


def mode() -> str:
    """How progress is shown: $WORKBENCH_PROGRESS (bar, lines or off), else a bar where somebody watches."""
    asked = os.environ.get("WORKBENCH_PROGRESS", "")
    if asked in MODES:
        return asked
    live_notebook = "ipykernel" in sys.modules
    return "bar" if live_notebook or sys.stderr.isatty() else "lines"


@contextmanager
def saying_to(file: TextIO | None) -> Iterator[None]:
    """Let `say` write to a file instead of stderr (None: to stderr), for work in the background that has a log."""
    before = _said_to.set(file)
    try:
        yield
    finally:
        _said_to.reset(before)


def say(line: str) -> None:
    """Tell people one line on stderr that they must not miss, above the bar if there is one."""
    tqdm.write(f"workbench: {line}", file=_said_to.get() or sys.stderr)
