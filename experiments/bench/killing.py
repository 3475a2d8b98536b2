"""Commands of the program in forked processes that meet with a fault: a signal at a chosen moment, or a full disk.

The parent has imported the program once and does no work of its own with torch, so a child costs what its work costs.
"""

import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 900  # seconds for what should take a few: longer is a deadlock
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree")


@dataclass(frozen=True)
class Fault:
    """What a process meets with: signal `number` after `seconds`, or `wait` seconds after the `change`-th time (from 1)
    that it is about to change a file in its folder; 0 waits not at all. room: bytes that a file may grow to (0: any).
    often: it writes a checkpoint after every round or epoch.
    """

    number: int = signal.SIGKILL
    seconds: float = math.inf
    change: int = 0
    wait: float = 0.0
    room: int = 0
    often: bool = False


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, that of a signal negative (None: it had to be given up); what it said on
    stderr; how often it changed a file in its folder, and the seconds it took.
    """

    code: int | None
    told: str
    changes: int
    seconds: float


def run(words: Sequence[str], folder: Path, log: Path, fault: Fault) -> Ended:
    """Run `workbench WORDS`, which works in `folder`, in a forked process, and wait for its end."""
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = os.pipe()
    begun, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.close(ours)
        _child(words, folder, log, fault, theirs)
    os.close(theirs)
    changes, due, end = 0, begun + fault.seconds, begun + PATIENCE
    while True:
        left = max(0.0, min(due, end) - time.monotonic())
        if select.select([ours], [], [], left)[0]:
            came = os.read(ours, 4096)
            if not came:
                break  # it has ended
            changes += len(came)
            if fault.wait and changes >= fault.change:
                due = min(due, time.monotonic() + fault.wait)
        elif time.monotonic() >= end:
            os.kill(pid, signal.SIGKILL)
            break
        else:
            os.kill(pid, fault.number)
            due, fault = math.inf, Fault()
    os.close(ours)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seconds = time.monotonic() - begun
    told = log.read_text(errors="replace")
    return Ended(None if seconds >= PATIENCE else code, told, changes, seconds)


def _child(words: Sequence[str], folder: Path, log: Path, fault: Fault, pipe: int) -> None:
    """What the forked process does; it never returns."""
    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["WORKBENCH_PROGRESS"] = "off"
        import torch

        from workbench import checkpoints
        from workbench.cli import main

        torch.set_num_threads(1)  # also makes anew, before threads ask for it, the pool that fork left broken
        if fault.often:
            checkpoints.SHARE = math.inf
        if fault.room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.room, fault.room))
        _watch(folder, fault, pipe)
        code = main(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _watch(folder: Path, fault: Fault, pipe: int) -> None:
    """Write a byte into the pipe before every change of a file below `folder`; meet with the fault at its own."""
    root, seen = str(folder), []

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            if not given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in CHANGES:
            return
        inside = event in ("os.remove", "os.rmdir") and given[1] != -1  # of a folder that is being removed whole
        if not (inside or str(given[0]).startswith(root)):
            return
        seen.append(event)
        os.write(pipe, b".")
        if len(seen) == fault.change and not fault.wait:
            os.kill(os.getpid(), fault.number)

    sys.addaudithook(hook)
