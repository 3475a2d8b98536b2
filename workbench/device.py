"""Which device a run uses, and its description for the record."""

import platform

import torch

from workbench.config import ConfigError


def pick(name: str) -> torch.device:
    """The device for "auto", "cpu" or "cuda". Raises ConfigError when CUDA is asked for and there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: PyTorch sees no CUDA device here; use --device cpu or auto")
    return torch.device(name)


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
