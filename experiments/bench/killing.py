"""Commands of the program in forked processes that meet with a fault, a signal at a chosen moment or a full disk, and
what they leave.

The parent has imported the program once and does no work of its own with torch, so a child costs what its work costs.
"""

import functools
import hashlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch  # noqa: F401  the parent loads what its children need
import numpy as np
import sklearn.linear_model  # noqa: F401
import torch
from PIL import Image
from tqdm import tqdm

from workbench import cli
from workbench.apps.photos import protect, working_set
from workbench.config import DataConfig
from workbench.data import photo_digits, sources
from workbench.records import checkpoint

PATIENCE = 900  # seconds for what should take a few: longer is a deadlock
WORKS = ("noise", "train", "protect")
DIGITS = ["--data", "photo-digits:100", "--limit-test", "50", "--device", "cpu", "--batch-size", "50"]
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
    log.write_bytes(b"")  # it may not get so far itself
    ours, theirs = os.pipe()
    begun, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.close(ours)
        _child(words, folder, log, fault, theirs)
    os.close(theirs)
    changes, due, end = 0, begun + fault.seconds, begun + PATIENCE
    try:
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
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGKILL)
        raise
    os.close(ours)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seconds = time.monotonic() - begun
    told = log.read_text(errors="replace")
    return Ended(None if seconds >= PATIENCE else code, told, changes, seconds)


def _child(words: Sequence[str], folder: Path, log: Path, fault: Fault, pipe: int) -> None:
    """What the forked process does; it never returns."""
    code = 99
    try:
        os.setsid()  # Ctrl-C at the campaign's terminal is none of its faults
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(os.open(log, os.O_WRONLY), 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["WORKBENCH_PROGRESS"] = "off"
        torch.set_num_threads(1)  # also makes anew, before threads ask for it, the pool that fork left broken
        if fault.often:
            checkpoint.SHARE = math.inf
        if fault.room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.room, fault.room))
        _watch(folder, fault, pipe)
        code = cli.main(words)
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


@dataclass
class Work:
    """A command, how long it takes and how often it changes a file, and what it leaves: a hash a product, by name."""

    name: str
    words: list[str]
    seconds: float = 0.0
    changes: int = 0
    oracle: dict[str, str] | None = None

    def run(self, folder: Path, fault: Fault) -> Ended:
        """The command in `folder`, with a fault; the same command goes on."""
        words = (
            [*self.words, str(folder)] if self.name == "protect" else [*self.words, "--out", str(folder), "--resume"]
        )
        return run(words, folder, folder.with_suffix(".log"), fault)

    def complete(self, folder: Path) -> bool:
        """Whether the records say so. Raises ValueError for one that is not whole."""
        paths = [folder / "run.json", folder / ".unfinished" / "run.json", folder / "manifest.json"]
        states = [json.loads(path.read_text())["state"] for path in paths if path.exists()]
        return states == ["complete"]

    def products(self, folder: Path) -> dict[str, str]:
        """What lies there under its final name."""
        kinds = {"noise": "*.safetensors", "train": "results.csv", "protect": "person */*.png"}
        found = {str(path.relative_to(folder)): _hash(path.read_bytes()) for path in folder.glob(kinds[self.name])}
        if self.name == "protect" and self.complete(folder):
            manifest = json.loads((folder / "manifest.json").read_text())
            for name in ("started", "seconds", "git"):
                manifest.pop(name)
            found["manifest.json"] = _hash(json.dumps(manifest).encode())
        return found

    def fault_in(self, folder: Path, before: bool, *, end: bool = False) -> str:
        """lost or wrong, if what lies in the folder is; before: it was complete; end: it must be complete now."""
        try:
            complete, found = self.complete(folder), self.products(folder)
        except ValueError:
            return "lost"
        oracle = self.oracle or {}
        if any(oracle.get(name) != value for name, value in found.items()) or (complete and found != oracle):
            return "wrong"
        litter = [path for path in folder.rglob("*") if ".partial" in path.name or path.name == ".unfinished"]
        return "lost" if (before or end) and (not complete or (end and litter)) else ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def prepare(root: Path, names: list[str]) -> list[Work]:
    """The kinds of work, each done twice without a fault: with as many checkpoints as usual, and with all."""
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # no thread of its own: the process will fork
    photo_digits.make = functools.cache(photo_digits.make)
    sources.load(DataConfig(data=DIGITS[1], limit_test=int(DIGITS[3])))  # once for all children

    def short(*given: Any) -> Any:
        asked = working_set.search_settings(*given)
        options = {**asked.options, "rounds": 5, "train_steps": 3}
        return replace(asked, surrogate="convnet-w2+convnet-w2", options=options)

    protect.search_settings = short
    rng = np.random.default_rng(0)
    for number in range(4):
        path = root / "photos" / f"person {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(20, 236, (4, 5, 3), dtype=np.uint8))
        coarse.resize((56, 40), Image.Resampling.BICUBIC).save(path)
    noise, photos = root / "noise", root / "photos"
    words = {
        "noise": ["noise", *DIGITS, "--surrogate", "convnet-w4", "--rounds", "8"],
        "train": ["train", *DIGITS, "--victim", "convnet-w4", "--epochs", "5", "--noise", str(noise)],
        "protect": ["protect", str(photos), "--device", "cpu"],
    }
    works = []
    for name in WORKS:
        if name not in names and not (name == "noise" and "train" in names):
            continue
        work = Work(name, words[name])
        for folder, often in ((root / name, False), (root / f"{name} often", True)):
            ended = work.run(folder, Fault(often=often))
            if ended.code != 0:
                raise SystemExit(f"{name} without a fault ends with {ended.code}: {ended.told}")
            work.seconds, work.changes = work.seconds or ended.seconds, ended.changes
            work.oracle = work.oracle or work.products(folder)
            if work.fault_in(folder, False, end=True):
                raise SystemExit(f"two runs of {name} without a fault differ: nothing can be told")
        works += [work] if name in names else []
    return works
