"""Unlearnable Workbench: can this data still be learnt from?

The way of the data: data → models → noise → victim → records → figures, one folder per step; each imports only what
stands left of it. The names below are loaded when they are first used, so `import workbench` needs no torch.
"""

from importlib import import_module
from typing import Any

PROGRAM = "unlearnable-workbench"  # tells this package from others of its name (installation.check)

_NAMES = {
    "load": "library",
    "make_noise": "library",
    "train": "library",
    "judge": "library",
    "class_board": "judging.board",
    "Protected": "library",
    "Dataset": "data.dataset",
    "DataPair": "data.dataset",
    "Perturbation": "noise.perturbation",
    "Study": "study",
    "check_parameters": "parameters",
    "Defence": "victim.defence",
    "method": "registry",
    "defence": "registry",
    "network": "registry",
    "data_set": "registry",
    "option": "config",
    "WorkbenchError": "config",
}
_MODULES = {"results": "records.table", "explore": "apps.explore"}  # as notebooks call them

__all__ = [
    "DataPair", "Dataset", "Defence", "Perturbation", "Protected", "Study", "WorkbenchError", "check_parameters",
    "class_board", "data_set", "defence", "judge", "load", "make_noise", "method", "network", "option", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"workbench.{_NAMES[name]}"), name)
    if name in (*_MODULES, "figures", "models", "teaching"):
        return import_module(f"workbench.{_MODULES.get(name, name)}")
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
