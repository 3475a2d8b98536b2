"""Which device a run uses, and its description for the record."""

import ctypes
import platform
from functools import lru_cache

import torch

from workbench.config import ConfigError


def pick(name: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Raises ConfigError when CUDA is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: PyTorch sees no CUDA device here; use --device cpu or auto")
    device = torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        _keep_memory()
    return device


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
    return f"cpu: {_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
