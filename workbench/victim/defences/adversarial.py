"""Adversarial training: learning from the worst images near each one (PGD; Madry et al., ICLR 2018)."""

import torch
from torch import Tensor, nn

from workbench.models import input_gradient
from workbench.victim.defence import Defence


class Adversarial(Defence):
    """radius: in pixel values of 255; steps: of the attack, 2.5·radius/steps each."""

    def __init__(self, radius: int, steps: int):
        self.radius, self.steps = radius, steps

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Go uphill on the loss from a random start, within the radius and 0..255."""
        start = torch.rand(x.shape, generator=draw, device=x.device) * 2 - 1
        found = (x + self.radius * start).clamp(0, 255)
        for _ in range(self.steps):
            uphill = found + 2.5 * self.radius / self.steps * input_gradient(network, found, y).sign()
            found = torch.clamp(uphill, x - self.radius, x + self.radius).clamp(0, 255)
        return found, y
