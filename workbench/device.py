"""Which device a run uses, and its description for the record."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

from workbench.config import ConfigError, DataError, NoiseConfig, VictimConfig


def pick(name: str) -> torch.device:
    """The device of this name; "auto": CUDA, else Apple's GPU (MPS), else the CPU. Raises ConfigError for none."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind in there if there[kind]) if name == "auto" else name
    if not there[kind]:
        raise ConfigError(f"device {kind}: PyTorch sees no {kind.upper()} device here; use --device cpu or auto")
    if kind == "cpu":
        _keep_memory()
    return torch.device(kind)


def check_group(on: torch.device, config: NoiseConfig | VictimConfig) -> None:
    """Raise ConfigError when this machine has fewer devices than asked for, or bf16 is asked for without CUDA."""
    if on.type == "mps" and config.devices * config.num_nodes > 1:
        raise ConfigError("device mps: Apple's GPU works alone; use --devices 1 and --num-nodes 1, or --device cpu")
    have = torch.cuda.device_count() if on.type == "cuda" else os.cpu_count() or 1
    if config.devices > have:
        kind = "CUDA devices" if on.type == "cuda" else "processors"
        raise ConfigError(f"devices {config.devices}: there are {have} {kind} here; use --devices {have} or fewer")
    if config.precision == "bf16" and on.type != "cuda":  # some CPUs say they have it, and the program dies of it
        raise ConfigError("precision bf16 needs a CUDA device: use --precision float32")


def leave_group() -> None:
    """Leave the group of processes that work together: one that ends within it may be aborted by gloo's threads."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def enough_memory(batch_size: int) -> Iterator[None]:
    """Turn "out of memory" within the block into one line that names a batch size to try; DataError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _of_memory(error):
            raise
        smaller = f"--batch-size {batch_size // 2}, " if batch_size > 1 else ""
        raise DataError(f"no memory for batches of {batch_size} images: try {smaller}a smaller network") from error


def _of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory; only for CUDA, PyTorch has a type of its own for that."""
    said = any(words in str(error) for words in ("DefaultCPUAllocator", "MPS backend out of memory"))
    return said or isinstance(error, torch.OutOfMemoryError | MemoryError)


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Let glibc keep freed memory instead of returning every large tensor to the system and faulting it in again.

    Those page faults took half of a training's processor time here. Where there is no glibc nothing happens.
    """
    trim_threshold, mmap_max, largest = -1, -4, 2**31 - 1  # of malloc.h
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(mmap_max, 0)
        library.mallopt(trim_threshold, largest)


def describe(device: torch.device) -> str:
    """The device in words, for run.json: its kind, model and, on a CPU, the threads used."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return f"mps: Apple GPU, {platform.machine()}"
    return f"cpu: {_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
