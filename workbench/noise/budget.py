"""The perturbation budget: how far a value may move, and the moves a search for noise makes within it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.config import OUTSIDE, ConfigError
from workbench.data.space import IMAGE, Space


@dataclass(frozen=True)
class PerturbationBudget:
    """The L∞ ball of `radius` whole steps of the space (ε, pixel values of 255) around every sample, cut by its range.

    All tensors are float32 in those steps, N×…, unless said otherwise. The ball is the one of Huang et al.
    (ICLR 2021), eq. 2, in whole numbers so that it is still exact in a saved file.
    """

    radius: int
    space: Space = IMAGE

    def __post_init__(self) -> None:
        if isinstance(self.radius, bool) or not isinstance(self.radius, int):
            raise ConfigError(f"epsilon must be a whole number of steps {self.space.unit}, not {self.radius!r}")
        if not 0 <= self.radius <= self.space.largest and self.radius != OUTSIDE:
            raise ConfigError(
                f"epsilon {self.radius} is outside 0..{self.space.largest} {self.space.unit} "
                f"(noise is stored as {str(self.space.delta).removeprefix('torch.')}; the paper uses 8 of 255)"
            )

    @property
    def delta(self) -> torch.dtype:
        """The type that δ is kept in: the space's, wider for a control outside the budget."""
        return self.space.delta if self.radius <= self.space.largest else torch.int16

    def random_start(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw δ uniformly from the ball: float32 of `shape`, on the generator's device."""
        draw = torch.rand(shape, generator=generator, device=generator.device)
        return (draw * 2 - 1) * self.radius

    def step(self, delta: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Move δ by `size` against the sign of the loss gradient, back into the ball; a negative size climbs."""
        return self.project(delta - size * gradient.sign())

    def project(self, delta: Tensor) -> Tensor:
        """Return the nearest δ in the ball."""
        return delta.clamp(-self.radius, self.radius)

    def in_range(self, samples: Tensor, straight: bool = False) -> Tensor:
        """Return samples + δ cut to the space's range: what a file can hold. straight: with the gradient of no cut."""
        cut = samples.clamp(self.space.low, self.space.high)
        return samples + (cut - samples).detach() if straight else cut

    def round(self, delta: Tensor) -> Tensor:
        """Return δ in whole steps of its type: the form that is saved, applied and measured."""
        return self.project(delta).round().to(self.delta)
