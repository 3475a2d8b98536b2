"""Architectures for images. Every one takes values in 0..1 and returns logits.

Like in the 2021 code there is no other normalisation. Images up to 64 pixels get the CIFAR stem (3×3, stride 1, no
max-pool): torchvision's own 7×7 stride-2 stem is why others who trained "ResNet-18" on 32×32 images could not reproduce
the paper (about 50 % instead of 20 %).
"""

from torch import Tensor, nn

from workbench.models.pooling import AveragePool

SMALL_IMAGE = 64  # pixels; up to here an image gets the CIFAR stem


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _conv(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


def _head(width: int, classes: int, average: bool) -> list[nn.Module]:
    """Global max pooling, or average pooling, which reads textures about twice as well."""
    return [AveragePool(1) if average else nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def resnet9(channels: int, side: int, classes: int, width: int, average: bool = False) -> nn.Module:
    """The nine-layer residual network of the DAWNBench entries (Page 2018), `width` filters in its first layer."""
    w = width
    return nn.Sequential(
        _conv(channels, w),
        _conv(w, 2 * w, pool=True),
        Residual(_conv(2 * w, 2 * w), _conv(2 * w, 2 * w)),
        _conv(2 * w, 4 * w, pool=True),
        _conv(4 * w, 8 * w, pool=True),
        Residual(_conv(8 * w, 8 * w), _conv(8 * w, 8 * w)),
        *_head(8 * w, classes, average),
    )


def convnet(channels: int, side: int, classes: int, width: int, average: bool = False) -> nn.Module:
    """A plain network in the manner of VGG (no shortcuts): three stages of two convolutions and a pooling."""
    w = width
    return nn.Sequential(
        _conv(channels, w),
        _conv(w, w, pool=True),
        _conv(w, 2 * w),
        _conv(2 * w, 2 * w, pool=True),
        _conv(2 * w, 4 * w),
        _conv(4 * w, 4 * w, pool=True),
        *_head(4 * w, classes, average),
    )


def mlp(channels: int, side: int, classes: int, width: int) -> nn.Module:
    """A perceptron of two hidden layers on the image at 16×16: no convolution, no normalisation."""
    hidden = [nn.Linear(channels * 256, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(AveragePool(16), nn.Flatten(), *hidden, nn.Linear(width, classes))


def resnet18(channels: int, side: int, classes: int) -> nn.Module:
    """ResNet-18 (He et al. 2016)."""
    return _resnet("resnet18", channels, side, classes)


def resnet50(channels: int, side: int, classes: int) -> nn.Module:
    """ResNet-50 (He et al. 2016)."""
    return _resnet("resnet50", channels, side, classes)


def _resnet(name: str, channels: int, side: int, classes: int) -> nn.Module:
    from torchvision import models

    net = getattr(models, name)(weights=None, num_classes=classes)
    if side <= SMALL_IMAGE:
        net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    elif channels != 3:
        net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return net


def vgg11(channels: int, side: int, classes: int) -> nn.Module:
    """VGG-11 with batch norm (Simonyan and Zisserman 2015)."""
    from torchvision import models

    net = models.vgg11_bn(weights=None, num_classes=classes)
    net.features[0], net.avgpool = nn.Conv2d(channels, 64, 3, padding=1), AveragePool(7)
    if side <= SMALL_IMAGE:
        net.avgpool, net.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(512, classes)
    return net


def densenet121(channels: int, side: int, classes: int) -> nn.Module:
    """DenseNet-121 (Huang et al. 2017)."""
    from torchvision import models

    net = models.densenet121(weights=None, num_classes=classes)
    if side <= SMALL_IMAGE:
        net.features.conv0 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        net.features.pool0 = nn.Identity()
    elif channels != 3:
        net.features.conv0 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return net


def mobilenet_v2(channels: int, side: int, classes: int) -> nn.Module:
    """MobileNetV2 (Sandler et al. 2018)."""
    from torchvision import models

    net = models.mobilenet_v2(weights=None, num_classes=classes)
    stride = 1 if side <= SMALL_IMAGE else 2
    net.features[0][0] = nn.Conv2d(channels, 32, 3, stride=stride, padding=1, bias=False)
    if side <= SMALL_IMAGE:
        net.features[2].conv[1][0].stride = (1, 1)
    return net
