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

from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench import stores
from workbench.batches import generator
from workbench.budget import PIXEL_MAX, PerturbationBudget
from workbench.config import NoiseConfig
from workbench.images import ImageSet
from workbench.noise import bands
from workbench.noise.rounds import Rounds
from workbench.noise.surrogate import Surrogate

WAIT = 0.25  # of the search, in which the surrogate alone learns, when the noise starts at bands


def search(data: ImageSet, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, Rounds]:
    """Return δ, float32 K×C×H×W or int8 N×C×H×W within ±ε, and the rounds it took. data: on the fabric's device."""
    budget, surrogate = PerturbationBudget(config.epsilon), Surrogate(fabric, config, data)
    classwise, device, world = config.kind == "classwise", data.images.device, fabric.world_size
    shared_step = (config.step if classwise else config.shared_step) or 0.0
    shared = torch.zeros((len(data.classes), *data.images.shape[1:]), device=device)
    wait = WAIT if config.start == "bands" else 0.0
    if wait:
        shared.copy_(bands.start(budget, tuple(shared.shape), generator(device, config.seed, 12)))
    rows = 0 if classwise else -(-len(data) // world)
    own = stores.room_for((rows, *data.images.shape[1:]), torch.float32, "the search").to(device)
    rounds = Rounds(config, surrogate, {"shared": shared, "own": own}, folder)
    for number in rounds:
        with rounds:
            wrong = torch.zeros((), device=device)
            order = share_of_batches(len(data), config, number, fabric.global_rank, world, device)
            for turn, batch in enumerate(order):
                left = share_of_step((number + turn / len(order)) / (config.rounds or 1), wait)
                labels, mine = data.labels[batch], batch // world
                delta = shared[labels] if classwise else budget.project(shared[labels] + own[mine])
                delta.requires_grad_()
                pixels = (data.images[batch] + delta).clamp(0, PIXEL_MAX)
                logits = surrogate.train_step(pixels, labels)
                assert delta.grad is not None
                sums = summed(fabric, by_class(delta.grad, labels, len(shared)))
                if not classwise:
                    moved = delta.detach() - left * (config.step or 0.0) * delta.grad.sign()
                shared.copy_(budget.step(shared, sums, left * shared_step))
                if not classwise:
                    own[mine] = budget.project(moved) - shared[labels]
                wrong += (logits.argmax(1) != labels).sum()
                rounds.image_passes += len(batch) * world
            rounds.end(float(summed(fabric, wrong)) / len(data))
    return shared if classwise else together(fabric, budget, shared, own, data.labels), rounds


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
    found = stores.room_for((len(labels), *own.shape[1:]), torch.int8, "the noise")
    for part in stores.parts(len(own)):
        numbers = (torch.arange(part.start, part.stop, device=labels.device) * world + rank).clamp(max=len(labels) - 1)
        delta = budget.round(shared[labels[numbers]] + own[part])
        parts: Any = fabric.all_gather(delta) if world > 1 else delta[None]
        for other, rows in enumerate(parts.cpu()):
            place = found[part.start * world + other : part.stop * world : world]
            place.copy_(rows[: len(place)])
        stores.release(own)
    return found


def by_class(gradient: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Sum the gradients of a batch's images within each class: float32 K×C×H×W."""
    sums = torch.zeros((classes, *gradient.shape[1:]), device=gradient.device)
    return sums.index_add_(0, labels, gradient)
