"""Arrays, tensors and torch Datasets from elsewhere, checked: what they are is found out or refused in one line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from workbench.config import LARGEST_SIDE, SMALLEST_SIDE, DataError
from workbench.files.names import check_classes

CHANNELS = (1, 3)
WIDE = (torch.uint16, torch.uint32, torch.uint64)
Checked = tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]


def checked(samples: Any, labels: Any, classes: Sequence[str] | None) -> Checked:
    """The fields of a Dataset of images: samples uint8 N×C×H×W, labels int64 N, class names, sample names.

    samples: N×C×H×W, N×H×W×C or N×H×W of whole numbers 0..255 or floats 0..1 (arrays, tensors, lists), or a torch
    Dataset of (image, label), whose transforms return tensors or PIL images, without labels. labels: whole numbers of
    any type from 0, or strings, which become class names in sorted order. Raises DataError.
    """
    classes = _sequence(classes)
    if labels is None:
        samples, labels, classes = _of_dataset(samples, classes)
    pixels = _pixels(_tensor(samples, "images"))
    numbers, names = _labels(labels, classes)
    if len(pixels) != len(numbers):
        raise DataError(f"{len(pixels)} images and {len(numbers)} labels: give one label per image")
    files = tuple(f"{names[label]}/{index:06d}.png" for index, label in enumerate(numbers.tolist()))
    return pixels, numbers, names, files


def _sequence(classes: Any) -> Sequence[str] | None:
    if isinstance(classes, np.ndarray):
        classes = classes.tolist()
    if classes is not None and not isinstance(classes, list | tuple):
        raise DataError(f"classes are of the type {type(classes).__name__}: give a list of names")
    return [str(name) for name in classes] if classes else None


def _of_dataset(data: Any, classes: Sequence[str] | None) -> tuple[Any, list[Any], Sequence[str] | None]:
    """Images and labels of everything that has __len__ and __getitem__ with pairs, as torchvision's data sets."""
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")) or isinstance(data, Tensor | np.ndarray | str):
        raise DataError(f"labels are missing: give them beside the images ({type(data).__name__})")
    images, labels = [], []
    for index in range(len(data)):
        try:
            item = data[index]
        except Exception as error:  # foreign code raises every kind
            line = " ".join(str(error).split())[:200]
            raise DataError(
                f"item {index} of the data set: it cannot be had ({type(error).__name__}: {line})"
            ) from error
        if not (isinstance(item, tuple | list) and len(item) == 2):
            raise DataError(f"item {index} of the data set is no pair of image and label")
        image = item[0]
        images.append(
            _tensor(np.atleast_3d(np.asarray(image)) if isinstance(image, Image) else image, f"image {index}")
        )
        labels.append(item[1].tolist() if isinstance(item[1], Tensor | np.generic) else item[1])
        if images[-1].shape != images[0].shape:
            sizes = ["×".join(map(str, one.shape)) for one in (images[-1], images[0])]
            raise DataError(
                f"image {index} of the data set is {sizes[0]}, the first one {sizes[1]}: bring them to one size"
            )
        if images[-1].dtype != images[0].dtype:
            types = [str(one.dtype).removeprefix("torch.") for one in (images[-1], images[0])]
            raise DataError(f"image {index} of the data set is of the type {types[0]}, the first one {types[1]}")
    if not images:
        raise DataError("the data set is empty")
    found = getattr(data, "classes", None)
    return torch.stack(images), labels, classes or (_sequence(found) if isinstance(found, list | tuple) else None)


def _tensor(given: Any, what: str) -> Tensor:
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        if given.dtype not in WIDE:
            return given
        given = given.numpy()
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:  # torch cannot compare these
            array = np.minimum(array.astype(np.uint64), 2**31 - 1).astype(np.int32)
        return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: this is no array of numbers of one size ({str(error).splitlines()[0]})") from error


def _pixels(given: Tensor) -> Tensor:
    if given.ndim == 3:
        given = given[:, None]
    if given.ndim != 4 or not len(given):
        raise DataError(f"images of the shape {_shown(given)}: N×C×H×W, N×H×W×C or N×H×W is needed")
    first, last = given.shape[1] in CHANNELS, given.shape[3] in CHANNELS
    if first == last:
        which = "could be N×C×H×W and N×H×W×C" if first else "have 1 or 3 channels nowhere"
        raise DataError(f"images of the shape {_shown(given)} {which}: give N×C×H×W with 1 or 3 channels")
    pixels = given if first else given.permute(0, 3, 1, 2)
    if not SMALLEST_SIDE <= min(pixels.shape[2:]) <= max(pixels.shape[2:]) <= LARGEST_SIDE:
        raise DataError(
            f"images of the shape {_shown(given)}: {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side are needed"
        )
    if pixels.dtype == torch.bool or pixels.is_complex():
        raise DataError(f"images of the type {pixels.dtype}: give whole numbers 0..255 or floats 0..1")
    if pixels.is_floating_point():
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):  # also for NaN
            scale = "divide by 255, or give whole numbers" if low >= 0 and high <= 255 else "undo their normalisation"
            raise DataError(f"float images with values {low:g} to {high:g}: they must lie in 0..1; {scale}")
        return (pixels.double() * 255).round().to(torch.uint8).contiguous()
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 255:
        raise DataError(f"whole-number images with values {low} to {high}: they must lie in 0..255")
    if high <= 1 and pixels.dtype != torch.uint8:
        raise DataError(f"whole-number images that hold 0 and 1 alone, of the type {pixels.dtype}: give 0..255")
    return pixels.to(torch.uint8).contiguous()


def _labels(given: Any, classes: Sequence[str] | None) -> tuple[Tensor, tuple[str, ...]]:
    try:
        values = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"labels: one number or string per image is needed ({str(error).splitlines()[0]})") from error
    if values.ndim != 1 or not len(values):
        raise DataError(f"labels of the shape {values.shape}: one per image is needed, not one-hot")
    if values.dtype.kind in "US" or (values.dtype == object and all(isinstance(one, str) for one in values)):
        words = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in values]
        names = tuple(classes) if classes else tuple(sorted(set(words)))
        if missing := sorted(set(words) - set(names)):
            raise DataError(f"the label {missing[0]!r} is not among the classes")
        numbers = torch.tensor([names.index(word) for word in words])
    elif values.dtype.kind in "iu":
        if int(values.min()) < 0 or int(values.max()) >= 2**31:
            raise DataError(f"labels from {values.min()} to {values.max()}: they count classes from 0")
        numbers = torch.from_numpy(values.astype(np.int64))
        names = tuple(map(str, classes)) if classes else tuple(map(str, range(int(values.max()) + 1)))
    else:
        raise DataError(f"labels of the type {values.dtype}: give whole numbers from 0, or strings")
    if len(set(names)) < len(names) or len(names) < 2:
        raise DataError(f"{len(names)} classes ({', '.join(names[:5])}): two or more of different names are needed")
    if int(numbers.max()) >= len(names):
        raise DataError(f"the label {int(numbers.max())} and {len(names)} classes: labels count classes from 0")
    empty = sorted(set(range(len(names))) - set(numbers.tolist()))
    if empty and len(empty) > len(names) // 2:
        raise DataError(f"{len(names)} classes, of which {len(empty)} have no image: number the classes from 0 on")
    check_classes(names)
    return numbers, names


def _shown(given: Tensor) -> str:
    return "×".join(map(str, given.shape))
