"""`targeted`: noise that shows every image's network the features of another class.

Networks are trained on the clean images and kept at several ages; the noise then lowers their loss for a wrong class,
the same one for all images of a class: min_δ Σ_k CE(g_k(x + δ), y + 1 mod K), |δ| ≤ ε. Who trains on x + δ with the
label y learns that y looks like y + 1. Sources: Fowl et al. (NeurIPS 2021, targeted adversarial poisons) for the loss,
Chen et al. (ICLR 2023, self-ensemble) for the ages: what a network learns early is not what it knows in the end.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workbench.config import NoiseConfig, option
from workbench.data.augment import shift_flip
from workbench.data.batches import Batches, Stream
from workbench.models import input_gradient
from workbench.noise.search import Search
from workbench.noise.surrogate import Surrogate

AGES = 6  # at which every network is kept, evenly over the training after its start
YOUNGEST = 0.25  # of the training: before that a network knows nothing yet that noise could show it
MOMENTUM = 0.9  # of the gradients (Dong et al., CVPR 2018): a sign step sees more networks than it is computed on
WARMUP = 0.2  # of the training
ROLL = 3  # pixels, of a 64-pixel image: the noise must hold where crops move it
DEFAULTS = {"batch_size": 128, "train_steps": 24, "rounds": 16, "noise_steps": 3, "learning_rate": 0.1}
STEP = 1 / 5  # of ε


@dataclass(frozen=True)
class Options:
    """The options of `targeted`."""

    batch_size: int = option("images per batch", least=1)
    train_steps: int = option("epochs of clean training", least=1)
    rounds: int = option("passes of the noise over all images", least=1)
    noise_steps: int = option("networks, drawn anew, that each sign step is averaged over", least=1)
    step: float = option("full sign step, in pixel values of 255; it shrinks linearly to zero", least=0)
    learning_rate: float = option("the networks' peak learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget."""
        return DEFAULTS | {"step": STEP * asked.epsilon}


class Place(NamedTuple):
    """Where a batch is moved to, as crops and mirrors of a learner's move it: rows, columns, left for right."""

    down: int
    right: int
    mirrored: bool

    @classmethod
    def drawn(cls, draw: torch.Generator) -> "Place":
        """A place within ROLL pixels."""
        down, right = (int(torch.randint(2 * ROLL + 1, (1,), generator=draw)) - ROLL for _ in range(2))
        return cls(down, right, bool(torch.rand(1, generator=draw) < 0.5))

    def there(self, x: Tensor) -> Tensor:
        """Move images, N×C×H×W."""
        moved = x.roll((self.down, self.right), (2, 3))
        return moved.flip(-1) if self.mirrored else moved

    def back(self, x: Tensor) -> Tensor:
        """Move them, or their gradients, back."""
        back = x.flip(-1) if self.mirrored else x
        return back.roll((-self.down, -self.right), (2, 3))


class Ensemble:
    """The networks in training, and those kept so far: one of each architecture, of a surrogate named "A+B" two."""

    def __init__(self, task: Search, learning_rate: float, names: Sequence[str] = ()):
        names = names or task.config.surrogate.split("+")
        self.surrogates = [task.surrogate(learning_rate, name, nth) for nth, name in enumerate(names)]
        self.kept: list[nn.Module] = []

    def keep(self) -> None:
        """Keep every network as it is now."""
        self.kept += [copy.deepcopy(surrogate.network).eval() for surrogate in self.surrogates]

    def some(self, count: int, draw: torch.Generator) -> list[nn.Module]:
        """Draw so many of the kept networks, or all where there are fewer."""
        return [self.kept[which] for which in torch.randperm(len(self.kept), generator=draw)[:count].tolist()]

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


Lesson = Callable[[Surrogate, Tensor, Tensor, torch.Generator], Tensor]
Train = Callable[[Search, Ensemble, int, Any], float]
Sweep = Callable[[Search, Ensemble, Tensor, Tensor, int, Any], float]
Downhill = Callable[[Sequence[nn.Module], Tensor, Tensor, Place], Tensor]


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε."""
    return trained_then_swept(task, Ensemble(task, options.learning_rate), options, train, sweep)


def trained_then_swept(task: Search, ensemble: Ensemble, options: Options, train: Train, sweep: Sweep) -> Tensor:
    """Return δ after the epochs of the networks' training and the sweeps of the noise, float32 K×C×H×W or N×C×H×W."""
    delta, drift = task.zeros(), task.zeros()
    for number in task.rounds(options.train_steps + options.rounds, ensemble, delta=delta, drift=drift):
        if number < options.train_steps:
            task.error = train(task, ensemble, number, options)
        else:
            task.error = sweep(task, ensemble, delta, drift, number, options)
    return delta


