"""Networks of one's own: built and tried once, so that what is wrong is one line."""

import torch
from torch import Tensor, nn

from workbench import registry
from workbench.config import ConfigError, DataError


def built(name: str, make: object, channels: int, side: int, classes: int) -> nn.Module:
    """Call the function of a network of one's own. Raises ConfigError when it fails or returns no module."""
    with registry.foreign(f"network {name}"):
        body = make(channels, side, classes)  # type: ignore[operator]
    if not isinstance(body, nn.Module):
        raise ConfigError(f"network {name}: its function returned {type(body).__name__}, not an nn.Module")
    return body


def check(name: str, network: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    """Pass two zero samples through a network of one's own."""
    training = network.training
    network.eval()
    with registry.foreign(f"network {name}, given samples of {shape},"), torch.no_grad():
        logits = network(torch.zeros(2, *shape))
    network.train(training)
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != (2, classes):
        raise ConfigError(f"network {name}: for 2 samples of {classes} classes it gives {found}, not (2, {classes})")
    if not bool(logits.isfinite().all()):
        raise DataError(f"network {name}: its logits are not finite")
