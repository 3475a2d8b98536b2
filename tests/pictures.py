"""Small random pictures, as arrays, files and sets, for the tests."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from workbench.data.dataset import Dataset

CLASSES = ("bird", "cat", "dog")


def picture(seed: int, side: int = 12, grey: bool = False) -> np.ndarray:
    """Smooth colour or grey noise, uint8, with values at both ends of the pixel box."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (side // 4, side // 4) if grey else (side // 4, side // 4, 3), dtype=np.uint8)
    pixels = coarse.repeat(4, 0).repeat(4, 1)
    pixels[0, 0], pixels[-1, -1] = 0, 255
    return pixels


def write_folder(root: Path, each: int = 4, classes=CLASSES, suffix=".png", first: int = 0, **style) -> Path:
    """One folder a class with `each` pictures, all different; returns the root."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(each):
            pixels = picture(first + 1000 * label + index, **style)
            Image.fromarray(pixels).save(root / name / f"{name}-{index:02d}{suffix}")
    return root


def write_splits(root: Path, train: int = 4, test: int = 2, **style) -> Path:
    """train/ and test/ with a folder a class in each; returns the root."""
    write_folder(root / "train", train, **style)
    write_folder(root / "test", test, first=500, **style)
    return root


def image_set(each: int = 4, side: int = 12, root: Path | None = None) -> Dataset:
    """An Dataset of three classes in memory."""
    pixels = np.stack([picture(100 * label + i, side) for label in range(3) for i in range(each)])
    labels = torch.arange(3).repeat_interleave(each)
    names = tuple(f"{CLASSES[label]}/{i:02d}.png" for label in range(3) for i in range(each))
    return Dataset(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels, CLASSES, names, root)


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
