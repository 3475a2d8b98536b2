"""Checkpoints: two generations of a state on disk, each with its checksum, so that no fault costs more than one.

A file is what torch.save writes, and behind it a line with the SHA-256 of that, which is compared before torch reads
anything. It is written beside the present one and put in place when all of it is on disk; the present one becomes the
previous one. So at every moment a whole generation lies there, whenever the process is killed.
"""

import copy
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import torch

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.atomic import move, replacing, sweep
from workbench.progress import say
from workbench.records.nan_guard import tensors

SHARE = 0.03  # of the time, at most, goes into writing
MOST = 2**30  # bytes; larger states are not copied in memory
MAY_MOVE = sys.platform != "win32"  # whether a mapped file can be renamed, as a checkpoint is when the next one comes
PART = 2**20  # bytes
SPEED = 2e8  # bytes a second, with waiting for the disk: a low guess, until the first write was measured
TRAILER = b"\nworkbench checkpoint, sha256 %s\n"
LENGTH = len(TRAILER % (b"0" * 64))


def previous(path: Path) -> Path:
    """Where the generation before the present one lies."""
    return path.with_name(path.name + ".previous")


def exists(path: Path) -> bool:
    """Whether a generation lies there, whole or not."""
    return path.exists() or previous(path).exists()


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state (tensors, numbers, texts, in dicts and lists). DataError when the disk is full; then all stays."""
    with replacing(path, keep=previous(path)) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's writer hides what stopped it: a full disk, Ctrl-C
            if error.__context__ is not None:
                raise error.__context__ from None
            raise
        size = file.tell()
        file.seek(0)
        file.write(_trailer(file, size))


def read(path: Path) -> dict[str, Any]:
    """The state in a file, on the CPU. Raises DataError for a missing, damaged or foreign one."""
    try:
        if not path.is_file() and path.exists():
            raise DataError(f"{path} cannot be read (no file)")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if _trailer(file, size - LENGTH) != file.read():
                raise DataError(f"{path} cannot be read (cut short or changed: its checksum is not right)")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=size >= MOST and MAY_MOVE)
    except Exception as error:  # whole, but nothing of ours: torch's reader raises whatever it stumbles over
        # without torch's advice, which is bad
        line = (str(error) or type(error).__name__).splitlines()[0].partition(" This file can still")[0]
        raise DataError(f"{path} cannot be read ({untrusted.one_line(line, 120)})") from error
    return state


def _trailer(file: BinaryIO, size: int) -> bytes:
    """What must stand behind the next `size` bytes of a file."""
    digest = hashlib.sha256()
    while size > 0 and (part := file.read(min(size, PART))):
        digest.update(part)
        size -= len(part)
    return TRAILER % digest.hexdigest().encode()


def load(path: Path) -> dict[str, Any] | None:
    """The newest intact generation, None when there is none at all.

    Call this only to go on from it and write the next: a damaged one is said aloud, and the one before it takes its
    place. Raises DataError when no generation is intact.
    """
    before = previous(path)
    if not exists(path):
        return None
    damaged = ""
    if path.exists():
        try:
            return read(path)
        except DataError as error:
            if isinstance(error.__cause__, PermissionError):
                raise  # it may be whole
            damaged = str(error)
            if not before.exists():
                raise DataError(f"{damaged}, and there is no earlier one: remove the folder and start again") from error
    try:
        state = read(before)
    except DataError as error:
        both = " and ".join(filter(None, [damaged, str(error)]))
        raise DataError(f"{both}: remove the folder and start again") from error
    if damaged:
        say(f"{damaged}; going on from the one before it, {before.name}")
    move(before, path)  # or the next one written would push the damaged one over it
    return state


class Keeper:
    """The newest state of a loop: in memory, unless it is large, and on disk as often as 3 % of the time allow.

    So the work that a killed process loses takes at most 33 times as long as writing a checkpoint, or one round. path:
    of the checkpoint; None: none is written.
    """

    def __init__(self, path: Path | None):
        self._path = path
        if path is not None:
            sweep(path.parent, path.name)  # a killed process's
        self._state: dict[str, Any] | None = None
        self._written, self._ended = True, time.monotonic()
        self._cost: float | None = None  # seconds

    def newest(self) -> dict[str, Any] | None:
        """The newest state, a copy, from this process or from disk; None when there is none."""
        if self._state is None and self._path is not None:
            found = load(self._path)
            if found is None or _size(found) >= MOST:
                return found
            self._state = found
        return None if self._state is None else copy.deepcopy(self._state)

    def begin(self, state: dict[str, Any]) -> None:
        """The state before the first round, for memory alone."""
        self._state = copy.deepcopy(state) if _size(state) < MOST else None

    def keep(self, state: dict[str, Any]) -> None:
        """The state after another round."""
        size = _size(state)
        self._state, self._written = (copy.deepcopy(state) if size < MOST else None), False
        if self._path is not None:
            if self._cost is None:
                self._cost = size / SPEED
            if time.monotonic() - self._ended >= self._cost / SHARE:
                self._write(state)

    def write(self) -> None:
        """Put the newest state on disk, if it is in memory alone; for the end of the loop, whatever ended it."""
        if not self._written and self._state is not None:
            self._write(self._state)

    def _write(self, state: dict[str, Any]) -> None:
        if self._path is None:
            return
        begun = time.monotonic()
        try:
            save(self._path, state)
        except DataError:
            self._path = None  # a second try on the way out would only tell the same again
            raise
        self._written, self._ended = True, time.monotonic()
        self._cost = self._ended - begun


def _size(state: dict[str, Any]) -> int:
    return sum(part.nbytes for part in tensors(state))
