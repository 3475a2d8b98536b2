"""All writing, renaming and removing: files are whole or not there, and those of others stay as they are.

Until a file is whole it has a name with a random part, made exclusively: nobody else's file can lie there, and no link
is followed. A full disk, a kill, a power cut leave the old file.
"""

import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from workbench.config import DataError

PARTIAL = re.compile(r"(.+)\.[0-9a-f]{16}\.partial", re.DOTALL)  # a file's name until it is whole
PROBE = "probe"  # what is written to see whether a folder can be written to
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
TRIES, PAUSE = 20, 0.05  # seconds


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never half of it. DataError when it cannot be."""
    with replacing(path) as file:
        file.write(text.encode())


def check_new(path: Path) -> None:
    """Raise DataError for a file that is there already: it may be somebody's."""
    if os.path.lexists(path):
        raise DataError(f"{path} is there already: give another name")


def write_new(path: Path, text: str) -> None:
    """Write a text file where there is none, whole or not at all. Raises DataError."""
    check_new(path)
    try:
        with creating(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): make room or give another name") from error


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when all of it is on disk, or not at all.

    keep: where the old one goes. Raises DataError when it cannot be written; the old ones are then as they were.
    """
    partial = scratch(path)
    try:
        with creating(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            if keep is not None and path.exists():
                move(path, keep)
            move(partial, path)
        except BaseException:
            with suppress(OSError):
                remove(partial)
            raise
        sync(path.parent)
    except OSError as error:
        line = f"{path} cannot be written ({error.strerror}): make room or name another folder"
        raise DataError(line) from error


@contextmanager
def creating(path: Path) -> Iterator[BinaryIO]:
    """A new file, which is gone again where the block fails. Raises FileExistsError for one that is there."""
    with path.open("x+b") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            with suppress(OSError):
                file.close()  # first, for Windows; on a full disk it fails again
            with suppress(OSError):
                remove(path)
            raise


def appending(path: Path) -> TextIO:
    """Open a text file for lines at its end; DataError for a link."""
    check_no_link(path)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK, 0o666)
    return os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace")


def make(folder: Path, *, new: bool = False) -> None:
    """Make a folder and those around it. new: raise FileExistsError for one that is there."""
    folder.mkdir(parents=True, exist_ok=not new)


def remove(path: Path) -> None:
    """Remove a file of this program's, or the link that lies there and not what it leads to."""
    path.unlink(missing_ok=True)


def remove_folder(folder: Path, *, empty: bool = False) -> None:
    """Remove a folder of this program's with what is in it, as far as the system lets it. empty: only an empty one."""
    if empty:
        with suppress(OSError):
            folder.rmdir()
    else:
        shutil.rmtree(folder, ignore_errors=True)  # which follows no link


def move(source: Path, target: Path) -> None:
    """Rename over what is there. Windows refuses while somebody else has it open, as readers do for a moment."""
    for left in reversed(range(TRIES)):
        try:
            source.replace(target)
            return
        except PermissionError:
            if sys.platform != "win32" or not left:
                raise
            time.sleep(PAUSE)


def scratch(path: Path) -> Path:
    """A name beside `path` that nobody has, for what takes its place later; to be made exclusively."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")


def is_scratch(name: str, of: str = "") -> bool:
    """Whether a name is one that `scratch` gives, for the file `of` if that is told."""
    found = PARTIAL.fullmatch(name)
    return found is not None and of in ("", found[1])


def sweep(folder: Path, name: str = "") -> None:
    """Remove the scratch files of killed processes, or only those for the file `name`.

    For a folder that this program alone writes into, while this process alone is at work there.
    """
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if is_scratch(entry.name, name) and is_plain(entry):
                remove(entry)


def is_plain(path: Path) -> bool:
    """Whether a file lies there, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def check_no_link(path: Path) -> None:
    """Raise DataError for a link where a file is to be written: what it leads to is somebody else's."""
    if path.is_symlink():
        raise DataError(f"{path} is a link, which is never written through: remove it, or name another folder")


def check_writable(folder: Path) -> None:
    """Make the folder and write to it; raises OSError when that fails."""
    make(folder)
    probe = scratch(folder / PROBE)
    with creating(probe) as file:
        file.write(b"\0" * 4096)
    remove(probe)


def sync(folder: Path) -> None:
    """Make renamed files of a folder outlast a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
