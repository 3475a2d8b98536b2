"""Pictures of any kind and size, decoded one at a time and kept at the side that networks train on."""

import statistics
import warnings
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import SMALLEST_SIDE, DataError
from workbench.files.picture_kinds import check_kind, open_image, read, whole
from workbench.files.pictures import Photo, Refused, decode
from workbench.files.untrusted import one_line

SIDES = (32, 48, 64)  # pixels: more makes training slow and the verdict no other
STRIP = 256  # rows of a photo brought to floats at once
MOST_NOTES = 4  # of what reading changed, named


def opened(file: Path) -> Photo:
    """Decode one file. Raises DataError that names it."""
    try:
        return decode(whole(partial(read, file)), file.name, smallest=1)
    except Refused as error:
        raise DataError(f"{file} {one_line(error)}") from error


def equal(one: Photo, other: Photo) -> bool:
    """Whether two pictures show the same, grey kept as colour or not."""
    if one.pixels.shape[:2] != other.pixels.shape[:2] or not np.array_equal(one.opacity, other.opacity):
        return False
    return bool((one.pixels == other.pixels).all())


def scaled(pixels: np.ndarray, height: int, width: int) -> Tensor:
    """Scale a picture as Dataset.scaled does, antialiased bilinear: uint8 H×W×C to uint8 C×height×width.

    First across, in strips of rows, then down, which gives the same: no large photo is ever held as floats.
    """
    if pixels.shape[:2] == (height, width):
        return torch.from_numpy(pixels).permute(2, 0, 1)
    across = []
    for top in range(0, len(pixels), STRIP):
        rows = torch.from_numpy(pixels[top : top + STRIP]).permute(2, 0, 1)[None].float()
        across.append(functional.interpolate(rows, size=(rows.shape[2], width), mode="bilinear", antialias=True))
    whole_height = torch.cat(across, 2)
    down = functional.interpolate(whole_height, size=(height, width), mode="bilinear", antialias=True)
    return down[0].round().clamp(0, 255).to(torch.uint8)


def choose_side(files: Iterable[Path]) -> tuple[int, str]:
    """Choose the side to train on by the sizes of the originals, and say why.

    Squares of one size up to 64 pixels stay as they are. Else it is the one of 32, 48 and 64 that is nearest to the
    median of the shorter sides, the smaller of two as near. No pixels are decoded for it; a file that has no size
    counts for nothing here, and is refused when it is read.
    """
    sizes = [size for size in map(_size, files) if size]
    if len(set(sizes)) == 1 and len(set(sizes[0])) == 1 and sizes[0][0] <= SIDES[-1]:
        return sizes[0][0], "the size of every original"
    if not sizes:
        return SIDES[0], "no original having a size"
    median = statistics.median(map(min, sizes))
    side = min(SIDES, key=lambda one: (abs(one - median), one))
    return side, f"of {SIDES[0]}, {SIDES[1]} and {SIDES[2]} the nearest to the originals' median short side, {median:g}"


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height by the file's head, as stored: turned upright or not, the shorter side is the same."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = whole(partial(read, file))
            size: tuple[int, int] = open_image(content, check_kind(content)).size
    except Exception:  # Pillow raises nearly every kind; reading the pixels tells what is wrong
        return None
    return size


class Small:
    """Takes pictures to one side, and keeps what the reader is to be told of it."""

    def __init__(self, side: int):
        self.side, self.colour, self.grey, self.squeezed, self.transparent = side, 0, 0, 0, 0
        self._sizes: dict[str, Counter[tuple[int, int]]] = {}
        self._notes: Counter[str] = Counter()

    def take(self, photo: Photo, file: Path, which: str) -> Tensor:
        """One picture at the side, uint8 C×side×side; which: whose it is. Raises DataError for a tiny one."""
        height, width, channels = photo.pixels.shape
        if min(height, width) < SMALLEST_SIDE:
            raise DataError(f"{file} is {width}×{height}: images need {SMALLEST_SIDE} pixels a side, or more")
        self._sizes.setdefault(which, Counter())[width, height] += 1
        self._notes.update(set(photo.notes))
        self.colour, self.grey = self.colour + (channels == 3), self.grey + (channels == 1)
        self.squeezed += width != height
        self.transparent += photo.alpha is not None
        return scaled(photo.pixels, self.side, self.side)

    @property
    def channels(self) -> int:
        """3 where any picture was colour."""
        return 3 if self.colour else 1

    def said(self) -> list[str]:
        """What was done to the pictures, a sentence each; nothing where they are as they were."""
        found, many = [], self.colour + self.grey
        changed = [
            f"{which} from {_range(sizes)}" for which, sizes in self._sizes.items() if set(sizes) != {(self.side,) * 2}
        ]
        if changed:
            found.append(f"Scaled to {self.side}×{self.side} pixels: {', '.join(changed)}.")
        if self.squeezed:
            found.append(f"{self.squeezed:,} of {many:,} images are not square and were squeezed to squares.")
        if self.colour and self.grey:
            found.append(f"{self.grey:,} of {many:,} images are grey; all were brought to 3 channels.")
        if self.transparent:
            found.append(
                f"{self.transparent:,} of {many:,} images have transparent parts, taken by their colours alone."
            )
        if self._notes:
            ordered = sorted(self._notes.items(), key=lambda item: (-item[1], item[0]))
            shown = "; ".join(f"{one_line(note, 80)} ({count:,})" for note, count in ordered[:MOST_NOTES])
            more = f"; and {len(ordered) - MOST_NOTES} more kinds" if len(ordered) > MOST_NOTES else ""
            found.append(f"Reading changed or noted, in so many images: {shown}{more}.")
        return found


def _range(sizes: Counter[tuple[int, int]]) -> str:
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    first, last = (f"{width}×{height}" for width, height in (ordered[0], ordered[-1]))
    return first if len(ordered) == 1 else f"{first} to {last} ({len(ordered):,} sizes)"
