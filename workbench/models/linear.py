"""A linear classifier, without a layer before it: of pixels, or of what else a defence makes of images."""

from torch import nn

from workbench.models.pooling import AveragePool

SIDE = 16  # values a side; of 8×16 each is taken twice


def linear(channels: int, side: int, classes: int) -> nn.Module:
    """A linear classifier of the values at SIDE×SIDE, each image's brought to mean 0 and variance 1."""
    values = channels * SIDE**2
    return nn.Sequential(
        AveragePool(SIDE), nn.Flatten(), nn.LayerNorm(values, elementwise_affine=False), nn.Linear(values, classes)
    )
