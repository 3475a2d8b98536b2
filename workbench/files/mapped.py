"""Room for large tensors: in memory while they are small, else in a mapped file that is gone with the process.

A million images of 32×32 are 3 GB, their noise as much again. In a mapped file they are the system's to keep in memory
or not, and `release` lets a pass over them leave nothing behind.
"""

import mmap
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.config import DataError
from workbench.files import atomic
from workbench.files.places import temporary

MAPPED_FROM = 2**30  # bytes; smaller tensors are plain memory
STARTED = "noise.started"  # in a run's folder: noise that is being written
PART = 32_768  # images; bounds the temporary copies of a pass over a set

# The mapped files by the address of their first byte. Never the tensors of other people: MADV_DONTNEED would zero them.
_mapped: "weakref.WeakValueDictionary[int, np.memmap]" = weakref.WeakValueDictionary()
NUMPY = {torch.uint8: np.uint8, torch.int8: np.int8, torch.int16: np.int16, torch.float32: np.float32}


def room_for(shape: tuple[int, ...], dtype: torch.dtype, what: str, folder: Path | None = None) -> Tensor:
    """A tensor on the CPU: plain memory below MAPPED_FROM bytes, else a file in the temporary folder, full of zeros.

    That file has no name any more when this returns, so nothing is left whatever ends the process. With a folder, of
    any size: the file STARTED in it, which stays, and is gone on with when it is there already and of this size.
    what: for the refusal. Raises DataError when the disk has no room.
    """
    size = int(np.prod(shape)) * dtype.itemsize
    if size == 0 or (folder is None and size < MAPPED_FROM):
        return torch.zeros(shape, dtype=dtype)
    if folder is None:
        check_room(temporary(), size, what, "set TMPDIR to a folder with more room")
        with tempfile.TemporaryFile(dir=temporary()) as file:
            file.truncate(size)
            return _map(np.memmap(file, dtype=NUMPY[dtype], mode="r+", shape=shape))
    path = folder / STARTED
    atomic.check_no_link(path)
    if not path.is_file() or path.stat().st_size != size:
        check_room(folder, size, what, "make room or name another folder")
        with atomic.replacing(path) as fresh:
            fresh.truncate(size)
    return _map(np.memmap(path, dtype=NUMPY[dtype], mode="r+", shape=shape))


def _map(array: np.memmap) -> Tensor:
    tensor = torch.from_numpy(array)
    _mapped[tensor.untyped_storage().data_ptr()] = array
    return tensor


def release(tensor: Tensor) -> None:
    """Let go of the memory that holds pages of a mapped tensor: they stay in the file. Others are left alone."""
    array = _mapped.get(tensor.untyped_storage().data_ptr())
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def parts(count: int, size: int = PART) -> Iterator[slice]:
    """0..count in slices of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def check_room(folder: Path, size: int, what: str, advice: str) -> None:
    """Raise DataError when fewer than `size` bytes are free where `folder` is or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < size:
        raise DataError(f"{what} needs {size:,} bytes in {folder}, where {free:,} are free: {advice}")
