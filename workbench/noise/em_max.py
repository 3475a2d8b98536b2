"""`em-max`: error-maximising noise, the adversarial kind, as a control (Huang et al., ICLR 2021, §4.1)."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.augment import shift
from workbench.data.batches import Batches, Stream
from workbench.noise import em
from workbench.noise.em import Order, noisy_error, sweep, swept
from workbench.noise.search import Search

STOP_ERROR = {"samplewise": 0.9, "classwise": 0.8}


@dataclass(frozen=True)
class Options(em.Options):
    """The options of `em`; train_steps are epochs of clean training first, stop_error is the error to climb to."""

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this data set, kind and budget."""
        return super().defaults(asked, data) | {"stop_error": STOP_ERROR[asked.kind], "train_steps": 10}


def search(task: Search, options: Options) -> Tensor:
    """Train a surrogate on the clean samples (shifted, cosine decay), then climb its loss by `em`'s sweeps.

    Returns δ, float32 K×… or N×… within ±ε. Ends when the surrogate errs on at least `stop_error` of the noisy
    samples. The 2021 code trains for the victim's full recipe first; train_steps is the number of those epochs here.
    """
    surrogate, delta = task.surrogate(options.learning_rate), task.zeros()
    part, epochs = swept(task.data, task.kind), options.train_steps
    order = Order(task, len(part), options.batch_size)
    for number in task.rounds(epochs + options.rounds, surrogate, delta=delta):
        if number < epochs:
            surrogate.set_learning_rate(options.learning_rate * 0.5 * (1 + math.cos(math.pi * number / epochs)))
            draw, wrong = task.generator(Stream.EM_MAX_TRAINING, number), 0
            for samples, labels in Batches(task.data, options.batch_size, draw, shift):
                wrong += int((surrogate.train_step(samples, labels).argmax(1) != labels).sum())
                task.passes += len(labels)
            task.error = wrong / len(task.data)
        else:
            sweep(task, surrogate, delta, part, order.epoch(number), options, climb=True)
            task.error = noisy_error(task, surrogate, delta, part, order.epoch(number))
            task.finished = task.error >= options.stop_error
    return delta
