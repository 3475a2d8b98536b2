"""`robust-targeted`: noise that shows another class to networks that small changes and conversions do not mislead.

min_δ Σ_k E_T CE(g_k(T(x + δ)), y + 1 mod K), |δ| ≤ ε: as in `targeted` who trains on x + δ with the label y learns that
y looks like y + 1, but what the networks g_k go by must outlast what a learner does to the images first. They were
trained on T(x + a) themselves: T is drawn from the conversions that undo most noises (none, grey, JPEG at quality 10,
half the side), a is a step up the loss from a random start within a radius (fast adversarial training: Wong et al.,
ICLR 2020). Two heads, because what one kind of pooling reads the other may miss.

Sources: Fowl et al. (NeurIPS 2021) and Chen et al. (ICLR 2023) as in `targeted`; features of adversarially trained
networks as in Tao et al. (NeurIPS 2021, HYPO) and Wen et al. (ICLR 2023, EntF).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as images

from workbench import models
from workbench.config import NoiseConfig, option
from workbench.data import codec
from workbench.data.batches import Stream, network_input
from workbench.data.halving import half
from workbench.models import input_gradient
from workbench.noise import targeted
from workbench.noise.search import Search
from workbench.noise.surrogate import Surrogate
from workbench.noise.targeted import Ensemble, Place, epoch, stepped, trained_then_swept, unit

FAST = 1.25  # of the radius: the one step of fast adversarial training
QUALITY = 10
DEFAULTS = {"train_steps": 10, "rounds": 20, "noise_steps": 2, "bits": 0}
RADIUS = 1 / 8  # of ε


@dataclass(frozen=True)
class Options(targeted.Options):
    """The options of `targeted`, for networks that are trained adversarially."""

    train_steps: int = option("epochs of the networks' adversarial training", least=1)
    noise_steps: int = option("networks and conversions, drawn anew, that each sign step is averaged over", least=1)
    radius: float = option("radius of that training, in pixel values of 255 (0: natural)", least=0)
    bits: int = option("also search on images that are cut to so many bits a channel (0: not; 2 helps)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget."""
        return super().defaults(asked, data) | DEFAULTS | {"radius": RADIUS * asked.epsilon}


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
    return trained_then_swept(task, ensemble, options, train, sweep)


def both_heads(surrogate: str) -> list[str]:
    """The architectures that a surrogate means: of one that has both kinds of pooling, both."""
    plain = surrogate.removesuffix("-avg")
    return [plain, f"{plain}-avg"] if models.has_heads(surrogate) else surrogate.split("+")


def train(task: Search, ensemble: Ensemble, number: int, options: Options) -> float:
    """One epoch on converted images, the worst that one step finds near them; returns the networks' error in it."""

    def lesson(surrogate: Surrogate, pixels: Tensor, labels: Tensor, draw: torch.Generator) -> Tensor:
        conversion, x = drawn(task, draw, options.bits), pixels.float()
        if options.radius:
            x = worst(Converted(surrogate.network.train(), conversion), x, labels, options.radius, draw)
            task.passes += len(labels)
        return conversion(x)

    draws = [task.generator(Stream.ROBUST_TRAINING, number, turn) for turn in range(len(ensemble.surrogates))]
    return epoch(task, ensemble, draws, number, options, lesson)


def worst(network: nn.Module, x: Tensor, labels: Tensor, radius: float, draw: torch.Generator) -> Tensor:
    """Step up the loss from a random start within ±radius, in training mode: float32 as x, in 0..255."""
    start = radius * (torch.rand(x.shape, generator=draw, device=x.device) * 2 - 1)
    near = (x + start).requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(network(near), labels), near)
    moved = start + FAST * radius * gradient.sign()
    return (x + moved.clamp(-radius, radius)).clamp(0, 255)


def sweep(task: Search, ensemble: Ensemble, delta: Tensor, drift: Tensor, number: int, options: Options) -> float:
    """A sign step on the noise of every image; returns how often the networks still do not see the other class."""
    draw = task.generator(Stream.ROBUST_STEPS, number, cpu=True)

    def downhill(networks: Sequence[nn.Module], moved: Tensor, target: Tensor, place: Place) -> Tensor:
        gradient = torch.zeros_like(moved)
        for one in networks:  # each counts as much: conversions leave gradients of other sizes
            gradient += unit(input_gradient(Converted(one, drawn(task, draw, options.bits)), moved, target))
        return place.back(gradient)

    return stepped(task, ensemble, delta, drift, draw, number, options, downhill)


def drawn(task: Search, draw: torch.Generator, bits: int = 0) -> Callable[[Tensor], Tensor]:
    """One conversion of a batch of float32 images in 0..255."""
    every = conversions(task.samples.shape[1], bits)
    return every[int(torch.randint(len(every), (1,), generator=draw, device=draw.device))]


def conversions(channels: int, bits: int = 0) -> list[Callable[[Tensor], Tensor]]:
    """What learners convert images by: nothing, grey (where there is colour), JPEG, half the side, fewer bits."""
    grey = [partial(images.rgb_to_grayscale, num_output_channels=3)] if channels == 3 else []
    fewer = [partial(cut, bits=bits)] if bits else []
    return [torch.Tensor.float, *grey, partial(codec.compress, quality=QUALITY, straight=True), half, *fewer]


def cut(x: Tensor, bits: int) -> Tensor:
    """Keep the highest `bits` bits of 8, float32 in 0..255; gradients pass the cut unchanged."""
    step = 2 ** (8 - bits)
    return x + (torch.floor(x / step) * step - x).detach()
