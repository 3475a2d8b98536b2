"""One protected photo on disk: written aside, decoded again and measured, then put under its name."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from workbench.config import DataError
from workbench.data.measures import Quality, measure
from workbench.export.write import to_tensor
from workbench.files.atomic import creating, is_plain, make, move, remove
from workbench.files.hashing import file_hash
from workbench.files.pictures import Photo, Refused, decode

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
QUALITY = 95  # of a JPEG, all colours at full size: about half as large again as a camera's file
LONGEST = 65_500  # pixels a side, the most that libjpeg writes


@dataclass(frozen=True)
class Written:
    """A file that is in place: its SHA-256, and its change as measured on what the file decodes to."""

    sha256: str
    quality: Quality


def check_fits(photo: Photo, form: str) -> None:
    """Raise Refused for a photo that a file of this form (a key of SUFFIXES) cannot hold."""
    if form == "jpeg" and photo.alpha is not None:
        raise Refused("is transparent in places, which a JPEG cannot be: make its copy a PNG")
    if form == "jpeg" and photo.chunks:
        raise Refused("has colours of a kind that a JPEG says otherwise: make its copy a PNG")
    if form == "jpeg" and max(photo.pixels.shape[:2]) > LONGEST:
        raise Refused(f"is longer than the {LONGEST:,} pixels of a JPEG: make its copy a PNG")


def write(photo: Photo, pixels: np.ndarray, target: Path, aside: Path, epsilon: int, form: str = "png") -> Written:
    """Write `pixels` (uint8 H×W×C) with the photo's transparency and colour profile, and nothing else.

    aside: where the file grows, on the same file system; nothing may lie there. form: a key of SUFFIXES; the loss
    of a "jpeg" comes on top of the noise: its change is measured, and held to nothing. Another file at the target is
    never replaced. Raises DataError then, and when a PNG does not decode to what was meant or is beyond the budget;
    nothing is left of it.
    """
    make(target.parent)
    lossy = form == "jpeg"
    with creating(aside) as file:
        if lossy:
            _picture(photo, pixels).save(file, "JPEG", quality=QUALITY, subsampling=0, icc_profile=photo.icc)
        else:
            said = PngImagePlugin.PngInfo()
            for name, body in photo.chunks:
                said.add(name, body)
            # Photographs hardly shrink beyond the lowest level, which takes a quarter of the usual one's time.
            _picture(photo, pixels).save(file, "PNG", compress_level=1, icc_profile=photo.icc, pnginfo=said)
        file.flush()
        os.fsync(file.fileno())
    try:
        decoded = decode(aside.read_bytes(), target.name)
        same = (lossy or np.array_equal(decoded.pixels, pixels)) and np.array_equal(decoded.opacity, photo.opacity)
        if not same or (decoded.icc, decoded.chunks) != (photo.icc, photo.chunks):
            raise DataError(f"{target} does not decode to what was written: is the disk sound?")
        quality = measure(to_tensor(photo.pixels)[None], to_tensor(decoded.pixels)[None])[0]
        if quality.linf > epsilon and not lossy:
            raise DataError(f"{target} changed by {quality.linf}, more than {epsilon}: this is an error of the program")
        return Written(put(aside, target), quality)
    finally:
        remove(aside)


def put(aside: Path, target: Path) -> str:
    """Put a finished file in its place, where no other is; return its SHA-256. Raises DataError."""
    digest = file_hash(aside)
    # What a killed run had put in place without noting it is the same to the byte.
    if os.path.lexists(target) and not (is_plain(target) and file_hash(target) == digest):
        raise DataError(f"{target} is there already and is never replaced: move it away and run the command again")
    move(aside, target)
    return digest


def _picture(photo: Photo, pixels: np.ndarray) -> Image.Image:
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(photo.alpha))
    return picture
