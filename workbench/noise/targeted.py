"""`targeted`: noise that shows every image's network the features of another class.

Networks are trained on the clean images and kept at several ages; the noise then lowers their loss for a wrong class,
the same one for all images of a class: min_δ Σ_k CE(g_k(x + δ), y + 1 mod K), |δ| ≤ ε. Who trains on x + δ with the
label y learns that y looks like y + 1. Sources: Fowl et al. (NeurIPS 2021, targeted adversarial poisons) for the loss,
Chen et al. (ICLR 2023, self-ensemble) for the ages: what a network learns early is not what it knows in the end.
"""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from workbench.config import NoiseConfig
from workbench.data.augment import shift_flip
from workbench.data.batches import Batches, generator
from workbench.data.dataset import Dataset
from workbench.models import input_gradient
from workbench.noise.budget import PIXEL_MAX, PerturbationBudget
from workbench.noise.em import rows, start
from workbench.noise.search import Rounds
from workbench.noise.surrogate import Surrogate

AGES = 6  # at which every network is kept, evenly over the training after its start
YOUNGEST = 0.25  # of the training: before that a network knows nothing yet that noise could show it
MOMENTUM = 0.9  # of the gradients (Dong et al., CVPR 2018): a sign step sees more networks than it is computed on
WARMUP = 0.2  # of the training
ROLL = 3  # pixels, of a 64-pixel image: the noise must hold where crops move it


class Ensemble:
    """The networks in training, and those kept so far. A surrogate named "A+B" is one network of each architecture."""

    def __init__(self, fabric: Fabric, config: NoiseConfig, data: Dataset):
        self.surrogates = [
            Surrogate(fabric, replace(config, surrogate=name, seed=config.seed + turn), data)
            for turn, name in enumerate(config.surrogate.split("+"))
        ]
        self.kept: list[nn.Module] = []

    def keep(self) -> None:
        """Keep every network as it is now."""
        self.kept += [copy.deepcopy(surrogate.network).eval() for surrogate in self.surrogates]

    def slow_down(self) -> None:
        """Halve the learning rate of all steps to come."""
        for surrogate in self.surrogates:
            surrogate.slow_down()

    def anywhere(self, here: bool) -> bool:
        """Whether something is so in this process or in any other one of the group."""
        return self.surrogates[0].anywhere(here)

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs. Raises NotFinite when a loss since the last time was not finite."""
        training = [surrogate.state() for surrogate in self.surrogates]
        return {"training": training, "kept": [network.state_dict() for network in self.kept]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        for surrogate, saved in zip(self.surrogates, state["training"], strict=True):
            surrogate.restore(saved)
        self.kept = []
        for turn, saved in enumerate(state["kept"]):
            network = copy.deepcopy(self.surrogates[turn % len(self.surrogates)].network).eval()
            network.load_state_dict(saved)
            self.kept.append(network)


def search(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε, and the rounds it took. data: on the fabric's device.

    train_steps: epochs of clean training; rounds: passes of the noise over all images; noise_steps: networks, drawn
    anew, that each sign step is averaged over. The sign steps shrink linearly to zero.
    """
    budget, ensemble = PerturbationBudget(config.epsilon), Ensemble(fabric, config, data)
    epochs, sweeps = config.train_steps or 1, config.rounds or 1
    delta, drift = start(data, config.kind), start(data, config.kind)
    noise = {"delta": delta, "drift": drift}
    rounds = Rounds(replace(config, rounds=epochs + sweeps), ensemble, noise, folder)
    for number in rounds:
        with rounds:
            if number < epochs:
                rounds.end(_train(ensemble, data, config, number, rounds))
            else:
                left = 1 - (number - epochs) / sweeps
                rounds.end(_sweep(ensemble, budget, delta, drift, data, config, number, left, rounds))
    return delta, rounds


def _train(ensemble: Ensemble, data: Dataset, config: NoiseConfig, number: int, rounds: Rounds) -> float:
    """One epoch on the clean images; returns the networks' error in it."""
    epochs = config.train_steps or 1
    wrong = 0
    for turn, surrogate in enumerate(ensemble.surrogates):
        draw = generator(data.samples.device, config.seed, number, turn, 6)
        batches = Batches(data, config.batch_size or 1, draw, shift_flip)
        for step, (pixels, labels) in enumerate(batches):
            surrogate.set_learning_rate((config.learning_rate or 0.0) * _share((number + step / len(batches)) / epochs))
            wrong += int((surrogate.train_step(pixels, labels).argmax(1) != labels).sum())
            rounds.image_passes += len(labels)
    if number + 1 in _ages(epochs):
        ensemble.keep()
    return wrong / (len(data) * len(ensemble.surrogates))


def _ages(epochs: int) -> set[int]:
    """The numbers of epochs after which the networks are kept; the last one always."""
    return {round(epochs * (YOUNGEST + (1 - YOUNGEST) * turn / AGES)) or 1 for turn in range(1, AGES + 1)}


def _share(done: float) -> float:
    """The learning rate's share of its peak: a linear climb, then cosine decay to zero."""
    return (done + 0.01) / WARMUP if done < WARMUP else 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def _sweep(
    ensemble: Ensemble,
    budget: PerturbationBudget,
    delta: Tensor,
    drift: Tensor,
    data: Dataset,
    config: NoiseConfig,
    number: int,
    left: float,
    rounds: Rounds,
) -> float:
    """A sign step on the noise of every image; returns how often the networks still do not see the other class."""
    draw = generator(torch.device("cpu"), config.seed, number, 7)
    missed = seen = 0
    for batch in torch.randperm(len(data), generator=draw).to(data.samples.device).split(config.batch_size or 1):
        images, labels = data.samples[batch].float(), data.labels[batch]
        mine = rows(config.kind, labels, batch)
        target = (labels + 1) % len(data.classes)
        pixels = (images + delta[mine]).clamp(0, PIXEL_MAX)
        down, right = (int(torch.randint(2 * ROLL + 1, (1,), generator=draw)) - ROLL for _ in range(2))
        mirrored = bool(torch.rand(1, generator=draw) < 0.5)
        moved = pixels.roll((down, right), (2, 3))
        moved = moved.flip(-1) if mirrored else moved
        gradient = torch.zeros_like(moved)
        for which in torch.randperm(len(ensemble.kept), generator=draw)[: config.noise_steps].tolist():
            gradient += input_gradient(ensemble.kept[which], moved, target)
            rounds.image_passes += len(batch)
        gradient = gradient.flip(-1) if mirrored else gradient
        gradient = gradient.roll((-down, -right), (2, 3))
        with torch.no_grad():
            last = ensemble.kept[-1](moved)
        missed, seen = missed + int((last.argmax(1) != target).sum()), seen + len(batch)
        gradient = gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        if config.kind == "classwise":
            mine = labels.unique()
            gradient = torch.zeros_like(delta).index_add_(0, labels, gradient)[mine]
        drift[mine] = MOMENTUM * drift[mine] + gradient
        delta[mine] = budget.step(delta[mine], drift[mine], left * (config.step or 0.0))
    return missed / seen
