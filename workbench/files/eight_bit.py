"""One 8-bit picture, grey or in colour, decoded from its file: what training and exports take."""

import io
import logging
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workbench.config import DataError
from workbench.files import untrusted

MOST_BYTES = 256 * 2**20  # of a file
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it finds wrong with a file, the refusal says
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF"]  # Pillow's readers; that of JPEG reads MPO too


def read_image(file: Path) -> np.ndarray:
    """Decode one 8-bit grey or colour image, upright: uint8 H×W×C. Raises DataError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata: a picture that decodes is good enough
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(untrusted.read(file, MOST_BYTES)), formats=FORMATS) as opened:
                deep = ";16" in str(opened.tile)  # Pillow would cut 16-bit colour down to 8 without a word
                upright = ImageOps.exif_transpose(opened)
    except Exception as error:  # Pillow's readers raise nearly every kind on damaged files
        raise DataError(
            f"{file} cannot be read as an image ({untrusted.one_line(first_line(error))}): mend or remove it"
        ) from error
    if upright.mode == "P" and "transparency" not in upright.info:
        upright = upright.convert("RGB")
    if deep or upright.mode not in ("L", "RGB"):
        found = "16 bits a value" if deep else f"the mode {upright.mode}"
        raise DataError(f"{file} has {found}: save it as 8-bit RGB or grey first")
    return np.atleast_3d(np.asarray(upright))


def first_line(error: BaseException) -> str:
    """The first line of an error, for a message of one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
