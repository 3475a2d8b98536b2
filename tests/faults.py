"""Runs of the program in a process of its own that meets with a fault at a chosen moment: really killed, really full.

The processes are forked from a server that has loaded the program already, so each costs little.
"""

import math
import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds for what should take a few
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["workbench.cli", "workbench.stages", "sklearn.datasets"])


def start(words: list[str], log: Path, *faults: tuple[Any, ...]) -> BaseProcess:
    """Start `workbench WORDS`; its stderr goes to `log`. faults: (moment, count, action, …), see `_at` and `_act`."""
    process = CONTEXT.Process(target=_run, args=(words, log, faults), daemon=True)
    process.start()
    return process


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


def _run(words: list[str], log: Path, faults: tuple[tuple[Any, ...], ...]) -> None:
    import torch

    from workbench.cli import main
    from workbench.records import checkpoint

    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ["WORKBENCH_PROGRESS"] = "off"
    checkpoint.SHARE = math.inf  # after every round, however long it takes
    for moment, count, *action in faults:
        _at(moment, count, action)
    sys.exit(main(words))


def _at(moment: str, count: int, action: list[Any]) -> None:
    """Act at the count-th time (from 1): "step" before a training step, "fsync" and "replace" before such a call for a
    checkpoint, "replaced" after it, "leaving" when the program has heard of its interruption.
    """
    from workbench.noise.surrogate import Surrogate
    from workbench.records.checkpoint import Keeper
    from workbench.victim.module import Victim

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
