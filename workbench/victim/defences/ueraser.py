"""UEraser (Qin et al., 2023): clouds of brightness and contrast, channels in another order, TrivialAugment."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.batches import network_input
from workbench.victim.defence import Defence
from workbench.victim.defences import operations


class UEraserLite(Defence):
    """One draw of the augmentations for every image."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Augment the images."""
        return erased(x, draw)


class UEraserMax(Defence):
    """Of several draws for every image the one with the largest loss, in every epoch (published: the first 60 of 200).

    draws: for each image; finding the worst takes as many passes forward without gradients.
    """

    def __init__(self, draws: int):
        self.draws = draws

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment and choose; the network is in evaluation mode meanwhile and as it was afterwards."""
        pixels, training = x.round().to(torch.uint8), network.training
        worst, highest = x, torch.full((len(x),), -torch.inf, device=x.device)
        network.eval()
        with torch.no_grad():
            for _ in range(self.draws):
                tried = erased(pixels, draw).float()
                loss = functional.cross_entropy(network(network_input(tried)), y, reduction="none")
                worst = torch.where((loss > highest)[:, None, None, None], tried, worst)
                highest = torch.maximum(loss, highest)
        network.train(training)
        return worst, y


def erased(x: Tensor, draw: torch.Generator) -> Tensor:
    """Each of four steps in turn, the first three with probability one half for every image: uint8 N×C×H×W."""
    for step in (brightness, contrast, shuffled):
        chosen = torch.rand(len(x), generator=draw, device=draw.device) < 0.5
        x = torch.where(chosen[:, None, None, None], step(x, draw), x)
    return operations.trivial(x, draw)


def brightness(x: Tensor, draw: torch.Generator) -> Tensor:
    """Add clouds between ± an intensity of 0.5 to 1 of the range, an intensity an image."""
    intensity = _between(0.5, 1.0, len(x), draw)[:, None, None, None]
    return _pixels(x + 255 * intensity * (2 * plasma(x, _between(0.3, 0.7, len(x), draw), draw) - 1))


def contrast(x: Tensor, draw: torch.Generator) -> Tensor:
    """Stretch about the middle grey by clouds of factors between 0 and 4."""
    return _pixels((x - 127.5) * 4 * plasma(x, _between(0.3, 0.7, len(x), draw), draw) + 127.5)


def shuffled(x: Tensor, draw: torch.Generator) -> Tensor:
    """Bring the channels of every image into a drawn order."""
    order = torch.rand(x.shape[:2], generator=draw, device=draw.device).argsort(1)
    return x.gather(1, order[:, :, None, None].expand_as(x))


def plasma(x: Tensor, roughness: Tensor, draw: torch.Generator) -> Tensor:
    """Draw clouds by diamond and square steps: float32 of the form of `x`, 0..1, a cloud for every channel.

    roughness: N, what the size of the random part is multiplied with from step to step.
    """
    count, channels, height, width = x.shape
    size, part, side = torch.ones_like(roughness)[:, None, None, None], (count, channels), 2
    cloud = _uniform((*part, 2, 2), draw)
    while side < max(height, width):
        size, side = size * roughness[:, None, None, None], 2 * side - 1
        finer = _uniform((*part, side, side), draw) * size
        finer[..., ::2, ::2] = cloud
        # The middle of each square from its corners, then the middle of each edge from its ends and the two middles
        # beside it (mirrored at the border).
        corners = cloud[..., :-1, :-1] + cloud[..., :-1, 1:] + cloud[..., 1:, :-1] + cloud[..., 1:, 1:]
        finer[..., 1::2, 1::2] += corners / 4
        known = functional.pad(finer, [1, 1, 1, 1], mode="reflect")
        beside = known[..., :-2, 1:-1] + known[..., 2:, 1:-1] + known[..., 1:-1, :-2] + known[..., 1:-1, 2:]
        finer[..., 1::2, ::2] += beside[..., 1::2, ::2] / 4
        finer[..., ::2, 1::2] += beside[..., ::2, 1::2] / 4
        cloud = finer
    cloud = cloud[..., :height, :width]
    low, high = cloud.amin((2, 3), keepdim=True), cloud.amax((2, 3), keepdim=True)
    return (cloud - low) / (high - low).clamp(min=1e-6)


def _uniform(form: tuple[int, ...], draw: torch.Generator) -> Tensor:
    return torch.rand(form, generator=draw, device=draw.device)


def _between(low: float, high: float, count: int, draw: torch.Generator) -> Tensor:
    return low + (high - low) * _uniform((count,), draw)


def _pixels(x: Tensor) -> Tensor:
    return x.round().clamp(0, 255).to(torch.uint8)
