"""One picture of any kind, decoded from its bytes: upright, 8 bits a value, and a word for all that reading changed."""

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from workbench.files.picture_kinds import (
    MOST_BYTES,
    MOST_PIXELS,
    RESAVE,
    SUFFIXES,
    Refused,
    check_kind,
    open_image,
    trailer_length,
)

__all__ = ["HIDDEN", "MOST_BYTES", "MOST_PIXELS", "SMALLEST", "SUFFIXES", "Photo", "Refused", "check_kind", "decode"]

SMALLEST = 32  # pixels a side
STRIP = 256  # rows worked on at once, so that no second copy of a large picture is ever held
HIDDEN = "colour hidden under transparency removed"
MODES = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB",
         "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB", "CMYK": "RGB"}  # fmt: skip
TURNS = (
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
)  # for the EXIF orientations 2 to 8  # fmt: skip


@dataclass(frozen=True)
class Photo:
    """A decoded picture.

    pixels: uint8 H×W×C, C 1 (grey) or 3 (RGB), upright, 0 where alpha is 0; alpha: uint8 H×W, None without
    transparency; icc: the colour profile of `pixels`, None for sRGB; notes: what reading changed, in plain words.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    notes: tuple[str, ...]


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
    except Exception as error:  # Pillow's readers raise nearly every kind on damaged files
        said = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
        fault = "cut short" if "trunc" in said.lower() else "damaged"
        raise Refused(f"is {fault}: fetch it again from where it came from ({said})") from error


def _decode(content: bytes, kind: str, name: str, smallest: int) -> Photo:
    image: Any = open_image(content, kind)
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Refused(f"has {width}×{height} pixels, more than {MOST_PIXELS // 10**6} million: make it smaller")
    if min(width, height) < smallest:
        raise Refused(f"is {width}×{height} pixels, too small to protect: {smallest} pixels a side are needed")
    notes = _notes(image, content, kind, name)
    depth = _depth(image, kind)
    image.load()
    if depth == 16 or image.info.get("bit_depth", 8) > 8:
        notes.append(f"{depth if depth == 16 else image.info['bit_depth']} bits a value brought to 8")
    image = _upright(image, notes)
    mode = "L" if image.mode.startswith("I") else MODES[image.mode]
    transparent = "transparency" in image.info
    if transparent and depth == 16:
        raise Refused(f"has 16 bits a value and a transparent colour: {RESAVE}")
    if transparent and not mode.endswith("A"):
        mode += "A"
    if image.mode == "YCbCr":
        notes.append("colours brought from YCbCr to RGB")
    icc = _profile(image, notes)
    transform = None
    if image.mode == "CMYK":
        if icc is None:
            raise Refused(f"is in CMYK, the colours of print, without a usable profile: {RESAVE}")
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
        notes.append("colours brought from CMYK to sRGB by the embedded profile")
        icc = None
    pixels, alpha = _arrays(image, mode, transform, notes)
    return Photo(pixels, alpha, icc, tuple(notes))


def _notes(image: Any, content: bytes, kind: str, name: str) -> list[str]:
    """What is seen before decoding; refuses several frames and raw files."""
    notes = []
    suffix = PurePosixPath(name).suffix.lower()
    if suffix and suffix not in SUFFIXES[kind]:
        notes.append(f"is a {kind} named {suffix}")
    frames = getattr(image, "n_frames", 1)
    if image.format == "MPO":
        notes.append("second picture of the file (MPO) left out")
    elif frames > 1:
        raise Refused(f"holds {frames} frames or pages: save the one you want as a file of its own")
    if kind == "TIFF" and (50706 in image.tag_v2 or image.tag_v2.get(254, 0) == 1 or content[8:10] == b"CR"):
        raise Refused(f"is a camera's raw file (DNG or the like): {RESAVE}")  # Pillow would see its thumbnail alone
    if kind == "TIFF" and image.tag_v2.get(0x0112, 1) in range(2, 9):
        notes.append("turned upright")  # by Pillow, which does so for TIFF alone when it loads the pixels
    if extra := trailer_length(image, content):
        notes.append(f"{extra} bytes after the picture (of a motion photo?) left out")
    return notes


def _depth(image: Any, kind: str) -> int:
    """8 or 16 bits a value. Pillow cuts 16-bit colour down to 8 silently: its raw mode alone tells."""
    raw = str(image.tile)
    deep = ";16" in raw and kind != "BMP"  # BMP's ;16 packs three colours into 16 bits
    grey = image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM")
    if image.mode not in MODES and not (deep and grey):
        many = {"LAB": "is in Lab colours", "F": "has floating-point values", "I": "has 32-bit values"}
        raise Refused(f"{many.get(image.mode, f'has the mode {image.mode}')}: {RESAVE}")
    return 16 if deep else 8


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """Turned by its EXIF orientation; not by exif_transpose, which writes EXIF anew and fails on damaged blocks."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # as in decode
        notes.append("damaged EXIF left out")
        return image
    if image.info.get("original_orientation") in range(2, 9):  # pillow-heif has turned it already
        notes.append("turned upright")
    elif orientation in range(2, 9):
        notes.append("turned upright")
        return image.transpose(TURNS[orientation - 2])
    return image


def _profile(image: Image.Image, notes: list[str]) -> bytes | None:
    """The embedded profile, where it can be read and is one for the image's kind of colour."""
    icc = image.info.get("icc_profile")
    if not icc:
        return None
    space = {"L": "GRAY", "1": "GRAY", "LA": "GRAY", "La": "GRAY", "CMYK": "CMYK"}.get(image.mode, "RGB")
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        found = "nothing readable"
    if found == ("GRAY" if image.mode.startswith("I") else space):
        return bytes(icc)
    notes.append(f"colour profile left out (it is for {found}, the picture is {space})")
    return None


def _arrays(image: Any, mode: str, transform: Any, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    width, height = image.size
    pixels = np.empty((height, width, 1 if mode.startswith("L") else 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode.endswith("A") else None
    hidden = False
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        strip = image.crop((0, rows.start, width, rows.stop))
        if image.mode.startswith("I"):
            values = (np.asarray(strip).astype(np.uint32) + 128) // 257
        elif transform is not None:
            values = np.asarray(ImageCms.applyTransform(strip, transform))
        else:
            values = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        pixels[rows] = np.atleast_3d(values)[:, :, : pixels.shape[2]]
        if alpha is not None:
            alpha[rows] = values[:, :, -1]
            unseen = alpha[rows] == 0
            hidden = hidden or bool(pixels[rows][unseen].any())
            pixels[rows][unseen] = 0
    if hidden:
        notes.append(HIDDEN)
    return pixels, alpha
