"""`em-joint`: error-minimising noise in one pass, the default.

The paper alternates between the surrogate and the noise, but both minimise the same loss, so one backward pass gives
both gradients: every batch takes an SGD step of the surrogate and a sign step of the noise. Class-wise noise is one δ_y
a class. Sample-wise noise is δ_i = clip(δ_y + r_i): a part shared by the class, which wins the race against the real
features early, and a part of the image's own. With `shared_step` 0 there is no shared part.

The shared noise starts at bands of colour that tell the classes apart (bands.py), so one pass is enough. The surrogate
alone learns them first: a gradient of a network that knows nothing would wash them out. Then the sign steps begin, and
shrink linearly to zero: with a constant step the noise jitters once the loss is small, and the victim learns more
(measured on photo-digits, one seed: 0.32 instead of 0.13).

On several devices each has the images whose number leaves its rank as remainder, with their own noise, and a share of
every batch; the gradients of the surrogate and of the shared noise are summed over all.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.batches import generator
from workbench.data.dataset import Dataset
from workbench.files import mapped
from workbench.noise import bands
from workbench.noise.budget import PIXEL_MAX, PerturbationBudget
from workbench.noise.search import Rounds
from workbench.noise.surrogate import Surrogate

LEAST, MOST_PARTS = 64, 10  # batches of a part, parts of a round: what is shown, kept, and undone when it fails
WAIT = 0.25  # of the search, in which the surrogate alone learns, when the noise starts at bands


@dataclass
class Delta:
    """The noise while it is searched: float32 K×C×H×W that classes share and, sample-wise, N×C×H×W of images' own.

    shared_step, own_step: sizes of the full sign steps, in pixel values of 255.
    """

    budget: PerturbationBudget
    fabric: Fabric
    shared: Tensor
    own: Tensor
    shared_step: float
    own_step: float

    @property
    def classwise(self) -> bool:
        """Whether no image has noise of its own."""
        return len(self.own) == 0

    def of(self, labels: Tensor, rows: Tensor) -> Tensor:
        """δ of a batch's images, B×C×H×W, ready to receive its gradient. rows: where their own noise stands."""
        delta = self.shared[labels] if self.classwise else self.budget.project(self.shared[labels] + self.own[rows])
        return delta.requires_grad_()

    def step(self, delta: Tensor, labels: Tensor, rows: Tensor, left: float) -> None:
        """A sign step of all parts of a batch's noise, by the gradient in `delta`; left: the share of a full step."""
        assert delta.grad is not None
        sums = summed(self.fabric, by_class(delta.grad, labels, len(self.shared)))
        self.shared.copy_(self.budget.step(self.shared, sums, left * self.shared_step))
        if not self.classwise:
            moved = self.budget.step(delta.detach(), delta.grad, left * self.own_step)
            self.own[rows] = moved - self.shared[labels]


def search(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Return δ, float32 K×C×H×W or int8 N×C×H×W within ±ε, and the rounds it took. data: on the fabric's device."""
    surrogate, noise = Surrogate(fabric, config, data), started(data, config, fabric)
    device, rank, world = data.samples.device, fabric.global_rank, fabric.world_size
    epochs, wait = config.rounds or 1, WAIT if config.start == "bands" else 0.0
    batches = len(share_of_batches(len(data), config, 0, rank, world, device))
    size = max(LEAST, -(-batches // MOST_PARTS))
    parts = -(-batches // size)
    kept, unit = {"shared": noise.shared, "own": noise.own}, "round" if parts == 1 else "part"
    rounds = Rounds(replace(config, rounds=epochs * parts), surrogate, kept, folder, unit)
    for number in rounds:
        with rounds:
            epoch, first = number // parts, number % parts * size
            order = share_of_batches(len(data), config, epoch, rank, world, device)[first : first + size]
            wrong = torch.zeros((), device=device)
            for turn, batch in enumerate(order, first):
                labels, rows = data.labels[batch], batch // world
                delta = noise.of(labels, rows)
                logits = surrogate.train_step((data.samples[batch] + delta).clamp(0, PIXEL_MAX), labels)
                noise.step(delta, labels, rows, share_of_step((epoch + turn / batches) / epochs, wait))
                wrong += (logits.argmax(1) != labels).sum()
            seen = sum(map(len, order)) * world
            rounds.image_passes += seen
            rounds.end(float(summed(fabric, wrong)) / seen)
    if noise.classwise:
        return noise.shared, rounds
    return together(fabric, noise.budget, noise.shared, noise.own, data.labels), rounds


def started(data: Dataset, config: NoiseConfig, fabric: Fabric) -> Delta:
    """The noise before the search: shared bands or nothing, and nothing of any image's own."""
    budget, classwise, device = PerturbationBudget(config.epsilon), config.kind == "classwise", data.samples.device
    shared = torch.zeros((len(data.classes), *data.samples.shape[1:]), device=device)
    if config.start == "bands":
        shared.copy_(bands.start(budget, tuple(shared.shape), generator(device, config.seed, 12)))
    rows = 0 if classwise else -(-len(data) // fabric.world_size)
    own = mapped.room_for((rows, *data.samples.shape[1:]), torch.float32, "the search").to(device)
    steps = (config.step, 0.0) if classwise else (config.shared_step, config.step)
    return Delta(budget, fabric, shared, own, *(step or 0.0 for step in steps))


def share_of_step(done: float, wait: float) -> float:
    """The share of a full sign step: none before the share `wait` of the search is done, then from 1 down to 0."""
    return 0.0 if done < wait else (1 - done) / (1 - wait)


def share_of_batches(
    count: int, config: NoiseConfig, number: int, rank: int, world: int, device: torch.device
) -> list[Tensor]:
    """The part of every batch of an epoch that one of `world` devices works on: image numbers that are `rank` modulo
    `world`, in a drawn order, as many batches for each device (a short share begins again from its start).
    """
    draw = generator(device, config.seed, number, 3, *([rank] if world > 1 else []))
    mine = torch.arange(rank, count, world, device=device)
    order = mine[torch.randperm(len(mine), generator=draw, device=device)]
    missing = -(-count // world) - len(order)
    return list(torch.cat([order, order[:missing]]).split(max(1, (config.batch_size or 1) // world)))


def summed(fabric: Fabric, value: Tensor) -> Tensor:
    """The sum of a tensor over all devices."""
    if fabric.world_size == 1:
        return value
    total = fabric.all_reduce(value, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def together(fabric: Fabric, budget: PerturbationBudget, shared: Tensor, own: Tensor, labels: Tensor) -> Tensor:
    """δ of all images from the parts of all devices, by image number: int8 N×C×H×W on the CPU."""
    world, rank = fabric.world_size, fabric.global_rank
    found = mapped.room_for((len(labels), *own.shape[1:]), torch.int8, "the noise")
    for part in mapped.parts(len(own)):
        numbers = (torch.arange(part.start, part.stop, device=labels.device) * world + rank).clamp(max=len(labels) - 1)
        delta = budget.round(shared[labels[numbers]] + own[part])
        parts: Any = fabric.all_gather(delta) if world > 1 else delta[None]
        for other, rows in enumerate(parts.cpu()):
            place = found[part.start * world + other : part.stop * world : world]
            place.copy_(rows[: len(place)])
        mapped.release(own)
    return found


def by_class(gradient: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Sum the gradients of a batch's images within each class: float32 K×C×H×W."""
    sums = torch.zeros((classes, *gradient.shape[1:]), device=gradient.device)
    return sums.index_add_(0, labels, gradient)
