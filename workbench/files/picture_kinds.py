"""What kind of picture a file is, by its content: an allow-list, and a plain word for everything else."""

import io
import logging
from typing import Any

from PIL import Image

from workbench.config import DataError

MOST_BYTES = 256 * 2**20  # a file
MOST_PIXELS = 120_000_000
RESAVE = "save it as an 8-bit RGB PNG or JPEG first"

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it finds wrong with a file, the refusal says
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow's own guard, at this program's cap; it also guards what decoding unpacks

SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}
STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
)  # fmt: skip
OTHERS = (
    (b"PK\x03\x04", "an archive (ZIP): unpack it first"), (b"PK\x05\x06", "an empty archive (ZIP): give photos"),
    (b"\x1f\x8b", "an archive (gzip): unpack it first"),
    (b"7z\xbc\xaf", "an archive (7z): unpack it first"), (b"Rar!", "an archive (RAR): unpack it first"),
    (b"\xfd7zXZ", "an archive (xz): unpack it first"), (b"BZh", "an archive (bzip2): unpack it first"),
    (b"8BPS", f"a Photoshop file (PSD): {RESAVE}"), (b"%!PS", f"a PostScript drawing (EPS): {RESAVE}"),
    (b"\xc5\xd0\xd3\xc6", f"a PostScript drawing (EPS): {RESAVE}"), (b"%PDF", f"a PDF: {RESAVE}"),
    (b"<svg", f"a drawing (SVG): {RESAVE}"), (b"<?xml", f"a drawing (SVG) or other text: {RESAVE}"),
    (b"\0\0\0\x0cjP", f"a JPEG 2000 picture: {RESAVE}"),
    (b"\0\0\0\x0cJXL", f"a JPEG XL picture: {RESAVE}"), (b"\xff\x0a", f"a JPEG XL picture: {RESAVE}"),
)  # fmt: skip


class Refused(DataError):
    """A file that is not taken: its text is the reason and what to do, on one line, without the file's name."""


def check_kind(start: bytes) -> str:
    """The kind of picture that a file's first 64 bytes or more announce, a key of SUFFIXES; else raises Refused."""
    if not start:
        raise Refused("is empty: fetch it again from where it came from")
    brands = start[8:32]
    if start[4:8] == b"ftyp" and any(brand in brands for brand in (b"avif", b"avis")):
        return "AVIF"
    if start[4:8] == b"ftyp":
        if brands[:4] in (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"):
            return "HEIF"
        raise Refused("is not an image but a film (MP4, MOV) or the like: give photos")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:2] == b"BM" and start[6:10] == b"\0\0\0\0":
        return "BMP"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "PPM"
    for magic, kind in STARTS:
        if start.startswith(magic):
            return kind
    text = start[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, other in OTHERS:
        if text.startswith(magic):
            raise Refused(f"is not an image that can be read but {other}")
    raise Refused("is not an image: give PNG, JPEG, WebP, TIFF, BMP, PPM, GIF, HEIC or AVIF files")


def open_image(content: bytes, kind: str) -> Image.Image:
    """Pillow's image of that kind alone, pixels not yet decoded; Refused where HEIC needs a package that is missing."""
    if kind == "HEIF":
        try:
            import pillow_heif
        except ImportError as error:
            raise Refused("is a HEIC picture, which needs a package more: pip install pillow-heif") from error
        pillow_heif.register_heif_opener()
    if kind == "AVIF":
        Image.init()
        if "AVIF" not in Image.OPEN:
            raise Refused("is an AVIF picture, which needs a newer Pillow: pip install --upgrade pillow")
    return Image.open(io.BytesIO(content), formats=[kind])


def trailer_length(image: Any, content: bytes) -> int:
    """Bytes after the end of a JPEG just opened, 0 for other kinds: a motion photo's film, hidden pictures."""
    if image.format != "JPEG":
        return 0
    end = content.find(b"\xff\xd9", image.fp.tell())  # Pillow stops where the coded pixels begin: 255 is escaped there
    extra = content[end + 2 :] if end >= 0 else b""
    return len(extra) if extra.strip(b"\0") else 0
