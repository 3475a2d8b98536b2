"""`em-joint`: error-minimising noise, network and noise in one backward pass; the default.

The paper alternates between the surrogate and the noise, but both minimise the same loss, so one backward pass gives
both gradients: every batch takes an SGD step of the surrogate and a sign step of the noise. Class-wise noise is one δ_y
per class. Sample-wise noise is δ_i = clip(δ_y + r_i): a part shared by the class, which wins the race against the real
features early, and a part of the image's own. With `shared_step` 0 there is no shared part. The sign steps shrink
linearly to zero: with a constant step the noise jitters once the loss is small, and the victim learns more (measured on
photo-digits, one seed: 0.32 instead of 0.13).

The noise starts at zero. With `begin` "bands" the shared part starts at drawn bands of colour (bands.py), which is most
of that noise's effect; the surrogate alone learns them first, or a network that knows nothing would wash them out.

On several devices each has the samples whose number leaves its rank as remainder, with their own noise, and a share of
every batch; the gradients of the surrogate and of the shared noise are summed over all.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import NoiseConfig, option
from workbench.data.batches import Stream
from workbench.files import mapped
from workbench.noise import bands
from workbench.noise.published import published
from workbench.noise.search import Search

BEGIN = ("zero", "bands")
STEP = 1 / 4  # of ε, before it shrinks
WAIT = 0.25  # of the search, in which the surrogate alone learns, when the noise starts at bands
# Measured against other settings in experiments/results/README.md#schedules. Bands need one pass with a slow network.
DEFAULTS = {
    "zero": {"batch_size": 128, "rounds": 6, "learning_rate": 0.1},
    "bands": {"batch_size": 16, "rounds": 1, "learning_rate": 0.015},
}


@dataclass(frozen=True)
class Options:
    """The options of `em-joint`."""

    batch_size: int = option("images per batch", least=1)
    rounds: int = option("passes over the images", least=1)
    step: float = option("full sign step, in pixel values of 255", least=0)
    shared_step: float = option("sample-wise: full sign step of the part that a class shares (0: none)", least=0)
    begin: str = option(
        "where the noise starts: zero, or bands of colour drawn for each class", choices=BEGIN, former=("start",)
    )
    learning_rate: float = option("the surrogate's learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget, and for where the noise begins."""
        begin = asked.options.get("begin", BEGIN[0])
        steps = dict.fromkeys(("step", "shared_step"), STEP * asked.radius)
        return DEFAULTS.get(begin, DEFAULTS["zero"]) | steps | {"begin": begin}


@dataclass
class Delta:
    """The noise while it is searched: float32 K×… that classes share and, sample-wise, N×… of samples' own.

    shared_step, own_step: sizes of the full sign steps.
    """

    task: Search
    shared: Tensor
    own: Tensor
    shared_step: float
    own_step: float

    def of(self, labels: Tensor, index: Tensor) -> Tensor:
        """δ of a batch's samples, B×…, ready to receive its gradient. index: the samples' numbers."""
        delta = self.shared[labels]
        if not self.task.classwise:
            delta = self.task.budget.project(delta + self.own[index // self.task.fabric.world_size])
        return delta.requires_grad_()

    def step(self, delta: Tensor, labels: Tensor, index: Tensor, left: float) -> None:
        """A sign step of all parts of a batch's noise, by the gradient in `delta`; left: the share of a full step."""
        assert delta.grad is not None
        budget = self.task.budget
        sums = self.task.summed(by_class(delta.grad, labels, len(self.shared)))
        self.shared.copy_(budget.step(self.shared, sums, left * self.shared_step))
        if not self.task.classwise:
            moved = budget.step(delta.detach(), delta.grad, left * self.own_step)
            self.own[index // self.task.fabric.world_size] = moved - self.shared[labels]


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×… or whole steps N×… within ±ε."""
    surrogate, noise = task.surrogate(options.learning_rate), started(task, options.shared_step, options.step)
    if options.begin == "bands":
        noise.shared.copy_(bands.drawn(task.budget, tuple(noise.shared.shape), task.generator(Stream.BANDS)))
    wait = WAIT if options.begin == "bands" else 0.0
    kept = {"shared": noise.shared, "own": noise.own}
    for batch, done in task.batches(options.batch_size, options.rounds, surrogate, **kept):
        labels = task.labels[batch]
        delta = noise.of(labels, batch)
        logits = surrogate.train_step(published(task, batch, delta), labels)
        noise.step(delta, labels, batch, share_of_step(done, wait))
        task.count(logits, labels)
    return noise.shared if task.classwise else whole(task, noise)


def started(task: Search, shared_step: float, step: float) -> Delta:
    """No noise yet, neither of a class nor of any sample's own; class-wise, the shared part takes the full step."""
    shared = torch.zeros((len(task.data.classes), *task.samples.shape[1:]), device=task.device)
    rows = 0 if task.classwise else -(-len(task.data) // task.fabric.world_size)
    own = task.room((rows, *task.samples.shape[1:]), torch.float32).to(task.device)
    return Delta(task, shared, own, *((step, 0.0) if task.classwise else (shared_step, step)))


def share_of_step(done: float, wait: float) -> float:
    """The share of a full sign step: none before the share `wait` of the search is done, then from 1 down to 0."""
    return 0.0 if done < wait else (1 - done) / (1 - wait)


def whole(task: Search, noise: Delta) -> Tensor:
    """δ of all samples from the parts of all devices, by sample number: whole steps N×… on the CPU."""
    world, rank, labels = task.fabric.world_size, task.fabric.global_rank, task.labels
    found = task.room((len(labels), *noise.own.shape[1:]), task.data.space.delta)
    for part in mapped.parts(len(noise.own)):
        numbers = (torch.arange(part.start, part.stop, device=task.device) * world + rank).clamp(max=len(labels) - 1)
        delta = task.budget.round(noise.shared[labels[numbers]] + noise.own[part])
        parts: Any = task.fabric.all_gather(delta.int()) if world > 1 else delta[None]  # int16 does not travel
        for other, rows in enumerate(parts.cpu()):
            place = found[part.start * world + other : part.stop * world : world]
            place.copy_(rows[: len(place)])
        mapped.release(noise.own)
    return found


def by_class(gradient: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Sum the gradients of a batch's samples within each class: float32 K×…."""
    sums = torch.zeros((classes, *gradient.shape[1:]), device=gradient.device)
    return sums.index_add_(0, labels, gradient)
