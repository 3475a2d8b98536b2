"""`em`: error-minimising noise by the paper's alternation (Huang et al., ICLR 2021, Algorithm 1 and the authors' code).

min_θ E min_δ CE(f_θ(x + δ), y), |δ| ≤ ε: M surrogate steps on the noisy images, then a sweep of T sign steps over the
noise, until the surrogate errs on no more than `stop_error` of the noisy images. Kept from the code: the surrogate
trains in training mode on x + δ un-clamped and un-augmented and goes on where it stopped; the sweep runs in evaluation
mode on x + δ clamped to the pixel box; sample-wise batches keep one order, class-wise ones are shuffled and drop the
last, and the class-wise sweep and stop test use a stratified fifth of the images.
"""

from dataclasses import replace
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.batches import generator
from workbench.data.dataset import Dataset
from workbench.noise.budget import PIXEL_MAX, PerturbationBudget
from workbench.noise.search import Rounds
from workbench.noise.surrogate import Surrogate

CLASSWISE_SHARE = 0.2  # universal_train_portion of the authors' code


def search(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε, and the rounds it took. data: on the fabric's device."""
    budget, surrogate = PerturbationBudget(config.epsilon), Surrogate(fabric, config, data)
    delta = start(data, config.kind)
    part = swept(data, config.kind)
    rounds = Rounds(config, surrogate, {"delta": delta}, folder)
    training, sweeping = Order(data, config), Order(part, config)
    for number in rounds:
        with rounds:
            for step in range(config.train_steps or 0):
                batch = training.batch(number * (config.train_steps or 0) + step)
                labels = data.labels[batch]
                surrogate.train_step(data.samples[batch] + delta[rows(config.kind, labels, batch)], labels)
                rounds.image_passes += len(batch)
            rounds.image_passes += sweep(surrogate, budget, delta, part, sweeping.epoch(number), config)
            error = noisy_error(surrogate, delta, part, sweeping.epoch(number), config.kind)
            rounds.end(error, finished=error <= (config.stop_error or 0.0))
    return delta, rounds


def start(data: Dataset, kind: str) -> Tensor:
    """δ = 0: float32, one row a class or one an image, on the images' device."""
    count = len(data.classes) if kind == "classwise" else len(data)
    return torch.zeros((count, *data.samples.shape[1:]), device=data.samples.device)


def swept(data: Dataset, kind: str) -> Dataset:
    """The images whose noise is searched: all of them, or (class-wise) a stratified fifth, one a class at least."""
    return data.limited(max(len(data.classes), round(CLASSWISE_SHARE * len(data)))) if kind == "classwise" else data


def rows(kind: str, labels: Tensor, index: Tensor) -> Tensor:
    """Which row of δ each image of a batch carries: its label's (class-wise) or its own (sample-wise)."""
    return labels if kind == "classwise" else index


def sweep(
    surrogate: Surrogate,
    budget: PerturbationBudget,
    delta: Tensor,
    data: Dataset,
    order: list[Tensor],
    config: NoiseConfig,
    direction: int = 1,
) -> int:
    """Take T sign steps on the noise of every batch, in place; return the image passes. direction -1 climbs the loss.

    Class-wise, a class's noise becomes the mean of its samples' noise after each batch (universal_perturbation).
    """
    passes = 0
    for batch in order:
        images, labels = data.samples[batch].float(), data.labels[batch]
        mine = rows(config.kind, labels, batch)
        eta = delta[mine]
        pixels = (images + eta).clamp(0, PIXEL_MAX)
        for _ in range(config.noise_steps or 0):
            gradient = surrogate.input_gradient(pixels, labels)
            eta = budget.step(pixels - images, gradient, direction * (config.step or 0.0))
            pixels = (images + eta).clamp(0, PIXEL_MAX)
            passes += len(batch)
        if config.kind == "classwise":
            present, place, counts = labels.unique(return_inverse=True, return_counts=True)
            sums = torch.zeros_like(delta[present]).index_add_(0, place, eta)
            delta[present] = budget.project(sums / counts[:, None, None, None])
        else:
            delta[mine] = eta
    return passes


def noisy_error(surrogate: Surrogate, delta: Tensor, data: Dataset, order: list[Tensor], kind: str) -> float:
    """The surrogate's error on x + δ, neither rounded nor clamped: the paper's stop test."""
    batches = (
        (data.samples[batch] + delta[rows(kind, data.labels[batch], batch)], data.labels[batch]) for batch in order
    )
    return surrogate.error_rate(batches)


class Order:
    """The order of the batches. Sample-wise: one seeded order, for ever (the authors do not shuffle; ours is drawn
    once, because a folder comes sorted by class). Class-wise: shuffled anew every epoch, last short batch dropped.
    """

    def __init__(self, data: Dataset, config: NoiseConfig):
        self._count, self._device = len(data), data.samples.device
        self._config = replace(config, batch_size=min(config.batch_size or 1, len(data)))

    def epoch(self, number: int) -> list[Tensor]:
        """The batches of epoch `number`: lists of indices, int64."""
        size, seed = self._config.batch_size or 1, self._config.seed
        shuffled = self._config.kind == "classwise"
        draw = generator(torch.device("cpu"), seed, number if shuffled else 0, 2)
        batches = torch.randperm(self._count, generator=draw).to(self._device).split(size)
        return [batch for batch in batches if len(batch) == size or not shuffled]

    def batch(self, position: int) -> Tensor:
        """Batch number `position` of an endless run through the epochs."""
        whole, rest = divmod(self._count, self._config.batch_size or 1)
        length = whole + (1 if rest and self._config.kind == "samplewise" else 0)
        return self.epoch(position // length)[position % length]
