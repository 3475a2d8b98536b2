"""A folder of images as plain tensors: one folder a class, every file decoded or refused by name."""

import numpy as np
import torch
from torch import Tensor

from workbench.config import SMALLEST_SIDE, DataError
from workbench.files.layout import Part
from workbench.files.names import check_file
from workbench.files.pictures import read_exact


def read(part: Part) -> tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]:
    """Read one folder a class: pixels uint8 N×C×H×W, labels int64 N, class names, file names relative to the root.

    All images must be 8-bit and of one size and mode. Raises DataError, naming the file, for one that is not, and for
    one that cannot be read.
    """
    arrays, labels = [], []
    for name in part.names:
        check_file(name)
        file = part.root / name
        arrays.append(read_exact(file))
        labels.append(part.classes.index(name.partition("/")[0]))
        if min(arrays[-1].shape[:2]) < SMALLEST_SIDE:
            raise DataError(f"{file} is {_size(arrays[-1])}: images need {SMALLEST_SIDE} pixels a side, or more")
        if arrays[-1].shape != arrays[0].shape:
            raise DataError(
                f"{file} is {_size(arrays[-1])}, {part.root / part.names[0]} is {_size(arrays[0])}: "
                "bring all images to one size and one mode (all colour or all grey)"
            )
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(labels), part.classes, part.names


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]} {'grey' if pixels.shape[2] == 1 else 'colour'}"
