"""Private folders for people's photos: for their owner alone, gone when the process ends, or else at the next start."""

import atexit
import os
import re
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.files.atomic import is_plain, remove_folder
from workbench.files.places import temporary

PREFIX = "workbench-photos-"
NAME = re.compile(PREFIX + r"\w{8}", re.ASCII)  # as mkdtemp gives it
LOCK = ".in-use"
PLACE = "WORKBENCH_PHOTOS"  # environment variable: the application's own folder, in which its kernels make theirs

_held: dict[Path, tuple[FileLock, int]] = {}


def parent() -> Path:
    """Say where private folders are made: the application's folder, or else the system's temporary one."""
    return Path(os.environ.get(PLACE) or temporary())


def private_folder() -> Path:
    """Make a folder that nobody else may enter (0700), removed when this process ends.

    A process that is killed cannot clean up. So each folder holds a lock, which the system releases with the process,
    and folders left unlocked are removed here first.
    """
    clear_stale()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent()))
    lock = FileLock(folder / LOCK)
    lock.acquire()
    _held[folder] = lock, os.getpid()
    return folder


def clear_stale() -> int:
    """Remove the folders of processes that are gone, and return how many."""
    count = 0
    for folder in sorted(parent().glob(f"{PREFIX}*")):
        if _is_ours(folder) and is_plain(folder / LOCK):
            lock = FileLock(folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                continue
            lock.release()
            remove_folder(folder)
            count += 1
    return count


def remove(folder: Path) -> None:
    """Remove a private folder of this process now."""
    lock, owner = _held.pop(folder, (None, None))
    if lock is not None and owner == os.getpid():  # not in a process forked from the owner
        lock.release()
        remove_folder(folder)


@atexit.register
def _remove_all() -> None:
    for folder in list(_held):
        remove(folder)


def _is_ours(folder: Path) -> bool:
    """Tell a real folder of this user from what others may have put into the system's temporary folder."""
    try:
        owner = folder.lstat().st_uid
    except OSError:
        return False
    return (
        bool(NAME.fullmatch(folder.name))
        and not folder.is_symlink()
        and folder.is_dir()
        and (not hasattr(os, "getuid") or owner == os.getuid())
    )
