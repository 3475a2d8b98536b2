"""`em`: error-minimising noise by the paper's alternation (Huang et al., ICLR 2021, Algorithm 1 and the authors' code).

min_θ E min_δ CE(f_θ(x + δ), y), |δ| ≤ ε: M surrogate steps on the noisy images, then a sweep of T sign steps over the
noise, until the surrogate errs on no more than `stop_error` of the noisy images. Kept from the code: the surrogate
trains in training mode on x + δ un-clamped and un-augmented and goes on where it stopped; the sweep runs in evaluation
mode on x + δ clamped to the pixel box; sample-wise batches keep one order, class-wise ones are shuffled and drop the
last, and the class-wise sweep and stop test use a stratified fifth of the images.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import NoiseConfig, option
from workbench.data.batches import Stream
from workbench.data.dataset import Dataset
from workbench.noise.decibels import added
from workbench.noise.search import Search
from workbench.noise.surrogate import Surrogate

CLASSWISE_SHARE = 0.2  # universal_train_portion of the authors' code
CLASSWISE_ROUNDS = 50  # at least; a class-wise round costs a fiftieth of a sample-wise one
STEP = 0.1  # of ε
# The settings of the 2021 scripts (exp_setting.sh and search_perturbation_noise.sh of the authors' code). Small sets
# have batches that fit a few thousand images, and an end in sight.
PAPER = {"batch_size": 512, "train_steps": 10, "noise_steps": 20, "stop_error": 0.01, "rounds": 100}
SMALL = PAPER | {"batch_size": 128, "rounds": 10}
BY_DATA = {
    "cifar10": PAPER,
    "cifar100": PAPER | {"train_steps": 20},
    "svhn": PAPER,
    "synthetic-people": SMALL | {"batch_size": 28},
}


@dataclass(frozen=True)
class Options:
    """The options of `em`."""

    batch_size: int = option("images per batch", least=1)
    train_steps: int = option("surrogate steps per round (M)", least=1)
    noise_steps: int = option("sign steps per image and round (T)", least=1)
    step: float = option("size of a sign step, in pixel values of 255", least=0)
    stop_error: float = option("stop at this surrogate error", least=0)
    rounds: int = option("rounds at most", least=1)
    learning_rate: float = option("the surrogate's learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this data set, kind and budget."""
        found = BY_DATA.get(data, SMALL) | {"step": STEP * asked.radius, "learning_rate": 0.1}
        if asked.kind == "classwise":
            found |= {"noise_steps": 1, "train_steps": 10, "rounds": max(found["rounds"], CLASSWISE_ROUNDS)}
        return found


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε."""
    surrogate, delta = task.surrogate(options.learning_rate), task.zeros()
    part = swept(task.data, task.kind)
    training, sweeping = (Order(task, len(data), options.batch_size) for data in (task.data, part))
    for number in task.rounds(options.rounds, surrogate, delta=delta):
        for step in range(options.train_steps):
            batch = training.batch(number * options.train_steps + step)
            labels = task.labels[batch]
            surrogate.train_step(added(task.data, batch, delta[task.rows(labels, batch)]), labels)
            task.passes += len(batch)
        sweep(task, surrogate, delta, part, sweeping.epoch(number), options)
        task.error = noisy_error(task, surrogate, delta, part, sweeping.epoch(number))
        task.finished = task.error <= options.stop_error
    return delta


def swept(data: Dataset, kind: str) -> Dataset:
    """The samples whose noise is searched: all, or (class-wise) a stratified fifth, at least one per class."""
    return data.limited(max(len(data.classes), round(CLASSWISE_SHARE * len(data)))) if kind == "classwise" else data


def sweep(
    task: Search, surrogate: Surrogate, delta: Tensor, data: Dataset, order: list[Tensor], options: Options, *,
    climb: bool = False,
) -> None:  # fmt: skip
    """Take T sign steps on the noise of every batch, in place, down the loss or up.

    Class-wise, a class's noise becomes the mean of its samples' noise after each batch (universal_perturbation).
    """
    budget, step = task.budget, -options.step if climb else options.step
    for batch in order:
        samples, labels = data.samples[batch].float(), data.labels[batch]
        mine = task.rows(labels, batch)
        eta = delta[mine]
        noisy = budget.in_range(added(data, batch, eta))
        for _ in range(options.noise_steps):
            left = noisy - samples if data.limits is None else eta  # of images, what the pixel box leaves of it
            eta = budget.step(left, surrogate.input_gradient(noisy, labels), step)
            noisy = budget.in_range(added(data, batch, eta))
            task.passes += len(batch)
        if task.classwise:
            present, place, counts = labels.unique(return_inverse=True, return_counts=True)
            sums = torch.zeros_like(delta[present]).index_add_(0, place, eta)
            delta[present] = budget.project(sums / counts.view(-1, *[1] * (delta.ndim - 1)))
        else:
            delta[mine] = eta


def noisy_error(task: Search, surrogate: Surrogate, delta: Tensor, data: Dataset, order: list[Tensor]) -> float:
    """The surrogate's error on x + δ, neither rounded nor clamped: the paper's stop test."""
    pairs = ((batch, data.labels[batch]) for batch in order)
    return surrogate.error_rate((added(data, batch, delta[task.rows(mine, batch)]), mine) for batch, mine in pairs)


class Order:
    """The order of the batches. Sample-wise: one seeded order, for ever (the authors do not shuffle; ours is drawn
    once, because a folder comes sorted by class). Class-wise: shuffled anew every epoch, last short batch dropped.
    """

    def __init__(self, task: Search, count: int, size: int):
        self._task, self._count, self._size = task, count, min(size, count)
        self._drawn: tuple[int, list[Tensor]] = (-1, [])

    def epoch(self, number: int) -> list[Tensor]:
        """The batches of epoch `number`: lists of indices, int64."""
        shuffled = self._task.classwise
        which = number if shuffled else 0
        if self._drawn[0] != which:
            draw = self._task.generator(Stream.EM_ORDER, which, cpu=True)
            batches = torch.randperm(self._count, generator=draw).to(self._task.device).split(self._size)
            self._drawn = which, [batch for batch in batches if len(batch) == self._size or not shuffled]
        return self._drawn[1]

    def batch(self, position: int) -> Tensor:
        """Batch number `position` of an endless run through the epochs."""
        whole, rest = divmod(self._count, self._size)
        length = whole + (1 if rest and not self._task.classwise else 0)
        return self.epoch(position // length)[position % length]