def train(task: Search, ensemble: Ensemble, number: int, options: Options) -> float:
    """One epoch on the clean images; returns the networks' error in it."""
    draws = [task.generator(Stream.TARGETED_TRAINING, number, turn) for turn in range(len(ensemble.surrogates))]
    return epoch(task, ensemble, draws, number, options, lambda surrogate, pixels, labels, draw: pixels)


def epoch(
    task: Search, ensemble: Ensemble, draws: Sequence[torch.Generator], number: int, options: Options, lesson: Lesson
) -> float:
    """One epoch of all networks, each with a draw of its own; returns their error in it. lesson: what a network is
    shown of a batch that was moved and mirrored.
    """
    epochs, wrong = options.train_steps, 0
    for surrogate, draw in zip(ensemble.surrogates, draws, strict=True):
        batches = Batches(task.data, options.batch_size, draw, shift_flip)
        for step, (pixels, labels) in enumerate(batches):
            done = (number + step / len(batches)) / epochs
            surrogate.set_learning_rate(options.learning_rate * share_of_peak(done))
            shown = lesson(surrogate, pixels, labels, draw)
            wrong += int((surrogate.train_step(shown, labels).argmax(1) != labels).sum())
            task.passes += len(labels)
    if number + 1 in ages(epochs):
        ensemble.keep()
    return wrong / (len(task.data) * len(ensemble.surrogates))


def ages(epochs: int) -> set[int]:
    """The numbers of epochs after which the networks are kept; the last one always."""
    return {round(epochs * (YOUNGEST + (1 - YOUNGEST) * turn / AGES)) or 1 for turn in range(1, AGES + 1)}


def share_of_peak(done: float) -> float:
    """The learning rate's share of its peak: a linear climb, then cosine decay to zero."""
    return (done + 0.01) / WARMUP if done < WARMUP else 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def sweep(task: Search, ensemble: Ensemble, delta: Tensor, drift: Tensor, number: int, options: Options) -> float:
    """A sign step on the noise of every image; returns how often the networks still do not see the other class."""

    def downhill(networks: Sequence[nn.Module], moved: Tensor, target: Tensor, place: Place) -> Tensor:
        return unit(place.back(sum((input_gradient(one, moved, target) for one in networks), torch.zeros_like(moved))))

    draw = task.generator(Stream.TARGETED_STEPS, number, cpu=True)
    return stepped(task, ensemble, delta, drift, draw, number, options, downhill)


def stepped(
    task: Search, ensemble: Ensemble, delta: Tensor, drift: Tensor, draw: torch.Generator, number: int,
    options: Options, downhill: Downhill,
) -> float:  # fmt: skip
    """Take a sign step on the noise of every image, in place; returns how often the last network still does not see
    the other class. downhill: the gradient towards that class of images that were moved, by some networks.
    """
    left = 1 - (number - options.train_steps) / options.rounds
    missed = seen = 0
    for batch in torch.randperm(len(task.data), generator=draw).to(task.device).split(options.batch_size):
        labels = task.labels[batch]
        mine = task.rows(labels, batch)
        target = (labels + 1) % len(task.data.classes)
        pixels = task.budget.in_range(task.samples[batch].float() + delta[mine])
        place = Place.drawn(draw)
        moved = place.there(pixels)
        networks = ensemble.some(options.noise_steps, draw)
        gradient = downhill(networks, moved, target, place)
        task.passes += len(batch) * len(networks)
        with torch.no_grad():
            last = ensemble.kept[-1](moved)
        missed, seen = missed + int((last.argmax(1) != target).sum()), seen + len(batch)
        if task.classwise:
            mine = labels.unique()
            gradient = torch.zeros_like(delta).index_add_(0, labels, gradient)[mine]
        drift[mine] = MOMENTUM * drift[mine] + gradient
        delta[mine] = task.budget.step(delta[mine], drift[mine], left * options.step)
    return missed / seen


def unit(gradient: Tensor) -> Tensor:
    """Bring every image's gradient, float32 N×C×H×W, to a mean absolute value of 1."""
    return gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
