"""Networks by name, for surrogates and victims: built, checked, and asked for their gradients.

Every one takes samples in whole steps of their space (pixel values 0..255) and returns logits: the first layer scales
them to 0..1, so noise is searched and applied in whole steps.
"""

import difflib
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench import catalogue, registry
from workbench.catalogue import NETWORKS
from workbench.config import ConfigError
from workbench.data.batches import LAYOUT, network_input
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO, IMAGE, Space
from workbench.models import own, sounds
from workbench.models.pretrained import PRETRAINED as PRETRAINED
from workbench.models.pretrained import PROBE as PROBE
from workbench.models.pretrained import has_weights as has_weights
from workbench.models.pretrained import lacking as lacking

Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and labels
WIDTH = re.compile(r"([a-z][a-z0-9-]*)-w([1-9]\d{0,3})(-avg)?")


class ToUnit(nn.Module):
    """Whole steps of a space (pixel values 0..255) → 0..1, or -1..1 where they have a sign."""

    def __init__(self, space: Space = IMAGE):
        super().__init__()
        self.space = space

    def forward(self, samples: Tensor) -> Tensor:
        return self.space.unit_range(samples)


def _entry(name: str) -> tuple[str, dict[str, Any]]:
    """The entry of the catalogue that a name means, and what the name says besides: width, head. Raises ConfigError."""
    named = WIDTH.fullmatch(name)
    if named and named[1] in NETWORKS and NETWORKS[named[1]].by_width and NETWORKS[named[1]].heads >= bool(named[3]):
        return named[1], {"width": int(named[2])} | ({"average": True} if named[3] else {})
    if name not in NETWORKS or NETWORKS[name].by_width:
        try:
            registry.check("network", name)
        except ConfigError:
            pass
        else:
            if not NETWORKS[name].by_width:
                return name, {}
        fixed = [other for other, entry in NETWORKS.items() if not entry.by_width]
        wide = [other for other, entry in NETWORKS.items() if entry.by_width]
        known = [*fixed, *(f"{other}-w16" for other in wide), *(f"{n}-w16-avg" for n in wide if NETWORKS[n].heads)]
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"unknown architecture {name!r}: did you mean {nearest!r}? "
            f"There are {', '.join(fixed)} and, for any width N, {', '.join(f'{other}-wN' for other in wide)}"
        )
    return name, {}


def check_name(name: str) -> None:
    """Raise ConfigError for an architecture that does not exist, naming the nearest one."""
    _entry(name)


def has_heads(name: str) -> bool:
    """Whether an architecture can be had with both kinds of pooling: NAME-wN and NAME-wN-avg."""
    named = WIDTH.fullmatch(name)
    return named is not None and named[1] in NETWORKS and NETWORKS[named[1]].heads


def check_fits(name: str, short: int, space: str = "image") -> None:
    """Raise ConfigError when the architecture is for other data, or their shorter side of `short` pixels too small."""
    one = NETWORKS[_entry(name)[0]]
    catalogue.check_space("network", name, one.spaces, space)
    if short < one.least:
        raise ConfigError(f"{name} needs images of {one.least} pixels a side or more: take convnet-w16 or resnet9-w16")


def for_data(name: str, data: Dataset, *, seed: int) -> nn.Module:
    """Build the architecture `name` for these samples (see build). Raises ConfigError for another kind of data."""
    shape = tuple(data.samples.shape[1:])
    return build(
        name, channels=shape[0], classes=len(data.classes), side=data.side, short=data.short, seed=seed, shape=shape,
        space=data.space, rate=data.rate,
    )  # fmt: skip


def build(
    name: str, *, channels: int, classes: int, side: int, seed: int, short: int | None = None,
    shape: tuple[int, ...] | None = None, space: Space = IMAGE, rate: int = 0,
) -> nn.Module:  # fmt: skip
    """Build the architecture `name`, its weights drawn from `seed` alone, in the layout of images.

    `side` is the samples' longest side, `short` the shortest one (None: the same), shape: of one sample (None: square),
    rate: of sound, in Hz; architectures of images get its log-mel spectrogram.
    Raises ConfigError for an unknown name, for images that the network would shrink to less than a pixel, and for a
    network of one's own that fails or gives other than one logit per class.
    """
    entry, said = _entry(name)
    check_fits(name, short or side, space.name)
    make = registry.look_up("network", entry)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        foreign = not NETWORKS[entry].module
        if foreign:
            body = own.built(name, make, channels, side, classes)
        elif space == AUDIO:
            body = sounds.hearing(make, channels, side, classes, rate, by_eye="image" in NETWORKS[entry].spaces, **said)
        else:
            body = make(channels, side, classes, **said)
    network = nn.Sequential(ToUnit(space), body)
    if foreign:
        own.check(name, network, shape or (channels, side, side), classes)
    return network.to(memory_format=LAYOUT) if space is IMAGE else network


def input_gradient(
    network: nn.Module, samples: Tensor, labels: Tensor, loss: Loss = functional.cross_entropy
) -> Tensor:
    """∇ of the loss with respect to `samples`, float N×…, in evaluation mode with the weights fixed."""
    training = network.training
    network.eval()
    samples = samples.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(network(network_input(samples)), labels), samples)
    network.train(training)
    return gradient
