"""A folder that one process works in at a time.

The system holds the lock and lets go when the process ends, however it ends: a killed process leaves only a file, which
the next one takes over, and a process number that is used again cannot be mistaken for the holder. What the file says
(process, computer, since when) is for the message alone.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from workbench.config import DataError
from workbench.files.atomic import NO_LINK, is_plain, make, remove, remove_folder
from workbench.progress import say

LOCK = ".lock"
TOLD = re.compile(r"\d+\n[^\n]+\n(\d{4}-\d\d-\d\dT[^\n]+\n)?")  # what such a file says
STARTED = datetime.now(UTC).isoformat(timespec="seconds")  # of this process, as nearly as matters


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Make `folder` if need be and hold it against other processes; what was made for nothing is removed again.

    wait: for the other process, when it is held. Raises DataError, naming that process, when it is held and not waited
    for, or when the folder cannot be written to.
    """
    new, there = not folder.exists(), _mark(folder)
    try:
        make(folder)
        lock = FileLock(folder / LOCK, timeout=0)
        _acquire(lock, folder, wait)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror}): make room or name another folder"
        ) from error
    ours = not isinstance(lock, SoftFileLock)  # its fallback where the file system has no locks writes its own file
    if ours and there and there == _mark(folder):  # not one that this process has just made
        left = _left(folder)
        if left is None:
            lock.release()
            raise DataError(_foreign(folder))
        ours = bool(left)  # an empty one may be anybody's: it serves as a lock and stays as it is
    try:
        if ours:
            with suppress(OSError), os.fdopen(os.open(folder / LOCK, os.O_WRONLY | os.O_TRUNC | NO_LINK), "wb") as file:
                file.write(f"{os.getpid()}\n{socket.gethostname()}\n{STARTED}\n".encode())
        yield
    finally:
        if ours:
            with suppress(OSError):
                remove(folder / LOCK)  # while it is held: whoever opened it just now finds it gone and tries anew
        lock.release()
        if new:
            remove_folder(folder, empty=True)


def _acquire(lock: BaseFileLock, folder: Path, wait: bool) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        if not wait:
            raise DataError(_held(folder)) from error
        say(_held(folder, "waiting for it"))
        lock.acquire(timeout=-1)


def check_free(folder: Path) -> None:
    """Raise DataError, naming the other process, when `folder` is held now, and when it cannot be held."""
    if (folder / LOCK).is_symlink():
        raise DataError(_foreign(folder))
    if not (folder / LOCK).exists():
        return
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise DataError(_held(folder)) from error
    except OSError:  # a folder that can only be read
        return
    lock.release()
    if _left(folder) is None:
        raise DataError(_foreign(folder))


def _mark(folder: Path) -> tuple[int, int] | None:
    """What tells one lock's file from the next; None when there is none."""
    with suppress(OSError):
        found = (folder / LOCK).lstat()
        return found.st_ino, found.st_ctime_ns
    return None


def _left(folder: Path) -> str | None:
    """What a lock's file says that was there before: "" for an empty one, None for a file of somebody else's."""
    path, said = folder / LOCK, None
    if not os.path.lexists(path):  # its holder has just removed it
        return ""
    with suppress(OSError, ValueError):
        if is_plain(path) and (size := path.stat().st_size) < 500:
            said = path.read_text(encoding="utf-8") if size else ""  # Windows lets nobody read what is held
    return said if said == "" or (said and TOLD.fullmatch(said)) else None


def _foreign(folder: Path) -> str:
    return f"{folder} holds a file {LOCK} that is not this program's: name another folder"


def _held(folder: Path, advice: str = "wait for it, or name another folder") -> str:
    who = ""
    with suppress(OSError, ValueError), (folder / LOCK).open(encoding="utf-8") as file:
        pid, host, *since = file.read(500).splitlines()
        if "".join([host, *since]).isprintable():  # others may have written it
            who = f" (pid {int(pid)} on {host}{f', started {since[0]}' if since else ''})"
    return f"another process{who} is at work in {folder}: {advice}"
