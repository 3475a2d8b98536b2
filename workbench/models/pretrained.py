"""Networks that come with weights of their own: a linear probe on features that ImageNet taught."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import DataError

PROBE = "probe-resnet18"


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
            smooth = x.device.type != "mps"  # whose gradient Apple's GPU lacks; enlarging needs none of it
            x = functional.interpolate(x, size=(self.SIDE, self.SIDE), mode="bilinear", antialias=smooth)
        mean, spread = (x.new_tensor(values)[:, None, None] for values in (self.MEAN, self.SPREAD))
        return self.head(self.backbone((x - mean) / spread))


def probe_resnet18(channels: int, side: int, classes: int) -> nn.Module:
    """A linear classifier on a ResNet-18 pretrained on ImageNet. Raises DataError when its weights cannot be had."""
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
