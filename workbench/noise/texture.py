"""`texture`: a searched texture for each class, of which every image carries a piece from a place of its own.

Error-minimising noise as in em_joint.py, with three conditions. δ_i is cut from the texture of the image's class at a
drawn offset, so what tells the classes apart has no fixed place: class means and linear classifiers of pixels hold
nothing of it, and a texture larger than the image has no lines in the mean spectrum that a notch could take out. It is
equal in all channels, so turning the images grey leaves it. And it keeps to a band of frequencies, searched on images
that are compressed and halved as well, so that these leave it too. In the end every value is ±ε: of a texture only the
sign is published.

Sources: own; the loss is that of Huang et al. (ICLR 2021), momentum of the sign steps as in Dong et al. (CVPR 2018).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.batches import Stream
from workbench.files import mapped
from workbench.noise.plaid import FINEST
from workbench.noise.robust_targeted import drawn
from workbench.noise.search import Search
from workbench.noise.targeted import MOMENTUM, Place, unit

START = 1 / 4  # of ε: what the textures are drawn within
STEP = 1 / 8  # of ε, before it shrinks
DEFAULTS = {"batch_size": 32, "rounds": 12, "learning_rate": 0.03, "size": 3.0, "low": 1.0, "high": 8.0}


@dataclass(frozen=True)
class Options:
    """The options of `texture`."""

    batch_size: int = option("images per batch", least=1)
    rounds: int = option("passes over the images", least=1)
    step: float = option("full sign step, in pixel values of 255", least=0)
    size: float = option("sides of a texture, in sides of an image", least=1)
    low: float = option("lowest frequency, cycles per 32 pixels", least=0)
    high: float = option("highest frequency, cycles per 32 pixels", least=1)
    learning_rate: float = option("the surrogate's learning rate (SGD, momentum 0.9)", least=0)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Every value for this budget."""
        return DEFAULTS | {"step": STEP * asked.epsilon}


class Pieces:
    """Where each image's piece lies in its class's texture, which goes on at its edges where it begins.

    shape: of the textures, float32 K×1×H'×W'.
    """

    def __init__(self, task: Search, size: float, draw: torch.Generator):
        height, width = task.samples.shape[2:]
        self.shape = (len(task.data.classes), 1, round(size * height), round(size * width))
        count = self.shape[0] if task.classwise else len(task.data)
        self.offsets = [torch.randint(side, (count,), generator=draw, device=task.device) for side in self.shape[2:]]
        self.sides = [torch.arange(side, device=task.device) for side in (height, width)]

    def of(self, textures: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        """Cut the pieces of a batch, B×1×H×W. rows: which offsets are theirs."""
        down, right = (
            (place[rows][:, None] + side) % whole
            for place, side, whole in zip(self.offsets, self.sides, self.shape[2:], strict=True)
        )
        return textures[labels[:, None, None], 0, down[:, :, None], right[:, None, :]][:, None]


def search(task: Search, options: Options) -> Tensor:
    """Return δ, float32 K×C×H×W or N×C×H×W of ±ε."""
    if not options.low < options.high <= FINEST:
        line = f"low {options.low:g}, high {options.high:g}: the band must rise, to no more than {FINEST} cycles"
        raise ConfigError(f"{line} per 32 pixels")
    draw = task.generator(Stream.TEXTURE, 0)
    pieces = Pieces(task, options.size, draw)
    textures = START * task.budget.random_start(pieces.shape, draw)
    drift, band = torch.zeros_like(textures), passed(options, pieces.shape, task.device)
    surrogate = task.surrogate(options.learning_rate)
    length = -(-len(task.data) // options.batch_size)
    for batch, done in task.batches(options.batch_size, options.rounds, surrogate, textures=textures, drift=drift):
        step = task.generator(Stream.TEXTURE_STEPS, round(done * options.rounds * length), cpu=True)
        labels, place = task.labels[batch], Place.drawn(step)
        conversion = drawn(task, step)
        leaf = textures.clone().requires_grad_()
        noisy = task.samples[batch] + pieces.of(leaf, labels, task.rows(labels, batch))
        inside = task.budget.in_range(noisy, straight=True)  # black and white keep their gradient
        task.count(surrogate.train_step(conversion(place.there(inside)), labels), labels)
        assert leaf.grad is not None
        within = torch.fft.irfft2(torch.fft.rfft2(leaf.grad) * band, s=pieces.shape[2:])
        drift.mul_(MOMENTUM).add_(unit(within))
        textures.copy_(task.budget.step(textures, drift, (1 - done) * options.step))
    return published(task, pieces, textures)


def passed(options: Options, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """The band's frequencies of textures of this shape: float32 H'×(W'//2+1), zeros and ones."""
    down = torch.fft.fftfreq(shape[2], device=device)[:, None] * 32
    right = torch.fft.rfftfreq(shape[3], device=device) * 32
    cycles = torch.hypot(down, right)
    return ((cycles >= options.low) & (cycles <= options.high)).float()


def published(task: Search, pieces: Pieces, textures: Tensor) -> Tensor:
    """δ of all samples or classes: ε with the sign of each value of its piece."""
    labels = torch.arange(len(task.data.classes), device=task.device) if task.classwise else task.labels
    found = task.room(task.shape, task.budget.delta)
    for part in mapped.parts(len(labels)):
        rows = torch.arange(part.start, part.stop, device=task.device)
        sign = torch.where(pieces.of(textures, labels[part], rows) < 0, -1.0, 1.0)
        found[part] = task.budget.round(task.budget.radius * sign).cpu()
    return found
