"""Files that are written whole or not at all, whatever happens meanwhile: a full disk, a kill, a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from workbench.config import DataError

PARTIAL = ".partial"  # at the end of the name until a file is whole; one that a killed process left is written over


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never half of it. DataError when it cannot be."""
    with replacing(path) as file:
        file.write(text.encode())


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when all of it is on disk, or not at all.

    keep: where the old one goes. Raises DataError when it cannot be written; the old ones are then as they were.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        partial.replace(path)
        sync(path.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            line = f"{path} cannot be written ({error.strerror}): make room or name another folder"
            raise DataError(line) from error
        raise


def sync(folder: Path) -> None:
    """Make renamed files of a folder outlast a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
