"""`sem`: error-minimising noise against a learner that trains adversarially, by the stable search or the robust one.

min_θ E min_δ E_T max_a CE(f_θ(T(x + δ) + a), y), |δ| ≤ ε, |a| ≤ radius (Fu et al., ICLR 2022: robust error-minimising
noise, REM): the surrogate trains adversarially, so the noise lowers the loss of a network that small changes do not
impress. Where the noise steps, a is what PGD finds (`inner` pgd: REM) or one uniform draw (`inner` uniform: Liu et al.,
AAAI 2024, stable error-minimising noise, SEM); the gradient at T(x + δ) + a is passed straight to T(x + δ). With
`ignorance` the surrogate is kept from what clean images show (Fang et al., CVPR 2024): the noise carries all of it.

The preset "paper" alternates as the papers do. "small" has one loop for both, as em_joint.py: the surrogate's step on
attacked images (FGSM from a random start, fast adversarial training) also gives the gradient of the noise, which is
kept from visit to visit and has a part that its class shares; its sign steps shrink to zero. The radius grows from
zero: a network that knows nothing learns next to nothing from attacked images, and its noise stays aimless.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import functional as former
from torchvision.transforms.v2 import functional

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.augment import shift_flip
from workbench.data.batches import Stream, network_input
from workbench.noise.em_joint import Delta, started, whole
from workbench.noise.search import Search
from workbench.noise.surrogate import Surrogate

PRESETS, INNER, STARTS = ("small", "paper"), ("uniform", "pgd", "none"), ("kept", "random")
TRANSFORMS = ("shift-flip", "grey", "strong", "none")
HOLD = 0.4  # of the search, after which the learning rate decays, once and again: 2,000 of the paper's 5,000 steps
GREY = 0.5  # probability, of every image
STRENGTH = 0.6  # of the strong augmentation, as AUE's on CIFAR-10; at 1 it is SimCLR's
PAPER: dict[str, Any] = {
    "preset": "paper", "inner": "uniform", "train_attack_steps": 10, "warmup": 0.0, "transform": "shift-flip",
    "ignorance": 0.0, "noise_start": "random", "noise_steps": 10, "draws": 5, "rounds": 1, "train_steps": 5000,
    "batch_size": 128, "learning_rate": 0.1, "decay": 0.1,
}  # fmt: skip
SMALL = PAPER | {
    "preset": "small", "inner": "pgd", "train_attack_steps": 1, "warmup": 0.6, "noise_start": "kept", "noise_steps": 0,
    "draws": 1, "rounds": 4, "train_steps": 0, "batch_size": 32, "decay": 1.0,
}  # fmt: skip
APART = {"noise_steps": 1, "rounds": 3}  # "small" where the noise has passes of its own


@dataclass(frozen=True)
class Options:
    """The options of `sem`."""

    preset: str = option("where all other settings come from: small (for two cores) or paper", choices=PRESETS)
    inner: str = option("attack where the noise steps: uniform (SEM), pgd (REM) or none", choices=INNER)
    radius: float = option("of the attacks, in pixel values of 255", least=0)
    train_attack_steps: int = option("steps of attacks by PGD (1: fast adversarial training; 0: no attack)", least=0)
    warmup: float = option("share of the search in which the radius grows from zero", least=0)
    transform: str = option(
        "what the noise must live through: shift-flip, grey (and shift-flip), strong (crops, colours, grey) or none",
        choices=TRANSFORMS,
    )
    ignorance: float = option("weight of the surrogate's term against what clean images show (ASR; 0: none)", least=0)
    noise_start: str = option(
        "where noise starts at each visit: kept, or random, and all anew at the end", choices=STARTS
    )
    noise_steps: int = option("sign steps a visit (0: one, by the surrogate's own backward pass)", least=0)
    draws: int = option("transforms and attacks that a sign step is averaged over", least=1)
    step: float = option("full sign step, in pixel values of 255", least=0)
    shared_step: float = option("sample-wise: full sign step of the part that a class shares (0: none)", least=0)
    rounds: int = option("passes over the images, at least", least=1)
    train_steps: int = option("surrogate steps, at least (0: those of the rounds)", least=0)
    batch_size: int = option("images per batch", least=1)
    learning_rate: float = option("the surrogate's learning rate (SGD, momentum 0.9)", least=0)
    decay: float = option("factor of the learning rate after 0.4 and 0.8 of the search (1: constant)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this preset and budget."""
        given, epsilon = asked.options, asked.epsilon
        if given.get("preset") == "paper":
            return PAPER | {"radius": epsilon / 2, "step": 0.2 * epsilon, "shared_step": 0.0}
        shared = given.get("inner", "pgd") == "pgd" and given.get("noise_start", "kept") == "kept"
        sizes = {"radius": epsilon / 2, "step": epsilon / 4, "shared_step": epsilon / 4}
        return SMALL | ({} if shared else APART) | sizes


