"""Work in the background that tells how far it is and can be stopped at once, before the next batch."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from workbench.config import WorkbenchError

TOLD_EVERY = 0.3  # seconds


class Stopped(Exception):
    """The user stopped the work."""


class Watch:
    """Looks at every batch that enters a network: counts its images and ends the work when `stop` is set.

    A hook before every forward pass serves all searches and the Trainer alike, within a batch; what these offer
    themselves comes once a round or an epoch. total: images expected (0: unknown); told: gets a line now and then.
    """

    def __init__(self, total: int = 0, told: Callable[[str, float], None] | None = None):
        self.stop = threading.Event()
        self.total, self.done, self.label = total, 0, ""
        self._told, self._begun, self._last = told, time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._begun

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Watch what this thread does in the block. Raises Stopped there once `stop` is set."""
        self.label, here = label, threading.get_ident()
        outermost: list[nn.Module] = []  # the first module called is the whole network; its parts are not counted

        def before(module: nn.Module, given: tuple[Any, ...]) -> None:
            if threading.get_ident() != here:
                return
            if self.stop.is_set():
                raise Stopped
            if not outermost:
                outermost.append(module)
            if module is outermost[0]:
                self.done += len(given[0])
                self._tell()

        self._tell(now=True)
        if self.stop.is_set():
            raise Stopped
        handle = register_module_forward_pre_hook(before)
        try:
            yield
        finally:
            handle.remove()

    def _tell(self, *, now: bool = False) -> None:
        if self._told is None or not (now or time.monotonic() - self._last > TOLD_EVERY):
            return
        self._last = time.monotonic()
        share = min(1.0, self.done / self.total) if self.total else 0.0
        line = f"{self.label}: {share:.0%} of the work, {self.seconds:.0f} s so far"
        if share > 0.02:
            line += f", about {self.seconds / share - self.seconds:.0f} s left"
        self._told(line, share)


class Job:
    """One piece of work at a time, in a thread, so that the controls stay alive.

    ended: gets the line to show when the work has ended, for whatever reason: an error is one line, no traceback.
    """

    def __init__(self, ended: Callable[[str], None]):
        self._ended = ended
        self._thread: threading.Thread | None = None
        self._watch = Watch()

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, watch: Watch, work: Callable[[], str]) -> None:
        """Do `work`, which returns the line to show in the end, watched by `watch`."""
        assert not self.busy
        self._watch = watch
        self._thread = threading.Thread(target=self._run, args=(watch, work), name="explore", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Ask the work to end; True if there was any."""
        self._watch.stop.set()
        return self.busy

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, watch: Watch, work: Callable[[], str]) -> None:
        try:
            with _no_bars():
                line = work()
        except Stopped:
            line = f"Stopped after {watch.seconds:.0f} s. What was not finished does not count."
        except WorkbenchError as error:
            line = f"Error: {error}"
        except Exception as error:
            line = f"Error: {(str(error) or type(error).__name__).splitlines()[0]} ({type(error).__name__})"
        self._ended(line)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the searches' and trainings' own progress bars away: a thread has no cell to draw them in."""
    before = os.environ.get("WORKBENCH_PROGRESS")
    os.environ["WORKBENCH_PROGRESS"] = "off"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("WORKBENCH_PROGRESS", None)
        else:
            os.environ["WORKBENCH_PROGRESS"] = before
