"""Where protected photos may go: never into the originals, never over anything, never where they cannot be written."""

import shutil
from pathlib import Path

from workbench.config import DataError
from workbench.files import atomic

MANIFEST_ROOM = 1 << 20  # bytes


def check_apart(source: Path, output: Path) -> None:
    """Raise DataError when the output is the input, lies in it or around it."""
    here, there = source.resolve(), output.resolve()
    if here == there or here in there.parents:
        raise DataError(f"{output} is the input or lies in it: give an OUTPUT folder somewhere else")
    if there in here.parents:
        raise DataError(f"{output} holds the input {source}: give an OUTPUT folder of its own")
    if output.exists() and not output.is_dir():
        raise DataError(f"{output} is a file: give an OUTPUT folder")


def check_writable(folder: Path) -> None:
    """Make the folder and write to it, or raise DataError."""
    try:
        atomic.check_writable(folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror}): make room or give another OUTPUT"
        ) from error


def check_room(folder: Path, needed: int) -> None:
    """Raise DataError when the disk has less than `needed` bytes, a low estimate of what the copies take."""
    free = shutil.disk_usage(folder).free
    if free < needed + MANIFEST_ROOM:
        raise DataError(
            f"{folder}: the copies need at least {_size(needed)}, the disk has {_size(free)} left: "
            "make room or give another OUTPUT"
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
