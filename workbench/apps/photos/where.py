"""Where on a photo the noise lies: everywhere, or in and around its largest face, which recognisers cut out."""

from collections.abc import Sequence

import numpy as np

from workbench.apps.photos.handling import around, picture_of
from workbench.models.existing import Box, Recogniser

FADING = 0.1  # of the box's side, at its borders: no edge is seen
FACELESS = "no face was found: the change lies on the whole photo"


class Finder:
    """Finds the box of a photo that gets noise. where: as in ProtectConfig. Raises ConfigError without a recogniser."""

    def __init__(self, where: str):
        self._recogniser = Recogniser() if where == "faces" else None

    def box(self, pixels: np.ndarray) -> Box | None:
        """Give left, top, right, bottom around the largest face (None: the whole photo). pixels: uint8 H×W×C."""
        if self._recogniser is None:
            return None
        found = self._recogniser.face(picture_of(pixels))
        return around(found[0], pixels.shape[1], pixels.shape[0]) if found else None


def cut(pixels: np.ndarray, box: Box | None) -> np.ndarray:
    """Cut the box out of a photo: uint8 H×W×C; None: all of it."""
    if box is None:
        return pixels
    left, top, right, bottom = box
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def within(box: Sequence[int] | None, pixels: np.ndarray) -> Box | None:
    """Give a box that a manifest names, where it is one of this photo (uint8 H×W×C); else None."""
    if box is None or len(box) != 4:
        return None
    left, top, right, bottom = box
    inside = 0 <= left < right <= pixels.shape[1] and 0 <= top < bottom <= pixels.shape[0]
    return (left, top, right, bottom) if inside else None


def placed(noise: np.ndarray, box: Box | None, height: int, width: int) -> np.ndarray:
    """Put a box's noise (int8, of its size) onto a photo's, fading towards the box's borders; 0 elsewhere."""
    if box is None:
        return noise
    left, top, right, bottom = box
    share = np.minimum.outer(_rising(bottom - top), _rising(right - left))
    found = np.zeros((height, width), np.int8)
    found[top:bottom, left:right] = np.rint(noise * share)
    return found


def _rising(length: int) -> np.ndarray:
    """Shares 0 to 1 that rise at both ends, float32."""
    place = np.arange(length, dtype=np.float32) + 1
    return np.minimum(1, np.minimum(place, place[::-1]) / max(1, FADING * length))
