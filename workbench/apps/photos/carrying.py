"""From photos to small working copies, and noise back from the working size to a photo's own size, bound kept."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from workbench.apps.photos.settings import SIDE
from workbench.files.pictures import Photo

STRIP = 512  # rows whose sums are held as int16 at a time


def thumbnail(photo: Photo, side: int = SIDE) -> np.ndarray:
    """The photo at the working size, as a trainer would scale it (bilinear, antialiased): uint8 side×side×C."""
    picture = Image.fromarray(photo.pixels.squeeze())
    return np.atleast_3d(np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)))


def grey(small: np.ndarray) -> np.ndarray:
    """The luminance of a working copy (ITU-R 601): uint8 side×side×C to side×side."""
    return np.asarray(Image.fromarray(small.squeeze()).convert("L"))


def carry(delta: Tensor, height: int, width: int, epsilon: int) -> np.ndarray:
    """Noise of the working size at a photo's size: int8 side×side, pixel values of 255, to int8 height×width.

    Bilinear, then doubled and cut to ±epsilon. Bilinear alone keeps the budget (every value is a mean of the noise's;
    bicubic and Lanczos overshoot it), but flattens what alternates from cell to cell, and a trainer who scales the
    photo down again flattens it once more; doubling makes plateaus with soft edges of what were peaks.
    """
    enlarged = functional.interpolate(delta[None, None].float(), size=(height, width), mode="bilinear")
    return (2 * enlarged[0, 0]).clamp_(-epsilon, epsilon).round_().to(torch.int8).numpy()


def changed(photo: Photo, noise: np.ndarray) -> np.ndarray:
    """clip(x + δ, 0, 255) with the same δ (int8 H×W) in every channel, none where the photo is fully transparent.

    uint8 H×W×C like the photo's pixels. Equal in all channels: a grey photo stays grey, and no grayscale conversion
    takes the noise away.
    """
    if photo.alpha is not None:
        noise = np.where(photo.alpha == 0, np.int8(0), noise)
    found = np.empty_like(photo.pixels)
    for top in range(0, len(noise), STRIP):
        rows = slice(top, top + STRIP)
        np.clip(photo.pixels[rows] + noise[rows, :, None].astype(np.int16), 0, 255, out=found[rows], casting="unsafe")
    return found
