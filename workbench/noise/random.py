"""`random`: noise of the same size drawn by chance, the control: what a change of this size does by itself."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.batches import Stream
from workbench.noise.search import Search


@dataclass(frozen=True)
class Options:
    """`random` has no options."""

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Nothing."""
        return {}


def search(task: Search, options: Options) -> Tensor:
    """Draw δ uniformly from the ball, once: float32 K×… or N×…."""
    return task.budget.random_start(task.shape, task.generator(Stream.RANDOM))
