"""One picture of any kind, decoded from its bytes: upright, 8 bits a value, and a word for all that reading changed."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.picture_colours import Chunks, colours
from workbench.files.picture_kinds import (
    MOST_BYTES,
    MOST_PIXELS,
    RESAVE,
    SUFFIXES,
    Refused,
    check_kind,
    misread,
    open_image,
    trailer_length,
)
from workbench.files.picture_values import MODES, STRIP, bits_of, eight_bits

__all__ = ["HIDDEN", "MOST_BYTES", "MOST_PIXELS", "SMALLEST", "SUFFIXES", "Photo", "Refused", "check_kind", "decode",
           "read_exact"]  # fmt: skip

SMALLEST = 32  # pixels a side
HIDDEN = "colour hidden under transparency removed"
TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
)  # for the EXIF orientations 2 to 8  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A decoded picture.

    pixels: uint8 H×W×C, C 1 (grey) or 3 (RGB), upright, 0 where alpha is 0; alpha: uint8 H×W, None where all is opaque;
    icc: the colour profile of `pixels`; notes: what reading changed, in plain words; chunks: what a PNG is to say of
    the colours besides a profile, neither for sRGB; exact: whether the values are the file's own.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    notes: tuple[str, ...]
    chunks: Chunks = ()
    exact: bool = True

    @property
    def opacity(self) -> np.ndarray:
        """Alpha, 255 where there is none: equal for two pictures that hide the same."""
        return np.array(255) if self.alpha is None else self.alpha


def read_exact(file: Path) -> np.ndarray:
    """Decode one picture whose values stand in its file as 8 bits, all opaque: uint8 H×W×C, C 1 or 3, upright.

    Raises DataError that names the file.
    """
    try:
        photo = decode(untrusted.read(file, MOST_BYTES), smallest=1)
    except DataError as error:
        raise DataError(f"{file} {untrusted.one_line(error)}") from error
    if photo.exact and photo.alpha is None:
        return photo.pixels
    found = "; ".join(photo.notes) if photo.alpha is None else "parts of it are transparent"
    raise DataError(f"{file} is not 8-bit RGB or grey ({found}): save it so first")


def decode(content: bytes, name: str = "", *, smallest: int = SMALLEST) -> Photo:
    """Decode the one picture in a file's bytes. The content decides what it is; `name` only serves a note.

    smallest: pixels that a side needs. Raises Refused for whatever is not one whole picture of a known kind.
    """
    kind = check_kind(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata: a picture that decodes is good enough
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(content, kind, name, smallest)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("needs more memory than there is: make it smaller") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(f"has more than {MOST_PIXELS // 10**6} million pixels: make it smaller") from error
    except UnidentifiedImageError as error:
        raise Refused(f"is damaged or a rare kind of {kind}: fetch it again, or {RESAVE}") from error
    except Exception as error:  # Pillow's readers raise nearly every kind on damaged files
        said = untrusted.first_line(error)[:120]
        fault = "cut short" if "trunc" in said.lower() else "damaged"
        raise Refused(f"is {fault}: fetch it again from where it came from ({said})") from error


def _decode(content: bytes, kind: str, name: str, smallest: int) -> Photo:
    opened: Any = open_image(content, kind)
    width, height = opened.size
    if width * height > MOST_PIXELS:
        raise Refused(f"has {width}×{height} pixels, more than {MOST_PIXELS // 10**6} million: make it smaller")
    if min(width, height) < smallest:
        raise Refused(f"is {width}×{height} pixels, too small to protect: {smallest} pixels a side are needed")
    notes = _notes(opened, content, kind, name)
    bits = bits_of(opened, content, kind)
    image = eight_bits(opened, content, kind)
    icc, chunks = colours(opened, image.mode, content, kind, notes)
    if bits > 8:
        notes.append(f"{bits} bits a value brought to 8")
    image = _upright(opened, image, notes)
    transform = None
    if image.mode == "YCbCr":
        notes.append("colours brought from YCbCr to RGB")
    if image.mode == "CMYK":
        if icc is None:
            raise Refused(f"is in CMYK, the colours of print, without a usable profile: {RESAVE}")
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
        notes.append("colours brought from CMYK to sRGB by the embedded profile")
        icc = None
    pixels, alpha = _arrays(image, transform, notes)
    return Photo(pixels, alpha, icc, tuple(notes), chunks, bits <= 8 and image.mode not in ("CMYK", "YCbCr"))


def _notes(image: Any, content: bytes, kind: str, name: str) -> list[str]:
    """What is seen before decoding; refuses several frames and what would be read as something else."""
    notes = []
    suffix = PurePosixPath(name).suffix.lower()
    if suffix and suffix not in SUFFIXES[kind]:
        notes.append(f"is a {kind} named {suffix}")
    frames = getattr(image, "n_frames", 1)
    if image.format == "MPO":
        notes.append("second picture of the file (MPO) left out")
    elif frames > 1:
        raise Refused(f"holds {frames} frames or pages: save the one you want as a file of its own")
    if fault := misread(image, content, kind):
        raise Refused(f"{fault}: {RESAVE}")
    if kind == "TIFF" and image.tag_v2.get(0x0112, 1) in range(2, 9):
        notes.append("turned upright")  # by Pillow, which does so for TIFF alone when it loads the pixels
    if kind == "TIFF" and 0 in np.atleast_1d(image.tag_v2.get(338, 1)):
        notes.append("further values of the pixels, which the file does not explain, left out")
    if extra := trailer_length(image, content):
        notes.append(f"{extra} bytes after the picture (of a motion photo?) left out")
    return notes


def _upright(opened: Image.Image, image: Image.Image, notes: list[str]) -> Image.Image:
    """Turned by the EXIF orientation; not by exif_transpose, which writes EXIF anew and fails on damaged blocks."""
    try:
        orientation = opened.getexif().get(0x0112, 1)
    except Exception:  # as in decode
        notes.append("damaged EXIF left out")
        return image
    if opened.info.get("original_orientation") in range(2, 9):  # pillow-heif has turned it already
        notes.append("turned upright")
    elif orientation in range(2, 9):
        notes.append("turned upright")
        return image.transpose(TURNS[orientation - 2])
    return image


def _arrays(image: Any, transform: Any, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha of a picture of 8 bits a value. Refuses one of which nothing can be seen."""
    width, height = image.size
    mode = MODES[image.mode]
    if "transparency" in image.info and not mode.endswith("A"):
        mode += "A"
    pixels = np.empty((height, width, 1 if mode.startswith("L") else 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode.endswith("A") else None
    hidden = False
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        strip = image.crop((0, rows.start, width, rows.stop))
        if transform is not None:
            values = np.asarray(ImageCms.applyTransform(strip, transform))
        else:
            values = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        pixels[rows] = np.atleast_3d(values)[:, :, : pixels.shape[2]]
        if alpha is not None:
            alpha[rows] = values[:, :, -1]
            unseen = alpha[rows] == 0
            hidden = hidden or bool(pixels[rows][unseen].any())
            pixels[rows][unseen] = 0
    if alpha is not None and not alpha.any():
        raise Refused("is transparent all over, so nothing of it can be seen: give one that can be seen")
    if hidden:
        notes.append(HIDDEN)
    return pixels, None if alpha is None or alpha.min() == 255 else alpha
