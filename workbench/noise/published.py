"""What a learner is taken to see of noisy samples while noise is searched for."""

from torch import Tensor

from workbench.data.batches import Stream
from workbench.data.delay import moved
from workbench.data.space import AUDIO
from workbench.noise.decibels import added
from workbench.noise.search import Search


def published(task: Search, index: Tensor, delta: Tensor) -> Tensor:
    """The samples `index` with their δ, cut to the space's range: float32 B×…, through which the gradient reaches δ.

    Clips of sound come earlier or later, louder or softer, as learners move them (expectation over transformations,
    Athalye et al., ICML 2018): noise that fits one place alone is lost on them. Drawn by seed, pass and batch.
    """
    samples = task.budget.in_range(added(task.data, index, delta))
    if task.data.space != AUDIO:
        return samples
    turn, batch = task.place
    return moved(samples, task.generator(Stream.MOVED, turn, batch))
