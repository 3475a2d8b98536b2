"""The size of noise that was published in another norm than L∞: as published, or brought to the budget."""

import math

from torch import Tensor

from workbench.config import LARGEST_EPSILON, ConfigError
from workbench.noise.run import ROUNDING
from workbench.noise.search import Search

NORMS = ("linf", "l2")
HELP = "linf (scaled and clipped to the budget) or l2 (as published; the budget has to hold it)"
USUAL = 8  # ε of the field, pixel values of 255: there linf is the published noise, clipped


def scaled(noise: Tensor, size: float) -> Tensor:
    """Scale every δ, float32 N×C×H×W, to the L2 norm size·√(C·H·W): `size` is its root mean square, pixel values."""
    lengths = noise.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
    return noise * (size / lengths.clamp_min(1e-12))


def held(task: Search, delta: Tensor, norm: str) -> Tensor:
    """Bring δ of the published size into the budget, in place: l2 leaves it, linf scales it by ε/8 and clips it.

    Raises ConfigError that names the smallest budget when that size is asked for and the budget does not hold it.
    """
    if norm == "linf":
        return delta.mul_(task.epsilon / USUAL).clamp_(-task.epsilon, task.epsilon)
    largest = max(float(delta.max()), -float(delta.min()))
    if largest > task.epsilon + ROUNDING:
        least = math.ceil(largest - ROUNDING)
        advice = f"give --epsilon {least}" if least <= LARGEST_EPSILON else "no budget holds it, take norm linf"
        raise ConfigError(f"{task.config.method} with norm l2 reaches {largest:.1f}: {advice}")
    return delta
