"""A face recogniser that exists already: dlib's ResNet, which learnt three million faces (King 2017).

It turns the largest face of a picture into 128 numbers; two faces nearer than THRESHOLD are taken for one person's.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.config import ConfigError, DataError
from workbench.installation import missing

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

THRESHOLD = 0.6  # dlib's own, by which it reaches 0.9938 on Labeled Faces in the Wild
LONGEST, ENLARGED = 1024, 512  # pixels a side: larger pictures are scaled down to the one, below the other enlarged
PACKAGES = ("dlib", "face_recognition_models")
SIZE = "about 105 MB"
FILES = {  # as dlib's author published them in 2017: SHA-256
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}


def scaled(picture: Image.Image, share: float) -> Image.Image:
    """Scale both sides by this share."""
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def lacking() -> str:
    """What to type where a package is missing; "" where none is."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            return f"{missing(name)} ({SIZE})"
    return ""


class Recogniser:
    """Finds a face and describes it. Raises ConfigError where the packages are missing, DataError for other weights."""

    def __init__(self) -> None:
        if lacks := lacking():
            raise ConfigError(f"an existing recogniser cannot be asked: {lacks}")
        import dlib

        landmarks, network = (str(_weights(name)) for name in FILES)
        self._find = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(landmarks)
        self._network = dlib.face_recognition_model_v1(network)

    def face(self, picture: Image.Image) -> tuple[Box, np.ndarray] | None:
        """Place (left, top, right, bottom in pixels) and description (float64, 128) of the largest face; None: none."""
        share = min(1.0, LONGEST / max(picture.size))
        small = scaled(picture, share)
        pixels = np.asarray(small.convert("RGB"))
        found = self._find(pixels, int(max(small.size) <= ENLARGED))
        if not found:
            return None
        largest = max(found, key=lambda box: box.area())
        described = np.array(self._network.compute_face_descriptor(pixels, self._landmarks(pixels, largest)))
        left, top, right, bottom = (
            round(edge / share) for edge in (largest.left(), largest.top(), largest.right(), largest.bottom())
        )
        return (left, top, right, bottom), described


@cache
def _weights(name: str) -> Path:
    """The file of these weights. Raises DataError when it is not the one that was published."""
    package = importlib.util.find_spec(PACKAGES[1])
    (folder,) = package.submodule_search_locations or [""] if package else [""]
    path = Path(folder) / "models" / name
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != FILES[name]:
            raise DataError(f"{path} is not the file that dlib's author published: install {PACKAGES[1]} again")
    return path
