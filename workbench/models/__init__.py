"""Architectures by name, for surrogates and victims. Every one takes pixel values 0..255 and returns logits.

The first layer divides by 255, so noise is searched and applied in pixel space; like the 2021 code there is no other
normalisation. Images up to 64 pixels get the CIFAR stem (3×3, stride 1, no max-pool): torchvision's own 7×7 stride-2
stem is why others who trained "ResNet-18" on 32×32 images could not reproduce the paper (about 50 % instead of 20 %).
"""

import difflib
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import ConfigError, DataError
from workbench.data.batches import network_input

SMALL_IMAGE = 64  # pixels; up to here an image gets the CIFAR stem


class ToUnit(nn.Module):
    """Pixel values 0..255 → [0, 1]."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels / 255


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Probe(nn.Module):
    """A linear classifier on the features of a network pretrained on ImageNet, which stays as it is."""

    MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as the weights expect
    SIDE = 128  # pixels; smaller images are enlarged to it

    def __init__(self, backbone: nn.Module, features: int, classes: int):
        super().__init__()
        self.backbone, self.head = backbone.requires_grad_(False), nn.Linear(features, classes)

    def train(self, mode: bool = True) -> "Probe":
        super().train(mode)
        self.backbone.eval()  # or its batch statistics would follow the new images
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        if min(x.shape[2:]) < self.SIDE:
            x = functional.interpolate(x, size=(self.SIDE, self.SIDE), mode="bilinear", antialias=True)
        mean, spread = (x.new_tensor(values)[:, None, None] for values in (self.MEAN, self.SPREAD))
        return self.head(self.backbone((x - mean) / spread))


def _conv(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def _head(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def resnet9(width: int, channels: int, classes: int) -> nn.Module:
    """The nine-layer residual network of the DAWNBench entries (Page 2018), `width` filters in its first layer."""
    w = width
    return nn.Sequential(
        _conv(channels, w),
        _conv(w, 2 * w, pool=True),
        Residual(_conv(2 * w, 2 * w), _conv(2 * w, 2 * w)),
        _conv(2 * w, 4 * w, pool=True),
        _conv(4 * w, 8 * w, pool=True),
        Residual(_conv(8 * w, 8 * w), _conv(8 * w, 8 * w)),
        *_head(8 * w, classes),
    )


def convnet(width: int, channels: int, classes: int) -> nn.Module:
    """A plain network in the manner of VGG (no shortcuts): three stages of two convolutions and a pooling."""
    w = width
    return nn.Sequential(
        _conv(channels, w),
        _conv(w, w, pool=True),
        _conv(w, 2 * w),
        _conv(2 * w, 2 * w, pool=True),
        _conv(2 * w, 4 * w),
        _conv(4 * w, 4 * w, pool=True),
        *_head(4 * w, classes),
    )


def mlp(width: int, channels: int, classes: int) -> nn.Module:
    """A perceptron of two hidden layers on the image at 16×16: no convolution, no normalisation."""
    hidden = [nn.Linear(channels * 256, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(nn.AdaptiveAvgPool2d(16), nn.Flatten(), *hidden, nn.Linear(width, classes))


def _resnet(name: str) -> Callable[[int, int, bool], nn.Module]:
    def build(channels: int, classes: int, small: bool) -> nn.Module:
        from torchvision import models

        net = getattr(models, name)(weights=None, num_classes=classes)
        if small:
            net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            net.maxpool = nn.Identity()
        elif channels != 3:
            net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        return net

    return build


def _vgg11(channels: int, classes: int, small: bool) -> nn.Module:
    from torchvision import models

    net = models.vgg11_bn(weights=None, num_classes=classes)
    net.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    if small:
        net.avgpool, net.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(512, classes)
    return net


def _densenet121(channels: int, classes: int, small: bool) -> nn.Module:
    from torchvision import models

    net = models.densenet121(weights=None, num_classes=classes)
    if small:
        net.features.conv0 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        net.features.pool0 = nn.Identity()
    elif channels != 3:
        net.features.conv0 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return net


def _mobilenet_v2(channels: int, classes: int, small: bool) -> nn.Module:
    from torchvision import models

    net = models.mobilenet_v2(weights=None, num_classes=classes)
    stride = 1 if small else 2
    net.features[0][0] = nn.Conv2d(channels, 32, 3, stride=stride, padding=1, bias=False)
    if small:
        net.features[2].conv[1][0].stride = (1, 1)
    return net


PROBE = "probe-resnet18"


def _probe(channels: int, classes: int, small: bool) -> nn.Module:
    from torchvision import models

    weights = models.ResNet18_Weights.IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{PROBE} needs torchvision's weights of ResNet-18, which could not be had "
            f"({str(error).splitlines()[0]}): put {Path(weights.url).name} into {_weights_folder()}"
        ) from error
    backbone = models.resnet18(weights=None)
    backbone.load_state_dict(state)
    backbone.fc = nn.Identity()
    return Probe(backbone, 512, classes)


def _weights_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def has_weights(name: str) -> bool:
    """Whether the architecture `name` can be built without a download."""
    from torchvision import models

    return name != PROBE or (_weights_folder() / Path(models.ResNet18_Weights.IMAGENET1K_V1.url).name).is_file()


FIXED: dict[str, Callable[[int, int, bool], nn.Module]] = {
    PROBE: _probe,
    "resnet18": _resnet("resnet18"),
    "resnet50": _resnet("resnet50"),
    "vgg11": _vgg11,
    "densenet121": _densenet121,
    "mobilenet_v2": _mobilenet_v2,
}
BY_WIDTH: dict[str, Callable[[int, int, int], nn.Module]] = {"resnet9": resnet9, "convnet": convnet, "mlp": mlp}
LEAST, LEAST_FIXED = {"vgg11": 32, PROBE: 1}, 16  # pixels a side
NAMES = (*FIXED, *(f"{family}-w16" for family in BY_WIDTH))


def check_name(name: str) -> None:
    """Raise ConfigError for an architecture that does not exist, naming the nearest one."""
    family = re.fullmatch(r"(\w+)-w([1-9]\d{0,3})", name)
    if name in FIXED or (family and family[1] in BY_WIDTH):
        return
    nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
    raise ConfigError(
        f"unknown architecture {name!r}: did you mean {nearest!r}? "
        f"There are {', '.join(FIXED)} and, for any width N, {', '.join(f'{f}-wN' for f in BY_WIDTH)}"
    )


def check_fits(name: str, short: int) -> None:
    """Raise ConfigError when images with a shorter side of `short` pixels are too small for the architecture."""
    least = LEAST.get(name, LEAST_FIXED) if name in FIXED else 0
    if short < least:
        raise ConfigError(f"{name} needs images of {least} pixels a side or more: take convnet-w16 or resnet9-w16")


def build(name: str, *, channels: int, classes: int, side: int, seed: int, short: int | None = None) -> nn.Module:
    """Build the architecture `name`, its weights drawn from `seed` alone, in channels_last memory format.

    `side` is the images' longer side in pixels, which decides the stem, `short` the shorter one (None: the same).
    Raises ConfigError for an unknown name, and for images that the network would shrink to less than a pixel.
    """
    check_name(name)
    check_fits(name, short or side)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name in FIXED:
            body = FIXED[name](channels, classes, side <= SMALL_IMAGE)
        else:
            family, width = name.split("-w")
            body = BY_WIDTH[family](int(width), channels, classes)
    return nn.Sequential(ToUnit(), body).to(memory_format=torch.channels_last)


def input_gradient(network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    """∇ of the loss with respect to `pixels`, float N×C×H×W, in evaluation mode with the weights fixed."""
    training = network.training
    network.eval()
    pixels = pixels.detach().requires_grad_()
    loss = functional.cross_entropy(network(network_input(pixels)), labels)
    (gradient,) = torch.autograd.grad(loss, pixels)
    network.train(training)
    return gradient
