"""`random`: noise of the same size drawn by chance, the control: what a change of this size does by itself."""

from torch import Tensor

from workbench.data.batches import Stream
from workbench.noise.no_options import Options
from workbench.noise.search import Search


def search(task: Search, options: Options) -> Tensor:
    """Draw δ uniformly from the ball, once: float32 K×… or N×…."""
    return task.budget.random_start(task.shape, task.generator(Stream.RANDOM))
