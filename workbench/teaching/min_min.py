"""Min-min by hand: the three functions with gaps of lesson 2 as they should be, on single batches, without a framework.

Huang et al. (ICLR 2021), eq. 1: network and noise both go down the same loss. `hints` tells what is wrong with a
reader's own; `workbench/noise/em.py` and `em_joint.py` are the methods that are measured.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def surrogate_step(network: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, delta: Tensor) -> float:
    """Take one step of the network on noisy pictures; return the loss.

    x: float32 N×C×H×W in pixel values 0..255; y: int64 N; delta: float32 K×C×H×W in pixel values, one noise per class.
    """
    noisy = x + delta[y]
    loss = functional.cross_entropy(network(noisy), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def noise_step(network: nn.Module, x: Tensor, y: Tensor, delta: Tensor, step: float, epsilon: float) -> Tensor:
    """Take one sign step of the noise, down the network's loss, and return it within ±epsilon; sizes in pixel values.

    x, y, delta: as for `surrogate_step`; the network stays as it is.
    """
    free = delta.clone().requires_grad_()
    loss = functional.cross_entropy(network(x + free[y]), y)
    gradient = torch.autograd.grad(loss, free)[0]
    moved = delta - step * gradient.sign()
    return moved.clamp(-epsilon, epsilon)


def whole(delta: Tensor) -> Tensor:
    """Round the noise to whole pixel values, which a picture file can hold: int8."""
    return delta.round().to(torch.int8)
