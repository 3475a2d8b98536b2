"""What services do with a photo that they are given, before anybody's software looks at it.

Each takes a picture (PIL, RGB) and the place of the face on it, (left, top, right, bottom) in pixels or None, and
returns another; None where there is nothing left to look at.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from workbench.models.existing import Box, scaled

Handling = Callable[[Image.Image, Box | None], Image.Image | None]

LONGEST = 2048  # pixels a side, of many services
SCREEN = 0.73  # a screenshot's scale: no whole pixel falls on another
AROUND = 0.4  # of the face's side that is left around it by a crop


def around(face: Box, width: int, height: int) -> Box:
    """Widen a face's box by AROUND of its sides, within a picture of this size."""
    left, top, right, bottom = face
    across, down = (round(AROUND * side) for side in (right - left, bottom - top))
    return max(0, left - across), max(0, top - down), min(width, right + across), min(height, bottom + down)


def picture_of(pixels: np.ndarray) -> Image.Image:
    """Turn a photo's pixels, uint8 H×W×C, into a picture in RGB, grey ones too."""
    return Image.fromarray(pixels.squeeze()).convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    file.seek(0)
    return Image.open(file).convert("RGB")


def _limited(picture: Image.Image) -> Image.Image:
    return _jpeg(scaled(picture, min(1.0, LONGEST / max(picture.size))), 85)


def _cropped(picture: Image.Image, face: Box | None) -> Image.Image | None:
    if face is None:
        return None
    return picture.crop(around(face, *picture.size))


HANDLINGS: dict[str, Handling] = {
    "as they are": lambda picture, face: picture,
    "JPEG, quality 75": lambda picture, face: _jpeg(picture, 75),
    "JPEG, quality 30": lambda picture, face: _jpeg(picture, 30),
    "half the size": lambda picture, face: scaled(picture, 0.5),
    f"at most {LONGEST} pixels, JPEG 85": lambda picture, face: _limited(picture),
    "cropped to the face": _cropped,
    "turned grey": lambda picture, face: picture.convert("L").convert("RGB"),
    "a screenshot": lambda picture, face: _jpeg(scaled(picture, SCREEN), 90),
}
