"""A method at work: looked up by name, given its task and options, its result checked and rounded."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench import catalogue, registry
from workbench.config import DataError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise import masked
from workbench.noise.budget import PerturbationBudget
from workbench.noise.search import Search

ROUNDING = 1e-3  # of a step: what float32 may add to a value at the ball's edge


def options_of(method: str) -> type[Any] | None:
    """The Options of a method, a dataclass; None for one of one's own that has none."""
    found: type[Any] | None = registry.look_up("method", method).Options
    return found


def run(config: NoiseConfig, data: Dataset, fabric: Fabric, folder: Path | None) -> tuple[Tensor, dict[str, Any]]:
    """Search in this process; return δ in whole steps on the CPU, and what the search cost and reached."""
    found, kind = registry.look_up("method", config.method), options_of(config.method)
    search, options = getattr(found, "search", found), kind(**config.options) if kind else None
    ours = catalogue.METHODS[config.method].module
    with Search(config, data, fabric, folder) as task:
        with nullcontext() if ours else registry.foreign(f"method {config.method}"):
            delta = search(task, options)
        delta = masked.kept_under(checked(delta, task), task.data, config.shape)
        return whole_steps(task.budget, delta), task.facts()


def checked(delta: Any, task: Search) -> Tensor:
    """What a method returned. Raises DataError when it is no noise of this shape and budget."""
    method = f"the method {task.config.method} returned"
    if not isinstance(delta, Tensor):
        raise DataError(f"{method} {type(delta).__name__}, not a tensor")
    if tuple(delta.shape) != task.shape:
        shapes = ["×".join(map(str, shape)) for shape in (delta.shape, task.shape)]
        raise DataError(f"{method} a tensor of the shape {shapes[0]}: {task.kind} noise for these data is {shapes[1]}")
    if delta.dtype == task.budget.delta or not delta.numel():
        return delta  # Perturbation holds it to the budget
    if not (delta.is_floating_point() or delta.dtype in (torch.int16, torch.int32, torch.int64)):
        raise DataError(f"{method} a tensor of the type {delta.dtype}: give float32 or {task.budget.delta}")
    delta = delta.detach().float()
    if not bool(delta.isfinite().all()):
        raise DataError(f"{method} noise that is not finite (NaN or infinity)")
    largest = float(delta.abs().max())
    if largest > task.epsilon + ROUNDING:
        raise DataError(f"{method} noise that reaches {largest:g}, beyond its budget of {task.epsilon}")
    return delta


def whole_steps(budget: PerturbationBudget, delta: Tensor) -> Tensor:
    """δ in whole steps on the CPU; what a method has rounded already passes."""
    if delta.dtype == budget.delta:
        return delta.cpu()
    found = mapped.room_for(tuple(delta.shape), budget.delta, "the noise")
    for part in mapped.parts(len(delta)):
        found[part] = budget.round(delta[part]).cpu()
    return found
