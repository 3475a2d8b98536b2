"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), its weights out of an installed package."""

import hashlib
import importlib.util
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import DataError
from workbench.models.pretrained import LITE0, Pretrained, Probe, lacking

FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, SPREAD = (127 / 255,) * 3, (128 / 255,) * 3  # of pixels 0..1, as the weights expect
SIDE = 112  # pixels; smaller images are enlarged to it. On CIFAR-10 96 is 2 points worse, 160 takes twice as long
STEM, HEAD, CLASSES = 32, 1280, 1000
# Of each stage: how much wider its blocks are inside, channels, blocks, kernel, stride of the first block.
STAGES = (
    (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)  # fmt: skip


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow does: with stride 2 and an even side more on the right than on the left."""

    def forward(self, x: Tensor) -> Tensor:
        (size, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return functional.conv2d(x, self.weight, padding=size // 2, groups=self.groups)
        wide, high = (max(0, (-(-n // stride) - 1) * stride + size - n) for n in (x.shape[3], x.shape[2]))
        x = functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return functional.conv2d(x, self.weight, stride=stride, groups=self.groups)


def _step(into: int, out: int, size: int = 1, stride: int = 1, groups: int = 1, bound: bool = True) -> list[nn.Module]:
    """Convolution, batch norm and, where its output is bounded, ReLU6."""
    found = [Same(into, out, size, stride, groups=groups, bias=False), nn.BatchNorm2d(out, eps=1e-3)]
    return [*found, *([nn.ReLU6(inplace=True)] if bound else [])]


class Block(nn.Module):
    """Widen, filter every channel alone, narrow; what came in is added where the shape stayed."""

    def __init__(self, into: int, out: int, wider: int, size: int, stride: int):
        super().__init__()
        wide = into * wider
        self.body = nn.Sequential(
            *(_step(into, wide) if wider > 1 else []),
            *_step(wide, wide, size, stride, groups=wide),
            *_step(wide, out, bound=False),
        )
        self.stays = into == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.stays else self.body(x)


def lite0() -> nn.Sequential:
    """EfficientNet-Lite0 from normalised images to ImageNet's 1,000 classes; before the last layer 1,280 features."""
    widths = [STEM, *(out for _, out, *_ in STAGES)]
    blocks = [
        Block(out if again else into, out, wider, size, 1 if again else stride)
        for (into, _), (wider, out, times, size, stride) in zip(pairwise(widths), STAGES, strict=True)
        for again in range(times)
    ]
    return nn.Sequential(
        *_step(3, STEM, 3, 2), *blocks, *_step(widths[-1], HEAD), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(HEAD, CLASSES),
    )  # fmt: skip


def taught(name: str) -> nn.Sequential:
    """EfficientNet-Lite0 as ImageNet taught it, for the architecture `name`.

    Raises DataError where its weights are not installed or not as they were published.
    """
    if lacks := lacking(name):
        raise DataError(lacks)
    spec = importlib.util.find_spec(LITE0)
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / FILE
    try:
        whole = hashlib.sha256(file.read_bytes()).hexdigest() == SHA256
    except OSError as error:
        raise DataError(f"{name}: {file} cannot be read ({error.strerror}): install {LITE0} again") from error
    if not whole:
        raise DataError(f"{name}: {file} is not as it was published: install {LITE0} again")
    state = torch.load(file, map_location="cpu", weights_only=True)
    network = lite0()
    # The file has other names for its tensors, but holds them in the order of the layers.
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    return network


class ProbeLite0(Probe):
    """A linear classifier on EfficientNet-Lite0, which stays as it is."""

    MEAN, SPREAD, SIDE = MEAN, SPREAD, SIDE


class FineTunedLite0(Pretrained):
    """EfficientNet-Lite0 that goes on learning, with a new classifier."""

    MEAN, SPREAD, SIDE = MEAN, SPREAD, SIDE


def probe(channels: int, side: int, classes: int) -> nn.Module:
    """A linear classifier on EfficientNet-Lite0 as ImageNet taught it. Raises DataError without its weights."""
    return ProbeLite0(taught("probe-efficientnet")[:-1], HEAD, classes)


def fine_tune(channels: int, side: int, classes: int) -> nn.Module:
    """EfficientNet-Lite0 that goes on from what ImageNet taught it. Raises DataError without its weights."""
    return FineTunedLite0(taught("fine-tune-efficientnet")[:-1], HEAD, classes)
