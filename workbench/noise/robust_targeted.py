"""`robust-targeted`: noise that shows another class to networks that small changes and conversions do not mislead.

min_δ Σ_k E_T CE(g_k(T(x + δ)), y + 1 mod K), |δ| ≤ ε: as in `targeted` who trains on x + δ with the label y learns that
y looks like y + 1, but what the networks g_k go by must outlast what a learner does to the images first. They were
trained on T(x + a) themselves: T is drawn from the conversions that undo most noises (none, grey, JPEG at quality 10,
half the side), a is a step up the loss from a random start within a radius (fast adversarial training: Wong et al.,
ICLR 2020). Two heads, because what one kind of pooling reads the other may miss.

Sources: Fowl et al. (NeurIPS 2021) and Chen et al. (ICLR 2023) as in `targeted`; features of adversarially trained
networks as in Tao et al. (NeurIPS 2021, HYPO) and Wen et al. (ICLR 2023, EntF).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as images

from workbench import models
from workbench.catalogue import NETWORKS
from workbench.config import NoiseConfig, option
from workbench.data import codec
from workbench.data.augment import shift_flip
from workbench.data.batches import Batches, Stream, network_input
from workbench.models import input_gradient
from workbench.noise.search import Search
from workbench.noise.targeted import MOMENTUM, Ensemble, Place, ages, share_of_peak

FAST = 1.25  # of the radius: the one step of fast adversarial training
QUALITY = 10
DEFAULTS = {"batch_size": 128, "train_steps": 10, "rounds": 20, "noise_steps": 2, "learning_rate": 0.1}
STEP, RADIUS = 1 / 5, 1 / 8  # of ε


@dataclass(frozen=True)
class Options:
    """The options of `robust-targeted`."""

    batch_size: int = option("images per batch", least=1)
    train_steps: int = option("epochs of the networks' adversarial training", least=1)
    radius: float = option("radius of that training, in pixel values of 255 (0: natural)", least=0)
    rounds: int = option("passes of the noise over all images", least=1)
    noise_steps: int = option("networks and conversions, drawn anew, that each sign step is averaged over", least=1)
    step: float = option("full sign step, in pixel values of 255; it shrinks linearly to zero", least=0)
    learning_rate: float = option("the networks' peak learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget."""
        return DEFAULTS | {"step": STEP * asked.epsilon, "radius": RADIUS * asked.epsilon}


class Converted(nn.Module):
    """A network that sees images only after a conversion; gradients pass through both."""

    def __init__(self, network: nn.Module, conversion: Callable[[Tensor], Tensor]):
        super().__init__()
        self.network, self.conversion = network, conversion
        self.training = network.training  # who puts this back puts the network back

    def forward(self, x: Tensor) -> Tensor:
        """The logits of float32 images in 0..255."""
        logits: Tensor = self.network(network_input(self.conversion(x)))
        return logits


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε."""
    ensemble = Ensemble(task, options.learning_rate, both_heads(task.config.surrogate))
    epochs = options.train_steps
    delta, drift = task.zeros(), task.zeros()
    for number in task.rounds(epochs + options.rounds, ensemble, delta=delta, drift=drift):
        if number < epochs:
            task.error = train(task, ensemble, number, options)
        else:
            task.error = sweep(task, ensemble, delta, drift, number, options)
    return delta


def both_heads(surrogate: str) -> list[str]:
    """The architectures that a surrogate means: of one that has both kinds of pooling, both."""
    known = models.WIDTH.fullmatch(surrogate)
    plain = surrogate.removesuffix("-avg")
    return [plain, f"{plain}-avg"] if known and NETWORKS[known[1]].heads else surrogate.split("+")


def train(task: Search, ensemble: Ensemble, number: int, options: Options) -> float:
    """One epoch on converted images, the worst that one step finds near them; returns the networks' error in it."""
    epochs, wrong = options.train_steps, 0
    for turn, surrogate in enumerate(ensemble.surrogates):
        draw = task.generator(Stream.ROBUST_TRAINING, number, turn)
        batches = Batches(task.data, options.batch_size, draw, shift_flip)
        for step, (pixels, labels) in enumerate(batches):
            surrogate.set_learning_rate(options.learning_rate * share_of_peak((number + step / len(batches)) / epochs))
            conversion, x = drawn(task, draw), pixels.float()
            if options.radius:
                x = worst(Converted(surrogate.network.train(), conversion), x, labels, options.radius, draw)
                task.passes += len(labels)
            wrong += int((surrogate.train_step(conversion(x), labels).argmax(1) != labels).sum())
            task.passes += len(labels)
    if number + 1 in ages(epochs):
        ensemble.keep()
    return wrong / (len(task.data) * len(ensemble.surrogates))


def worst(network: nn.Module, x: Tensor, labels: Tensor, radius: float, draw: torch.Generator) -> Tensor:
    """Step up the loss from a random start within ±radius, in training mode: float32 as x, in 0..255."""
    start = radius * (torch.rand(x.shape, generator=draw, device=x.device) * 2 - 1)
    near = (x + start).requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(network(near), labels), near)
    moved = start + FAST * radius * gradient.sign()
    return (x + moved.clamp(-radius, radius)).clamp(0, 255)


def sweep(task: Search, ensemble: Ensemble, delta: Tensor, drift: Tensor, number: int, options: Options) -> float:
    """A sign step on the noise of every image; returns how often the networks still do not see the other class."""
    left = 1 - (number - options.train_steps) / options.rounds
    draw = task.generator(Stream.ROBUST_STEPS, number, cpu=True)
    missed = seen = 0
    for batch in torch.randperm(len(task.data), generator=draw).to(task.device).split(options.batch_size):
        labels = task.labels[batch]
        wanted = (labels + 1) % len(task.data.classes)
        mine, place = task.rows(labels, batch), Place.drawn(draw)
        moved = place.there(task.budget.in_range(task.samples[batch].float() + delta[mine]))
        gradient = torch.zeros_like(moved)
        for which in torch.randperm(len(ensemble.kept), generator=draw)[: options.noise_steps].tolist():
            found = input_gradient(Converted(ensemble.kept[which], drawn(task, draw)), moved, wanted)
            gradient += found / found.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            task.passes += len(batch)
        with torch.no_grad():
            missed += int((ensemble.kept[-1](network_input(moved)).argmax(1) != wanted).sum())
        seen += len(batch)
        gradient = place.back(gradient)
        if task.classwise:
            mine = labels.unique()
            gradient = torch.zeros_like(delta).index_add_(0, labels, gradient)[mine]
        drift[mine] = MOMENTUM * drift[mine] + gradient
        delta[mine] = task.budget.step(delta[mine], drift[mine], left * options.step)
    return missed / seen


def drawn(task: Search, draw: torch.Generator) -> Callable[[Tensor], Tensor]:
    """One conversion of a batch of float32 images in 0..255."""
    every = conversions(task.samples.shape[1])
    return every[int(torch.randint(len(every), (1,), generator=draw, device=draw.device))]


def conversions(channels: int) -> list[Callable[[Tensor], Tensor]]:
    """What learners convert images by: nothing, grey (where there is colour), JPEG, half the side."""
    grey = [partial(images.rgb_to_grayscale, num_output_channels=3)] if channels == 3 else []
    return [torch.Tensor.float, *grey, partial(codec.compress, quality=QUALITY, straight=True), half]


def half(x: Tensor) -> Tensor:
    """Scale down to half the side and back."""
    height, width = x.shape[2:]
    small = images.resize(x, [max(1, height // 2), max(1, width // 2)], antialias=True)
    return images.resize(small, [height, width], antialias=True)
