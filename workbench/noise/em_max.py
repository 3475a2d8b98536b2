"""The two controls: `random` noise of the same size, and `em-max`, error-maximising noise (the adversarial kind)."""

import math
from dataclasses import replace
from pathlib import Path

from lightning.fabric import Fabric
from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.augment import shift
from workbench.data.batches import Batches, generator
from workbench.data.dataset import Dataset
from workbench.noise.budget import PerturbationBudget
from workbench.noise.em import Order, noisy_error, start, sweep, swept
from workbench.noise.search import Rounds
from workbench.noise.surrogate import Surrogate


def search_maximising(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Train a surrogate on the clean images (M epochs, shifted, cosine decay), then climb its loss by `em`'s sweeps.

    Ends when the surrogate errs on at least `stop_error` of the noisy images. The 2021 code trains for the victim's
    full recipe first; train_steps is the number of those epochs here.
    """
    budget, surrogate = PerturbationBudget(config.epsilon), Surrogate(fabric, config, data)
    delta = start(data, config.kind)
    part = swept(data, config.kind)
    epochs = config.train_steps or 0
    rounds = Rounds(replace(config, rounds=epochs + (config.rounds or 1)), surrogate, {"delta": delta}, folder)
    order = Order(part, config)
    for number in rounds:
        with rounds:
            if number < epochs:
                rate = config.learning_rate or 0.0
                surrogate.set_learning_rate(rate * 0.5 * (1 + math.cos(math.pi * number / epochs)))
                draw = generator(data.samples.device, config.seed, number, 5)
                wrong = 0
                for pixels, labels in Batches(data, config.batch_size or 1, draw, shift):
                    logits = surrogate.train_step(pixels, labels)
                    wrong += int((logits.argmax(1) != labels).sum())
                    rounds.image_passes += len(labels)
                rounds.end(wrong / len(data))
            else:
                batches = order.epoch(number)
                rounds.image_passes += sweep(surrogate, budget, delta, part, batches, config, direction=-1)
                error = noisy_error(surrogate, delta, part, batches, config.kind)
                rounds.end(error, finished=error >= (config.stop_error or 1.0))
    return delta, rounds
