"""A folder of images as plain tensors: one folder a class, every file decoded or refused by name."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.config import SMALLEST_SIDE, DataError
from workbench.files.names import check_classes, check_file
from workbench.files.pictures import read_exact

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}


def read(root: Path) -> tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]:
    """Read one folder a class: pixels uint8 N×C×H×W, labels int64 N, class names, file names relative to `root`.

    Class and file order is by name. All images must be 8-bit and of one size and mode. Raises DataError, naming the
    file or folder, for an empty class, one class only, an unreadable image, mixed sizes.
    """
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no folders of images"
        raise DataError(f"{root} holds {found}: a classifier needs one folder for each of two or more classes")
    check_classes(classes)
    arrays, labels, names = [], [], []
    for label, name in enumerate(classes):
        files = sorted(file for file in (root / name).rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise DataError(f"{root / name} holds no images ({', '.join(sorted(SUFFIXES))}): fill or remove the class")
        for file in files:
            names.append(file.relative_to(root).as_posix())
            check_file(names[-1])
            arrays.append(read_exact(file))
            labels.append(label)
            if min(arrays[-1].shape[:2]) < SMALLEST_SIDE:
                raise DataError(f"{file} is {_size(arrays[-1])}: images need {SMALLEST_SIDE} pixels a side, or more")
            if arrays[-1].shape != arrays[0].shape:
                raise DataError(
                    f"{file} is {_size(arrays[-1])}, {root / names[0]} is {_size(arrays[0])}: "
                    "bring all images to one size and one mode (all colour or all grey)"
                )
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(labels), tuple(classes), tuple(names)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]} {'grey' if pixels.shape[2] == 1 else 'colour'}"