@dataclass
class Visit:
    """A batch's turn in the search. index: the samples' numbers, int64 B; draw: all of its chance; radius: of attacks,
    in pixel values; left: the share of a full sign step.
    """

    task: Search
    options: Options
    surrogate: Surrogate
    noise: Delta
    index: Tensor
    draw: torch.Generator
    radius: float
    left: float

    def __post_init__(self) -> None:
        self.samples, self.labels = self.task.samples[self.index], self.task.labels[self.index]

    def start(self) -> None:
        """Draw the batch's noise anew, uniformly within ±ε."""
        self.noise.own[self.index] = self.task.budget.random_start(tuple(self.samples.shape), self.draw)

    def seen(self, delta: Tensor | float) -> Tensor:
        """T(x + δ), float32 B×C×H×W: what the surrogate sees where it is not attacked."""
        inside = self.task.budget.in_range(self.samples + delta, straight=True)  # black and white keep their gradient
        return transformed(inside, self.options.transform, self.draw)

    def minimise(self) -> None:
        """Take the noise's own sign steps, each by the gradient summed over the draws."""
        for _ in range(self.options.noise_steps):
            delta = self.noise.of(self.labels, self.index)
            for _ in range(self.options.draws):
                seen = self.seen(delta)
                near = self.attacked(seen.detach(), self.options.inner)
                seen.backward(self.surrogate.input_gradient(near, self.labels))
                self.task.passes += len(self.index)
            self.noise.step(delta, self.labels, self.index, self.left)

    def train(self) -> Tensor:
        """Take the surrogate's step on attacked images, and without steps of its own the noise's; return the logits."""
        delta = self.noise.of(self.labels, self.index)
        seen = self.seen(delta)
        attack = self.attacked(seen.detach(), "pgd") - seen.detach()
        further = self.not_knowing if self.options.ignorance else None
        logits = self.surrogate.train_step(seen + attack, self.labels, further)
        if not self.options.noise_steps:
            self.noise.step(delta, self.labels, self.index, self.left)
        return logits

    @torch.no_grad()
    def answer(self) -> Tensor:
        """The finished surrogate's logits of T(x + δ)."""
        self.surrogate.network.eval()
        logits: Tensor = self.surrogate.network(network_input(self.seen(self.noise.of(self.labels, self.index))))
        return logits

    def attacked(self, seen: Tensor, how: str) -> Tensor:
        """What is attacked within ±radius and the space's range: by a uniform draw, then (pgd) by steps up the loss."""
        if how == "none" or (how == "pgd" and not self.options.train_attack_steps):
            return seen
        budget, steps = self.task.budget, self.options.train_attack_steps if how == "pgd" else 0
        low, high = seen - self.radius, seen + self.radius
        found = budget.in_range(torch.lerp(low, high, torch.rand(seen.shape, generator=self.draw, device=seen.device)))
        for _ in range(steps):
            # 2·radius/10 in REM; a lone step may not end where it began (Wong et al., ICLR 2020)
            size = self.radius * (1.25 if steps == 1 else 2 / steps)
            uphill = found + size * self.surrogate.input_gradient(found, self.labels).sign()
            found = budget.in_range(uphill.clamp(low, high))
            self.task.passes += len(seen)
        return found

    def not_knowing(self, network: nn.Module) -> Tensor:
        """w · mean ‖softmax f(T(x)) - 1/K‖₂ over the clean images (Fang et al., CVPR 2024)."""
        self.task.passes += len(self.index)
        known = network(network_input(self.seen(0.0))).softmax(1)
        return self.options.ignorance * (known - 1 / known.shape[1]).norm(dim=1).mean()


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or whole steps N×C×H×W within ±ε.

    With `noise_start` random, the last pass makes all noise anew against the finished surrogate. Class-wise noise is
    always kept: drawn anew, it would be that of one batch.
    """
    check(options)
    surrogate, noise = task.surrogate(options.learning_rate), started(task, options.shared_step, options.step)
    anew = options.noise_start == "random" and not task.classwise
    length = -(-len(task.data) // options.batch_size)
    passes = max(options.rounds, -(-options.train_steps // length))
    kept = {"shared": noise.shared, "own": noise.own}
    for batch, done in task.batches(options.batch_size, passes + anew, surrogate, **kept):
        number = round(done * (passes + anew) * length)
        share = number / (passes * length)  # of the search; at 1 the surrogate is finished
        radius = options.radius * min(1.0, share / options.warmup if options.warmup else 1.0)
        draw, left = task.generator(Stream.SEM, number), 1.0 if anew else 1 - share
        visit = Visit(task, options, surrogate, noise, batch, draw, radius, left)
        if anew:
            visit.start()
        visit.minimise()
        surrogate.set_learning_rate(options.learning_rate * options.decay ** int(share / HOLD))
        logits = visit.train() if share < 1 else visit.answer()
        task.count(logits, visit.labels)
    return noise.shared if task.classwise else whole(task, noise)


def check(options: Options) -> None:
    """Raise ConfigError for settings that contradict each other."""
    if options.warmup > 1:
        raise ConfigError(f"warmup is {options.warmup:g}: it is a share of the search, at most 1")
    if not options.noise_steps and (options.inner, options.noise_start) != ("pgd", "kept"):
        found = f"inner {options.inner}, noise-start {options.noise_start}"
        raise ConfigError(f"noise-steps is 0, {found}: give 1 or more, or inner pgd and noise-start kept")


def transformed(x: Tensor, how: str, draw: torch.Generator) -> Tensor:
    """T(x), float32 N×C×H×W in pixel values, with a gradient: an image's own draw but in the strong augmentation."""
    if how == "none":
        return x
    if how == "strong":
        return strong(x, draw)
    x = shift_flip(x, draw)
    return greyed(x, GREY, draw) if how == "grey" else x


