"""What a face recogniser that exists already makes of every image: it learnt other people's faces, and no noise."""

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.models import existing
from workbench.victim.defence import Defence

LEAST_SIDE = 128  # pixels: smaller images are enlarged to it, or the recogniser describes their faces worse
STRETCHED = ((1.0, 1.0), (1.25, 1.0), (1.0, 1.25))  # up and across, one after another: photos may have been made square
LOOKED_AT, LEAST_FOUND = 20, 0.5  # images that are looked at first, and the share of them that must show a face
MIDDLE, STEPS = 128, 255  # a description's values lie within ±0.5, measured ±0.46
HEIGHT, WIDTH = 8, 16  # of its 128 values


class FaceDescriptors(Defence):
    """Each image becomes the description of its largest face by dlib's ResNet (models/existing.py).

    Its 128 values v stand as pixels 128 + 255·v: uint8 N×1×8×16. An image without a face is grey all over, v = 0.
    """

    pictures = False

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError without the recogniser, or when it finds too few faces on the samples without noise."""
        if lacks := existing.lacking():
            raise ConfigError(f"defence face-descriptors: {lacks}")
        samples = (self.originals or data).samples
        some = samples[torch.linspace(0, len(samples) - 1, min(LOOKED_AT, len(samples))).long()]
        found = sum(_described(image) is not None for image in some)
        if found < LEAST_FOUND * len(some):
            raise ConfigError(f"defence face-descriptors: a face is found on {found} of {len(some)} images only")

    def inputs(self, x: Tensor) -> Tensor:
        """Describe the largest face of every image."""
        found = torch.full((len(x), 1, HEIGHT, WIDTH), MIDDLE, dtype=torch.uint8)
        for place, image in enumerate(x):
            described = _described(image)
            if described is not None:
                values = (MIDDLE + STEPS * described).round().clip(0, 255).astype(np.uint8)
                found[place] = torch.from_numpy(values).view(1, HEIGHT, WIDTH)
        return found


def _described(image: Tensor) -> np.ndarray | None:
    """Describe an image, uint8 C×H×W: float64, 128 values; None where no face is found."""
    picture = Image.fromarray(image.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    wide, high = (round(side * max(1.0, LEAST_SIDE / max(picture.size))) for side in picture.size)
    for taller, wider in STRETCHED:
        size = (round(wide * wider), round(high * taller))
        found = _recogniser().face(picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS))
        if found is not None:
            return found[1]
    return None


@cache
def _recogniser() -> existing.Recogniser:
    """The recogniser, read once a process."""
    return existing.Recogniser()
