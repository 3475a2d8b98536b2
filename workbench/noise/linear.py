"""`linear`: noise from a linear classifier, the cheapest (after Liu, Chen and Zhang, ICLR 2026, arXiv 2601.19967).

A classifier f(x) = Wx without bias learns the clean images. Then every image's noise p takes sign steps down
λ·CE(f(-p), y) + (1 - λ)·KL(uniform ‖ f(x + p)): the paper's loss, its published image x - δ written as x + p. The
gradient has a closed form, (λ(y - softmax(-Wp)) + (1 - λ)(softmax(W(x + p)) - 1/K))W, so a step is two small matrix
products, no network is needed, and images pass by in parts: memory does not grow with their number.

One thing is ours: f sees images averaged over blocks of `BLOCK` pixels, and the noise is constant on them. Noise of
single pixels is undone by a victim that shifts its images, and everything is cheaper by the pixels of a block.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import NoiseConfig, option
from workbench.data.batches import Stream
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise.search import Search

PIXEL_MAX = 255
TARGET_SHARE = 0.9  # λ
MOMENTUM = 0.9
BLOCK = 4  # pixels a side
AT_ONCE = 2048  # images whose pixels are numbers with a point at the same time
# 30 sign steps of ε/10, as published (arXiv 2601.19967, §4). Published are 30 epochs of 50,000 images; of 5,000 they
# teach the classifier nearly nothing, and seeing blocks, it learns ten times as many in seconds.
DEFAULTS = {"batch_size": 512, "rounds": 300, "noise_steps": 30, "learning_rate": 0.1}
STEP = 1 / 10  # of ε


@dataclass(frozen=True)
class Options:
    """The options of `linear`."""

    batch_size: int = option("images per batch", least=1)
    rounds: int = option("epochs of the classifier", least=1)
    noise_steps: int = option("sign steps per image", least=1)
    step: float = option("size of a sign step, in pixel values of 255", least=0)
    learning_rate: float = option("the classifier's learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget."""
        return DEFAULTS | {"step": STEP * asked.epsilon}


class LinearClassifier:
    """W of f(x) = Wx, float32 K×D, for images averaged over blocks: D is C·(H/block)·(W/block), values in [0, 1]."""

    def __init__(self, task: Search, learning_rate: float):
        channels, height, width = task.samples.shape[1:]
        self.classes, self.rate = len(task.data.classes), learning_rate
        self.block = BLOCK if height % BLOCK == 0 == width % BLOCK else 1
        self.shape = (channels, height // self.block, width // self.block)
        size = channels * self.shape[1] * self.shape[2]
        draw = task.generator(Stream.LINEAR_WEIGHTS)
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


def search(task: Search, options: Options) -> Tensor:
    """Return δ, int8 K×C×H×W or N×C×H×W within ±ε; `passes` counts images through f, not through a network.

    With a folder the noise is written into a file of it part by part, and an interrupted search goes on with the first
    part that is missing.
    """
    classifier, epochs, rows = LinearClassifier(task, options.learning_rate), options.rounds, task.shape[0]
    found = task.room(task.shape, torch.int8, kept=True)
    pieces = [slice(0, rows)] if task.classwise else list(mapped.parts(rows))
    seen = classifier.seen(task.data)
    for number in task.rounds(epochs + len(pieces), classifier):
        if number < epochs:
            task.error = train(task, classifier, seen, number, options)
            task.passes += len(task.data)
        else:
            piece = pieces[number - epochs]
            mine = slice(0, len(task.data)) if task.classwise else piece
            make = classwise if task.classwise else samplewise
            noise = make(task, classifier, seen[mine], task.labels[mine], options, mine.start)
            for part in mapped.parts(len(noise), AT_ONCE):
                found[piece][part] = task.budget.round(classifier.pixels(noise[part])).cpu()
            task.passes += len(task.labels[mine]) * options.noise_steps
            mapped.release(found)
    return found


def train(task: Search, classifier: LinearClassifier, seen: Tensor, number: int, options: Options) -> float:
    """One epoch on the clean images, in a drawn order; returns the error in it."""
    draw = task.generator(Stream.LINEAR_ORDER, number, cpu=True)
    wrong = torch.zeros((), dtype=torch.int64, device=seen.device)
    for batch in torch.randperm(len(seen), generator=draw).to(seen.device).split(options.batch_size):
        logits = classifier.train_step(seen[batch].float() / PIXEL_MAX, task.labels[batch])
        wrong += (logits.argmax(1) != task.labels[batch]).sum()
    return int(wrong) / len(seen)


def samplewise(
    task: Search, classifier: LinearClassifier, seen: Tensor, labels: Tensor, options: Options, first: int
) -> Tensor:
    """The noise of a part of the images, which begins with number `first`: float32 B×D."""
    logits = (seen.float() / PIXEL_MAX) @ classifier.weights.T
    noise = started(task, classifier, len(seen), first)
    for _ in range(options.noise_steps):
        each = classifier.coefficients(logits, noise @ classifier.weights.T, labels)
        step(task, noise, each @ classifier.weights, options)
    return noise


def classwise(
    task: Search, classifier: LinearClassifier, seen: Tensor, labels: Tensor, options: Options, first: int
) -> Tensor:
    """The noise of the classes, whose gradient is the sum over a class's images: float32 K×D."""
    logits = torch.cat([(part.float() / PIXEL_MAX) @ classifier.weights.T for part in seen.split(mapped.PART)])
    noise = started(task, classifier, classifier.classes, first)
    for _ in range(options.noise_steps):
        of_noise = noise @ classifier.weights.T
        each = classifier.coefficients(logits, of_noise[labels], labels)
        sums = torch.zeros_like(of_noise).index_add_(0, labels, each)
        step(task, noise, sums @ classifier.weights, options)
    return noise


def started(task: Search, classifier: LinearClassifier, count: int, first: int) -> Tensor:
    """Random noise to start from, in the classifier's own scale: float32 count×D."""
    draw = task.generator(Stream.LINEAR_START, first)
    return task.budget.random_start((count, classifier.weights.shape[1]), draw) / PIXEL_MAX


def step(task: Search, noise: Tensor, gradient: Tensor, options: Options) -> None:
    """A sign step down the loss, in place, within ±ε."""
    radius = task.epsilon / PIXEL_MAX
    noise.sub_(gradient.sign_(), alpha=options.step / PIXEL_MAX).clamp_(-radius, radius)
