"""photo-digits: real handwritten digits over real photographs, made on the spot from what scikit-learn ships.

The recipe is that of MNIST-M (Ganin et al., JMLR 2016, §5.2): a digit is blended over a random colour patch by
absolute difference. The digits are the 1,797 real 8×8 ones of the UCI set; the patches are random, rescaled cuts of
scikit-learn's two sample photographs. Nothing is downloaded.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.files import mapped

SIDE = 32
DIGIT_SIDE = 24
CLASSES = tuple(str(digit) for digit in range(10))
DEFAULT_TRAIN = 5000
DEFAULT_TEST = 2000
TEST_SHARE = 5  # every fifth source digit is kept for the test set, so no handwriting is in both
CHUNK = 10_000


def make(split: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Make `count` images of `split` ("train" or "test"): uint8 N×3×32×32 and labels int64 N, classes in turn."""
    rng = np.random.default_rng([seed, split == "test"])
    digits, labels = _source_digits(split)
    photos = photographs(split)
    by_class = [np.flatnonzero(labels == label) for label in range(len(CLASSES))]
    wanted = np.arange(count) % len(CLASSES)
    images = mapped.room_for((count, 3, SIDE, SIDE), torch.uint8, f"{count:,} images")
    for start in range(0, count, CHUNK):
        part = wanted[start : start + CHUNK]
        chosen = np.array([rng.choice(by_class[label]) for label in part])
        ink = _shifted(digits[chosen], rng)
        grounds = patches(photos, len(part), rng)
        images[start : start + len(part)] = (grounds - 255 * ink).abs().round().to(torch.uint8)
        mapped.release(images)
    return images, torch.from_numpy(wanted.astype(np.int64))


def _source_digits(split: str) -> tuple[Tensor, np.ndarray]:
    """The 8×8 source digits of a split, enlarged: float32 N×1×DIGIT_SIDE×DIGIT_SIDE in [0, 1], and their labels."""
    from sklearn.datasets import load_digits

    source = load_digits()
    mine = (np.arange(len(source.target)) % TEST_SHARE == 0) == (split == "test")
    small = torch.from_numpy(source.images[mine] / 16.0).float()[:, None]
    large = functional.interpolate(small, size=(DIGIT_SIDE, DIGIT_SIDE), mode="bicubic", align_corners=False)
    return large.clamp(0, 1), source.target[mine]


def photographs(split: str) -> list[Tensor]:
    """The two photographs, float32 3×H×W in 0..255: the left four fifths for training, the rest for the test."""
    from sklearn.datasets import load_sample_images

    photos = []
    for photo in load_sample_images().images:
        pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float()
        cut = pixels.shape[2] * 4 // 5
        photos.append(pixels[:, :, cut:] if split == "test" else pixels[:, :, :cut])
    return photos


def _shifted(digits: Tensor, rng: np.random.Generator) -> Tensor:
    """Place each digit at a random spot of an empty 32×32 field: float32 N×1×32×32."""
    room = SIDE - DIGIT_SIDE + 1
    field = torch.zeros((len(digits), 1, SIDE, SIDE))
    tops, lefts = rng.integers(0, room, len(digits)), rng.integers(0, room, len(digits))
    for index, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        field[index, 0, top : top + DIGIT_SIDE, left : left + DIGIT_SIDE] = digits[index, 0]
    return field


def patches(photos: list[Tensor], count: int, rng: np.random.Generator) -> Tensor:
    """Cut `count` square patches of random place and size and rescale them: float32 N×3×32×32 in 0..255."""
    found = torch.empty((count, 3, SIDE, SIDE))
    for index in range(count):
        photo = photos[rng.integers(len(photos))]
        height, width = photo.shape[1:]
        side = int(rng.integers(SIDE, min(height, width) // 2))
        top, left = int(rng.integers(height - side)), int(rng.integers(width - side))
        cut = photo[None, :, top : top + side, left : left + side]
        found[index] = functional.interpolate(cut, size=(SIDE, SIDE), mode="area")[0]
    return found
