"""`mi-ue`: noise that draws the features of a class together and those of different classes apart.

Who learns from features that their class determines needs nothing else of the image. Each round trains the surrogate by
cross-entropy on x + δ, then moves δ by sign steps down a contrastive loss of its penultimate features z,

    L = −mean_i log( Σ_{j: y_j = y_i} e^{cos(z_i, z_j)/τ} / Σ_j e^{cos(z_i, z_j)/τ} )
        + ζ · mean_i log( 1 + Σ_{j: y_j = y_i} ‖z_i − z_j‖ / d ),

over the batch, with the network in evaluation mode; d is the length of z. Source: Zhu et al., ICLR 2026 (mutual
information), with the schedule of the authors' code. ζ is 0.1 in the paper and 0 in the code, whose README leaves it
there, so the published numbers may be those of 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.augment import AUGMENTATIONS
from workbench.data.batches import Stream
from workbench.noise.em_joint import by_class
from workbench.noise.search import Search

SHORTEST = 1e-6  # of a vector that has a direction
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"turn": 256, "batch_size": 64, "train_epochs": 1, "noise_batch": 256, "noise_steps": 1, "rounds": 9},
    "paper": {"turn": 0, "batch_size": 128, "train_epochs": 1, "noise_batch": 512, "noise_steps": 10, "rounds": 100},
}
STEPS = {"small": (1 / 4, 0.0), "paper": (0.2 / 8, 0.4 / 8)}  # of ε: in the first round, and where they lead to


@dataclass(frozen=True)
class Options:
    """The options of `mi-ue`."""

    preset: str = option("schedule: small (a minute for 5,000 images of 32×32) or paper", choices=tuple(PRESETS))
    turn: int = option("images that the surrogate learns before their noise moves (0: all)", least=0)
    batch_size: int = option("images per batch of the surrogate's training", least=1)
    train_epochs: int = option("times that the surrogate learns them before", least=1)
    noise_batch: int = option("images per batch of the noise, whose features are compared", least=1)
    noise_steps: int = option("sign steps per image and round", least=1)
    rounds: int = option("rounds", least=1)
    step: float = option("size of a sign step in the first round, in pixel values of 255", least=0)
    last_step: float = option("size of a sign step that the rounds lead to, linearly", least=0)
    zeta: float = option("weight ζ of the distances within a class (paper 0.1, its code 0)", least=0)
    temperature: float = option("temperature τ of the contrastive loss", least=0)
    augment: str = option("how the surrogate's training changes the images", choices=tuple(AUGMENTATIONS))
    learning_rate: float = option("the surrogate's first learning rate (SGD, momentum 0.9, cosine)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value of the preset for this budget."""
        preset = asked.options.get("preset", "small")
        name = preset if preset in PRESETS else "small"  # another one is refused with all options
        first, last = (share * asked.epsilon for share in STEPS[name])
        loss = {"zeta": 0.1, "temperature": 0.1, "augment": "none", "learning_rate": 0.1}
        return PRESETS[name] | loss | {"preset": preset, "step": first, "last_step": last}


class Features:
    """What the layer of the logits was given in the network's last pass: `taken`, B×d."""

    def __init__(self, network: nn.Module, classes: int, name: str):
        heads = [part for part in network.modules() if isinstance(part, nn.Linear) and part.out_features == classes]
        if not heads:
            raise ConfigError(
                f"surrogate {name} has no nn.Linear of {classes} outputs, before which mi-ue reads the features: "
                "name another network"
            )
        self.taken = torch.empty(0)
        heads[-1].register_forward_pre_hook(self._take)

    def _take(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.taken = given[0].flatten(1).float()


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or N×C×H×W within ±ε. Raises ConfigError for a surrogate without a linear layer."""
    if options.temperature == 0:
        raise ConfigError("temperature is 0: similarities are divided by it, so give a value above 0, as 0.1")
    surrogate, delta = task.surrogate(options.learning_rate), task.zeros()
    features = Features(surrogate.network, len(task.data.classes), task.config.surrogate)

    def loss(_: Tensor, labels: Tensor) -> Tensor:
        return contrastive_loss(features.taken, labels, options.temperature, options.zeta)

    for number in task.rounds(options.rounds, surrogate, delta=delta):
        draw, wrong = task.generator(Stream.MI_UE, number), 0
        everything = torch.randperm(len(task.data), generator=draw, device=task.device)
        turns = parts(everything, options.turn or len(everything))
        for position, turn in enumerate(turns):
            done = (number + position / len(turns)) / options.rounds
            surrogate.set_learning_rate(options.learning_rate * 0.5 * (1 + math.cos(math.pi * done)))
            for batch in (
                part for _ in range(options.train_epochs) for part in shuffled(turn, options.batch_size, draw)
            ):
                labels, noisy = task.labels[batch], noisy_samples(task, delta, batch)
                logits = surrogate.train_step(AUGMENTATIONS[options.augment](noisy, draw), labels)
                wrong += int((logits.argmax(1) != labels).sum())
            step = options.step + done * (options.last_step - options.step)
            for batch in shuffled(turn, options.noise_batch, draw):
                for _ in range(options.noise_steps):
                    noisy, labels = noisy_samples(task, delta, batch), task.labels[batch]
                    move(task, delta, batch, surrogate.input_gradient(noisy, labels, loss), step)
        task.error = wrong / (options.train_epochs * len(everything))
        task.passes += len(everything) * (options.train_epochs + options.noise_steps)
    return delta


def contrastive_loss(features: Tensor, labels: Tensor, temperature: float, zeta: float) -> Tensor:
    """L of the features float32 B×d; who is alone in its class is only driven away from the others."""
    same = labels[:, None] == labels  # with i itself, so that no sum is empty
    unit = functional.normalize(features, eps=SHORTEST)
    similar = unit @ unit.T / temperature
    loss = (similar.logsumexp(1) - similar.masked_fill(~same, -math.inf).logsumexp(1)).mean()
    if zeta > 0:
        # not by way of a product, whose rounding makes a distance of 0 one with a gradient
        apart = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist") / features.shape[1]
        loss = loss + zeta * (apart * same).sum(1).log1p().mean()
    return loss


def noisy_samples(task: Search, delta: Tensor, batch: Tensor) -> Tensor:
    """x + δ of a batch, cut to the pixel box: float32 B×C×H×W."""
    return task.budget.in_range(task.samples[batch].float() + delta[task.rows(task.labels[batch], batch)])


def move(task: Search, delta: Tensor, batch: Tensor, gradient: Tensor, step: float) -> None:
    """A sign step on the noise of a batch, in place; class-wise by the sum of the gradients within each class."""
    if task.classwise:
        delta.copy_(task.budget.step(delta, by_class(gradient, task.labels[batch], len(delta)), step))
        return
    samples = task.samples[batch].float()
    delta[batch] = task.budget.in_range(samples + task.budget.step(delta[batch], gradient, step)) - samples


def shuffled(samples: Tensor, size: int, draw: torch.Generator) -> Sequence[Tensor]:
    """The numbers of samples in a drawn order, in batches."""
    return parts(samples[torch.randperm(len(samples), generator=draw, device=samples.device)], size)


def parts(samples: Tensor, size: int) -> Sequence[Tensor]:
    """The numbers of samples in parts of equal length, `size` at most: a short one would compare few features."""
    return samples.tensor_split(-(-len(samples) // size))
