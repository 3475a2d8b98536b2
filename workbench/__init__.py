"""Unlearnable Workbench: can this data still be learnt from?

The way of the data: data → models → noise → victim → records → figures, one folder per step; each imports only what
stands left of it. Names below are loaded when they are first used, so `import workbench` needs no torch.
"""

from importlib import import_module
from typing import Any

# Modules by the names that notebooks use.
_MODULES = {
    "results": "workbench.records.table",
    "figures": "workbench.figures",
    "models": "workbench.models",
    "explore": "workbench.apps.explore",
    "study": "workbench.study",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")
