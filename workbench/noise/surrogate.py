"""The network the noise is made against, with its optimiser: one SGD step, one input gradient, the error rate."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn import functional

from workbench import models
from workbench.config import NoiseConfig
from workbench.data.batches import network_input
from workbench.data.dataset import Dataset
from workbench.records.nan_guard import Watch

MOMENTUM, WEIGHT_DECAY, GRADIENT_CLIP = 0.9, 5e-4, 5.0
SEED_APART = 1_000_003  # a victim of the same seed must not start from the surrogate's very weights


class Surrogate:
    """A fresh network for `data`, trained by SGD with a constant learning rate (the 2021 code never steps its
    schedule in the search), gradient norm clipped at 5.

    Pixels are float32 N×C×H×W in pixel values of 255 and need not lie in 0..255; labels are int64 N.
    """

    def __init__(self, fabric: Fabric, config: NoiseConfig, data: Dataset):
        network = models.build(
            config.surrogate,
            channels=data.samples.shape[1],
            classes=len(data.classes),
            side=data.side,
            short=min(data.samples.shape[2:]),
            seed=config.seed + SEED_APART,
        )
        rate = config.learning_rate or 0.0
        optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        if config.compile:
            network.compile()
        self.fabric = fabric
        self.network, self.optimiser = fabric.setup(network, optimiser)
        self._share = 1.0  # of the learning rate; less after `slow_down`
        names = "the surrogate's loss", "the gradient of the surrogate's loss"
        self._watched = [Watch(name, several=fabric.world_size > 1) for name in names]

    def train_step(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """One optimiser step in training mode; returns the logits. The gradient also reaches whatever `pixels` is
        computed from, which is how one backward pass serves the network and the noise. Raises NotFinite.
        """
        self.network.train()
        self.optimiser.zero_grad()
        logits: Tensor = self.network(network_input(pixels))
        loss = functional.cross_entropy(logits, labels)
        self._watched[0].see(loss)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.network, self.optimiser, max_norm=GRADIENT_CLIP, error_if_nonfinite=False)
        self.optimiser.step()
        return logits.detach()

    def set_learning_rate(self, rate: float) -> None:
        """Change the learning rate of the steps to come."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self._share

    def slow_down(self) -> None:
        """Halve the learning rate of all steps to come."""
        self._share /= 2
        for group in self.optimiser.param_groups:
            group["lr"] /= 2

    def input_gradient(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """∇ of the loss with respect to `pixels`, with the network in evaluation mode and its weights fixed."""
        gradient = models.input_gradient(self.network, pixels, labels)
        self._watched[1].see(gradient.sum())  # or it would not be noticed: the sign of NaN is 0
        return gradient

    @torch.no_grad()
    def error_rate(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Mean over the batches of the share of images classified wrongly, in evaluation mode."""
        self.network.eval()
        errors = [
            (self.network(network_input(pixels)).argmax(1) != labels).float().mean() for pixels, labels in batches
        ]
        return float(torch.stack(errors).mean())

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs. Raises NotFinite when a loss since the last time was not finite."""
        for watch in self._watched:
            watch.end()
        states = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        return {**states, "share": self._share}

    def anywhere(self, here: bool) -> bool:
        """Whether something is so in this process or in any other one of the group."""
        if self.fabric.world_size == 1:
            return here
        flag = torch.tensor(float(here), device=self.fabric.device)
        total: Any = self.fabric.all_reduce(flag, reduce_op="sum")
        return bool(total > 0)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._share = state["share"]
