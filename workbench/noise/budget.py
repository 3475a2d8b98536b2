"""The perturbation budget: how far a pixel may move, and the four moves a noise search makes within it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.config import ConfigError

PIXEL_MAX = 255
LARGEST_RADIUS = 127  # δ is stored as int8


@dataclass(frozen=True)
class PerturbationBudget:
    """The L∞ ball of `radius` pixel values of 255 (ε) around every image, cut by the pixel box 0..255.

    All tensors are float32 in pixel values of 255, N×C×H×W, unless said otherwise. The ball is the one of
    Huang et al. (ICLR 2021), eq. 2, written in whole pixel values so that it is still exact in a saved PNG.
    """

    radius: int

    def __post_init__(self) -> None:
        if isinstance(self.radius, bool) or not isinstance(self.radius, int):
            raise ConfigError(f"epsilon must be a whole number of pixel values of 255, not {self.radius!r}")
        if not 0 <= self.radius <= LARGEST_RADIUS:
            raise ConfigError(
                f"epsilon {self.radius} is outside 0..{LARGEST_RADIUS} pixel values of 255 "
                "(noise is stored as int8; the paper uses 8)"
            )

    def random_start(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw δ uniformly from the ball: float32 of `shape`, on the generator's device."""
        draw = torch.rand(shape, generator=generator, device=generator.device)
        return (draw * 2 - 1) * self.radius

    def step(self, delta: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Move δ by `size` pixel values against the sign of the loss gradient, back into the ball.

        A negative size climbs the loss (error-maximising noise).
        """
        return self.project(delta - size * gradient.sign())

    def project(self, delta: Tensor, images: Tensor | None = None) -> Tensor:
        """Return the nearest δ in the ball; with `images` (0..255) also keep images + δ inside the pixel box."""
        delta = delta.clamp(-self.radius, self.radius)
        if images is None:
            return delta
        return (images + delta).clamp(0, PIXEL_MAX) - images

    def round(self, delta: Tensor) -> Tensor:
        """Return δ in whole pixel values, int8: the form that is saved, applied and measured."""
        return self.project(delta).round().to(torch.int8)