def greyed(x: Tensor, probability: float, draw: torch.Generator) -> Tensor:
    """Turn each image grey with this probability."""
    if x.shape[1] == 1:
        return x
    which = torch.rand((len(x), 1, 1, 1), generator=draw, device=x.device) < probability
    return torch.where(which, functional.rgb_to_grayscale(x, num_output_channels=3), x)


def strong(x: Tensor, draw: torch.Generator) -> Tensor:
    """Crop, resize and mirror, change colours, turn grey: SimCLR's augmentation in AUE's weaker form, a draw a batch
    (but for grey).
    """

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=draw, device=draw.device))

    height, width = x.shape[2:]
    area, stretch = between(1 - 0.9 * STRENGTH, 1), math.exp(between(-1, 1) * math.log(4 / 3) / 2)
    rows = min(height, max(1, round(math.sqrt(area) / stretch * height)))
    columns = min(width, max(1, round(math.sqrt(area) * stretch * width)))
    top, left = (int(between(0, 1) * (most + 1)) for most in (height - rows, width - columns))
    x = functional.resized_crop(x, top, left, rows, columns, [height, width], antialias=True)
    x = x.flip(-1) if between(0, 1) < 0.5 else x
    if between(0, 1) < 0.8 * STRENGTH:
        x = x / 255
        for adjust in (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation):
            x = adjust(x, between(1 - 0.4 * STRENGTH, 1 + 0.4 * STRENGTH))
        x = former.adjust_hue(x, between(-0.1 * STRENGTH, 0.1 * STRENGTH)) * 255  # the new one has no gradient
    return greyed(x, 0.2 * STRENGTH, draw)
