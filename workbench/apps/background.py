"""Work in the background: one piece at a time, told step by step, and stopped between two steps.

A step is what progress counts: a part of a search's round, an epoch, a photo. So a training stops after its epoch.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from workbench.config import WorkbenchError
from workbench.progress import Step, listening, shown_as

BUSY = "Still at work: wait for it, or stop it first."


class Stopped(Exception):
    """The user stopped the work."""


class Say(Protocol):
    """Shows a line to the person; an urgent one is an error."""

    def __call__(self, line: str, *, urgent: bool = False) -> None:
        """Show it."""


class Job:
    """One piece of work at a time, in a thread, so that the controls stay alive.

    say: shows the lines, unless the work has a place of its own for them; ended: is called when work has ended.
    """

    def __init__(self, say: Say, ended: Callable[[], None]):
        self._say, self._ended = say, ended
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(
        self, work: Callable[[], str], words: Callable[[Step], tuple[str, float]], bar: Any, say: Say | None = None
    ) -> None:
        """Do `work`, which returns the line to show in the end; an error is one line, no traceback.

        words: a step as the line to show and the share of all that is done, which goes into the widget `bar`.
        """
        assert not self.busy
        self._say, self._stop = say or self._say, threading.Event()
        bar.value = 0.0
        self._say("Starting …")
        self._thread = threading.Thread(target=self._run, args=(work, words, bar), name="work", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to end after the step it is at."""
        self._stop.set()
        self._say("Stopping …" if self.busy else "Nothing is at work.")

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, work: Callable[[], str], words: Callable[[Step], tuple[str, float]], bar: Any) -> None:
        def told(step: Step) -> None:
            if self._stop.is_set():
                raise Stopped
            line, bar.value = words(step)
            self._say(line)

        begun, urgent = time.monotonic(), True
        try:
            with shown_as("off"), listening(told):  # a thread has no cell to draw bars in
                line = work()
            bar.value, urgent = 1.0, False
        except Stopped:
            spent, urgent = time.monotonic() - begun, False
            line = f"Stopped after {spent:.0f} s. What is finished is kept: press the button again to go on."
        except WorkbenchError as error:
            line = f"Error: {error}"
        except Exception as error:
            line = f"Error: {(str(error) or type(error).__name__).splitlines()[0]} ({type(error).__name__})"
        self._ended()
        self._say(line, urgent=urgent)


class Stages:
    """Tells how much of `total` stages is done; a new label begins the next, and all count as equally long."""

    def __init__(self, total: int):
        self.total, self.number, self._label = total, 0, ""
        self._begun = time.monotonic()

    def place(self, step: Step) -> tuple[int, float, float]:
        """Give the number of the step's stage, the share of all that is done, and the seconds that are left."""
        if step.label != self._label:
            self.number, self._label = self.number + 1, step.label
        share = min(1.0, (self.number - 1 + step.share) / max(1, self.total))
        spent = time.monotonic() - self._begun
        return self.number, share, spent * (1 - share) / max(share, 1e-6)
