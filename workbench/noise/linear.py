"""`linear`: noise from a linear classifier, the cheapest (after Liu, Chen and Zhang, ICLR 2026, arXiv 2601.19967).

A classifier f(x) = Wx without bias learns the clean images. Then every image's noise p takes sign steps down
λ·CE(f(-p), y) + (1 - λ)·KL(uniform ‖ f(x + p)): the paper's loss, its published image x - δ written as x + p. The
gradient has a closed form, (λ(y - softmax(-Wp)) + (1 - λ)(softmax(W(x + p)) - 1/K))W, so a step is two small matrix
products, no network is needed, and images pass by in parts: memory does not grow with their number.

One thing is ours: f sees images averaged over blocks of `BLOCK` pixels, and the noise is constant on them. Noise of
single pixels is undone by a victim that shifts its images, and everything is cheaper by the pixels of a block.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn import functional

from workbench.config import NoiseConfig
from workbench.data.batches import generator
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise.budget import PIXEL_MAX, PerturbationBudget
from workbench.noise.search import Rounds

TARGET_SHARE = 0.9  # λ
MOMENTUM = 0.9
BLOCK = 4  # pixels a side
AT_ONCE = 2048  # images whose pixels are numbers with a point at the same time


class LinearClassifier:
    """W of f(x) = Wx, float32 K×D, for images averaged over blocks: D is C·(H/block)·(W/block), values in [0, 1]."""

    def __init__(self, data: Dataset, config: NoiseConfig):
        channels, height, width = data.samples.shape[1:]
        self.classes, self.rate = len(data.classes), config.learning_rate or 0.0
        self.block = BLOCK if height % BLOCK == 0 == width % BLOCK else 1
        self.shape = (channels, height // self.block, width // self.block)
        size = channels * self.shape[1] * self.shape[2]
        draw = generator(data.samples.device, config.seed, 8)
        self.weights = (torch.rand((self.classes, size), generator=draw, device=draw.device) * 2 - 1) / size**0.5
        self.momentum = torch.zeros_like(self.weights)

    def seen(self, data: Dataset) -> Tensor:
        """What f sees of the images, as whole pixel values: uint8 N×D, a sixteenth of the images."""
        found = mapped.room_for((len(data), self.weights.shape[1]), torch.uint8, "the images' averages")
        found = found.to(data.samples.device)
        for piece in mapped.parts(len(data), AT_ONCE):
            means = functional.avg_pool2d(data.samples[piece].float(), self.block)
            found[piece] = means.flatten(1).round().to(torch.uint8)
            mapped.release(data.samples)
        return found

    def train_step(self, seen: Tensor, labels: Tensor) -> Tensor:
        """One SGD step on a batch, float32 B×D and int64 B; returns the logits before it."""
        logits = seen @ self.weights.T
        wrong = logits.softmax(1) - functional.one_hot(labels, self.classes)
        self.momentum.mul_(MOMENTUM).add_(wrong.T @ seen / len(seen))
        self.weights.sub_(self.rate * self.momentum)
        return logits

    def coefficients(self, logits: Tensor, of_noise: Tensor, labels: Tensor) -> Tensor:
        """∇ of the loss with respect to p, as coefficients B×K of the rows of W. logits: Wx; of_noise: Wp."""
        toward = functional.one_hot(labels, self.classes) - (-of_noise).softmax(1)
        return TARGET_SHARE * toward + (1 - TARGET_SHARE) * ((logits + of_noise).softmax(1) - 1 / self.classes)

    def pixels(self, noise: Tensor) -> Tensor:
        """Noise B×D written out over the blocks, B×C×H×W, in pixel values of 255."""
        wide = noise.view(-1, *self.shape) * PIXEL_MAX
        return wide.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs."""
        return {"weights": self.weights, "momentum": self.momentum, "rate": self.rate}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.weights.copy_(state["weights"])
        self.momentum.copy_(state["momentum"])
        self.rate = state["rate"]

    def slow_down(self) -> None:
        """Halve the learning rate of all steps to come."""
        self.rate /= 2

    def anywhere(self, here: bool) -> bool:
        """Whether something is so in any process that searches: there is this one only."""
        return here


