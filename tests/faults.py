"""Runs of the program in a process of its own that meets with a fault at a chosen moment: really killed, or full."""

import math
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from forked import program

from workbench.noise.surrogate import Surrogate
from workbench.records import checkpoint
from workbench.records.checkpoint import Keeper
from workbench.victim.module import Victim

PATIENCE = 300  # seconds for what should take a few


def start(words: list[str], log: Path, *faults: tuple[Any, ...]) -> BaseProcess:
    """Start `workbench WORDS`; its stderr goes to `log`. faults: (moment, count, action, …), see `_at` and `_act`."""
    return program(words, log, lambda: _prepare(faults))


def code(words: list[str], log: Path, *faults: tuple[Any, ...]) -> int:
    """The exit code of such a run; that of a process killed by a signal is the signal's number, negative."""
    process = start(words, log, *faults)
    process.join(PATIENCE)
    assert process.exitcode is not None
    return process.exitcode


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    """Wait until the condition holds while the process lives."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)


def _prepare(faults: tuple[tuple[Any, ...], ...]) -> None:
    checkpoint.SHARE = math.inf  # after every round, however long it takes
    for moment, count, *action in faults:
        _at(moment, count, action)


def _at(moment: str, count: int, action: list[Any]) -> None:
    """Act at the count-th time (from 1): "step" before a training step, "fsync" and "replace" before such a call for a
    checkpoint, "replaced" after it, "leaving" when the program has heard of its interruption.
    """
    if moment == "step":
        _before(Surrogate, "train_step", count, action)
        _before(Victim, "training_step", count, action)
    elif moment == "leaving":
        _before(Keeper, "write", count, action, lambda *_: sys.exc_info()[0] is not None)
    elif moment == "fsync":
        _before(os, "fsync", count, action, lambda handle: ".ckpt" in os.readlink(f"/proc/self/fd/{handle}"))
    else:
        _before(os, "replace", count, action, lambda old, new: ".ckpt" in str(new), after=moment == "replaced")


def _before(place: Any, name: str, count: int, action: list[Any], which: Any = lambda *_: True, after: bool = False):
    original, seen = getattr(place, name), []

    def spy(*given):
        found = original(*given) if after else None
        if which(*given):
            seen.append(1)
            if len(seen) == count:
                _act(*action)
        return found if after else original(*given)

    setattr(place, name, spy)


def _act(what: str, *given: Any) -> None:
    """Send signal NUMBER to this process; let no file grow beyond BYTES; or touch PATH and wait to be killed."""
    if what == "signal":
        os.kill(os.getpid(), given[0])
    elif what == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (given[0], given[0]))
    else:
        Path(given[0]).touch()
        time.sleep(PATIENCE)


def named(text: str, pid: int | None) -> bool:
    """Whether a message names this process of this computer."""
    return f"pid {pid} on {socket.gethostname()}" in text
