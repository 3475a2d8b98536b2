"""`autoregressive` (AR): textures of an autoregressive process for each class (Sandoval-Segura et al., NeurIPS 2022).

A value is the sum of its eight neighbours above and to the left, weighted by the taps of its class and channel, from a
start of Gaussian noise of the image's own; no noise comes in on the way. So a convolution with the taps and -1 finds
nothing in the noise of its class, and something in that of every other: networks learn these filters at once.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import ConfigError, NoiseConfig, option
from workbench.data.batches import Stream
from workbench.files import mapped
from workbench.noise import norms
from workbench.noise.search import Search

SIZE = 255 / 3072**0.5  # root mean square of a δ, pixel values of 255: at 3×32×32 an L2 norm of 1 in [0, 1]
SETTLING = 4  # first rows and columns, which are dropped: the first two are the start itself
# A process is stable when none of its trials grows beyond an L2 norm of 50 at 3×32×32, given here by the value.
TRIALS, LARGEST = 3, 50 / 3072**0.5
TRIES = 4096  # for each channel, of which about a fifth is stable
# What the noise of a class answers to the filters before it, at 32×32 pixels and an L2 norm of 1: ten classes in the
# paper found 10, hundred 3. It is lowered whenever no process is left that reaches it.
ANSWER, LOWER, LEAST_ANSWER = 10.0, 0.9, 0.1
AT_ONCE = 2**24  # values that are drawn at the same time
TESTED = 32  # pixels a side, of the corner in which answers are measured


@dataclass(frozen=True)
class Options:
    """How large."""

    norm: str = option(norms.HELP, choices=norms.NORMS)

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Clipped to the budget."""
        return {"norm": "linf"}


def search(task: Search, options: Options) -> Tensor:
    """Draw δ, float32 K×C×H×W, or N×C×H×W from a start of its own for every image.

    Raises ConfigError when too few processes are stable, or the budget does not hold the norm l2.
    """
    shape = tuple(task.samples.shape[1:])
    taps = processes(len(task.data.classes), shape, task.generator(Stream.AUTOREGRESSIVE, 0))
    taps = taps if task.classwise else taps[task.labels]
    draw = task.generator(Stream.AUTOREGRESSIVE, 1)
    found = task.room(task.shape, torch.float32)
    for part in mapped.parts(len(taps), at_once(shape)):
        found[part] = norms.scaled(textures(taps[part], shape, draw), SIZE).cpu()
    return norms.held(task, found, options.norm)


def textures(taps: Tensor, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Run processes, taps float32 N×C×9, from drawn starts: float32 N×C×H×W, of any size."""
    height, width = (length + SETTLING for length in shape[1:])
    weights = taps.flatten(0, 1).T.reshape(3, 3, -1)
    signal = torch.randn((height, width, weights.shape[2]), generator=draw, device=draw.device)
    for row in range(2, height):
        for column in range(2, width):
            near = signal[row - 2 : row + 1, column - 2 : column + 1]
            signal[row, column] = (near * weights).sum((0, 1))  # the tap of the place itself is zero
    return signal[SETTLING:, SETTLING:].permute(2, 0, 1).reshape(-1, *shape)


def processes(classes: int, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """The taps of every class, float32 K×C×9 that sum to 1 in every channel; the last of the nine is 0.

    Each is the first of the stable ones that answers to the filters of all before it. Raises ConfigError.
    """
    taps, trial = stable(shape, draw)
    signals = norms.scaled(trial, 1.0)
    chosen, least, needed = [0], answers(signals, taps[0]), ANSWER
    while len(chosen) < classes:
        far_enough = (least > needed).nonzero()[:, 0]
        if len(far_enough):
            chosen.append(int(far_enough[0]))
            least = torch.minimum(least, answers(signals, taps[chosen[-1]]))
        elif needed > LEAST_ANSWER:
            needed *= LOWER
        else:
            raise ConfigError(f"only {len(chosen)} autoregressive processes differ, not {classes}: take another --seed")
    return taps[chosen]


def stable(shape: tuple[int, ...], draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Processes that grow in no trial, float32 M×C×9, with a corner of the last trial of each: M×C×TESTED×TESTED.

    Channels are tried one by one and then joined: of three at a time a hundredth would be left.
    """
    channels, height, width = shape
    kept, corners = [], []
    for part in mapped.parts(TRIES * channels, at_once((1, height, width))):
        taps = torch.randn((part.stop - part.start, 1, 9), generator=draw, device=draw.device)
        taps[:, :, 8] = 0
        taps /= taps.sum(2, keepdim=True)
        trials = [textures(taps, (1, height, width), draw) for _ in range(TRIALS)]
        fine = torch.stack([one.pow(2).mean((1, 2, 3)).sqrt() < LARGEST for one in trials]).all(0)  # nor NaN
        kept.append(taps[fine])
        corners.append(trials[-1][fine, :, -TESTED:, -TESTED:])
    found, seen = torch.cat(kept), torch.cat(corners)
    count = len(found) // channels
    if not count:
        raise ConfigError(f"no autoregressive process is stable over {width}×{height} pixels: give smaller images")
    joined = [part[: count * channels].reshape(count, channels, *part.shape[2:]) for part in (found, seen)]
    return joined[0], joined[1]


def answers(signals: Tensor, taps: Tensor) -> Tensor:
    """How strongly noise, float32 M×C×H×W of the root mean square 1, answers to the filter of taps C×9: float32 M.

    The paper's sum of the positive part, brought from this size to 32×32 pixels and an L2 norm of 1.
    """
    matched = taps.clone()
    matched[:, 8] = -1
    found = functional.conv2d(signals, matched.view(1, -1, 3, 3)).relu().mean((1, 2, 3))
    return found * 30**2 / (signals.shape[1] * 32**2) ** 0.5


def at_once(shape: tuple[int, ...]) -> int:
    """How many textures of a shape, C×H×W, are drawn at the same time."""
    channels, height, width = shape
    return max(1, AT_ONCE // (channels * (height + SETTLING) * (width + SETTLING)))