def search(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Return δ, int8 K×C×H×W or N×C×H×W within ±ε, and the rounds it took. data: on the fabric's device.

    rounds: epochs of W; noise_steps: sign steps an image. `image_passes` counts images through f, not through a
    network. With a folder the noise is written into a file of it part by part, and an interrupted search goes on with
    the first part that is missing.
    """
    budget, classifier = PerturbationBudget(config.epsilon), LinearClassifier(data, config)
    epochs, by_class = config.rounds or 1, config.kind == "classwise"
    rows = len(data.classes) if by_class else len(data)
    found = mapped.room_for((rows, *data.samples.shape[1:]), torch.int8, "the noise", folder)
    pieces = [slice(0, rows)] if by_class else list(mapped.parts(rows))
    rounds = Rounds(replace(config, rounds=epochs + len(pieces)), classifier, {}, folder)
    seen = classifier.seen(data)
    for number in rounds:
        with rounds:
            if number < epochs:
                error = _train(classifier, seen, data.labels, config, number)
                rounds.image_passes += len(data)
            else:
                piece, error = pieces[number - epochs], rounds.error
                mine = slice(0, len(data)) if by_class else piece
                make = _classwise if by_class else _samplewise
                noise = make(classifier, seen[mine], data.labels[mine], config, mine.start)
                for part in mapped.parts(len(noise), AT_ONCE):
                    found[piece][part] = budget.round(classifier.pixels(noise[part])).cpu()
                rounds.image_passes += len(data.labels[mine]) * (config.noise_steps or 1)
                mapped.release(found)
            rounds.end(error)
    return found, rounds


def _train(classifier: LinearClassifier, seen: Tensor, labels: Tensor, config: NoiseConfig, number: int) -> float:
    """One epoch on the clean images, in a drawn order; returns the error in it."""
    draw = generator(torch.device("cpu"), config.seed, number, 9)
    wrong = torch.zeros((), dtype=torch.int64, device=seen.device)
    for batch in torch.randperm(len(seen), generator=draw).to(seen.device).split(config.batch_size or 1):
        logits = classifier.train_step(seen[batch].float() / PIXEL_MAX, labels[batch])
        wrong += (logits.argmax(1) != labels[batch]).sum()
    return int(wrong) / len(seen)


def _samplewise(classifier: LinearClassifier, seen: Tensor, labels: Tensor, config: NoiseConfig, first: int) -> Tensor:
    """The noise of a part of the images, which begins with number `first`: float32 B×D."""
    logits = (seen.float() / PIXEL_MAX) @ classifier.weights.T
    noise = _start(classifier, config, len(seen), first)
    for _ in range(config.noise_steps or 1):
        each = classifier.coefficients(logits, noise @ classifier.weights.T, labels)
        _step(noise, each @ classifier.weights, config)
    return noise


def _classwise(classifier: LinearClassifier, seen: Tensor, labels: Tensor, config: NoiseConfig, first: int) -> Tensor:
    """The noise of the classes, whose gradient is the sum over a class's images: float32 K×D."""
    logits = torch.cat([(part.float() / PIXEL_MAX) @ classifier.weights.T for part in seen.split(mapped.PART)])
    noise = _start(classifier, config, classifier.classes, first)
    for _ in range(config.noise_steps or 1):
        of_noise = noise @ classifier.weights.T
        each = classifier.coefficients(logits, of_noise[labels], labels)
        sums = torch.zeros_like(of_noise).index_add_(0, labels, each)
        _step(noise, sums @ classifier.weights, config)
    return noise


def _start(classifier: LinearClassifier, config: NoiseConfig, count: int, first: int) -> Tensor:
    budget, draw = PerturbationBudget(config.epsilon), generator(classifier.weights.device, config.seed, first, 10)
    return budget.random_start((count, classifier.weights.shape[1]), draw) / PIXEL_MAX


def _step(noise: Tensor, gradient: Tensor, config: NoiseConfig) -> None:
    radius = config.epsilon / PIXEL_MAX
    noise.sub_(gradient.sign_(), alpha=(config.step or 0.0) / PIXEL_MAX).clamp_(-radius, radius)
