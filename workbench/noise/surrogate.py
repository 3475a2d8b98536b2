"""The network the noise is made against, with its optimiser: one SGD step, one input gradient, the error rate."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from workbench import models
from workbench.data.batches import network_input
from workbench.data.dataset import Dataset
from workbench.models import Loss
from workbench.records.nan_guard import Watch

MOMENTUM, WEIGHT_DECAY, GRADIENT_CLIP = 0.9, 5e-4, 5.0
SEED_APART = 1_000_003  # a victim of the same seed must not start from the surrogate's very weights


class Surrogate:
    """A fresh network for `data`, trained by SGD with a constant learning rate (the 2021 code never steps its
    schedule in the search), gradient norm clipped at 5.

    Samples are float32 N×… in steps of the space (pixel values of 255) and need not lie in its range; labels are
    int64 N.
    """

    def __init__(
        self, fabric: Fabric, data: Dataset, architecture: str, learning_rate: float, seed: int, compiled: bool = False
    ):
        network = models.for_data(architecture, data, seed=seed + SEED_APART)
        optimiser = torch.optim.SGD(
            network.parameters(), lr=learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        if compiled:
            network.compile()
        self.fabric = fabric
        self.network, self.optimiser = fabric.setup(network, optimiser)
        names = "the surrogate's loss", "the gradient of the surrogate's loss"
        self._watched = [Watch(name, several=fabric.world_size > 1) for name in names]

    def train_step(
        self, samples: Tensor, labels: Tensor, further: Callable[[nn.Module], Tensor] | None = None
    ) -> Tensor:
        """One optimiser step in training mode; returns the logits. The gradient also reaches whatever `samples` is
        computed from, which is how one backward pass serves the network and the noise. further: of the network, a
        second term of the loss. Raises NotFinite.
        """
        self.network.train()
        self.optimiser.zero_grad()
        logits: Tensor = self.network(network_input(samples))
        loss = functional.cross_entropy(logits, labels)
        if further is not None:
            loss = loss + further(self.network)
        self._watched[0].see(loss)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.network, self.optimiser, max_norm=GRADIENT_CLIP, error_if_nonfinite=False)
        self.optimiser.step()
        return logits.detach()

    def set_learning_rate(self, rate: float) -> None:
        """Change the learning rate of the steps to come."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def input_gradient(self, samples: Tensor, labels: Tensor, loss: Loss = functional.cross_entropy) -> Tensor:
        """∇ of the loss with respect to `samples`, with the network in evaluation mode and its weights fixed."""
        gradient = models.input_gradient(self.network, samples, labels, loss)
        self._watched[1].see(gradient.sum())  # or it would not be noticed: the sign of NaN is 0
        return gradient

    @torch.no_grad()
    def error_rate(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Mean over the batches of the share of samples classified wrongly, in evaluation mode."""
        self.network.eval()
        errors = [
            (self.network(network_input(samples)).argmax(1) != labels).float().mean() for samples, labels in batches
        ]
        return float(torch.stack(errors).mean())

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs. Raises NotFinite when a loss since the last time was not finite."""
        for watch in self._watched:
            watch.end()
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
