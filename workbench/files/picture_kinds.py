"""What kind of picture a file is, by its content, and what it carries besides: an allow-list of kinds and of chunks."""

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.untrusted import Refused as Refused

Reader = Callable[[int], bytes]  # at most so many bytes from a file's beginning; raises Refused

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
CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs", b"sBIT"}
NAMED = {b"": "bytes after the picture", b"eXIf": "EXIF", b"tIME": "time", b"tEXt": "text", b"zTXt": "text",
         b"iTXt": "text"}  # fmt: skip
INFO = {"exif": "EXIF", "xmp": "XMP", "XML:com.adobe.xmp": "XMP", "photoshop": "IPTC", "comment": "comment"}
GPS = 34853
PERSONAL = {270, 271, 272, 305, 306, 315, 700, 33432, 33723, 34665, GPS}  # tags of a TIFF that lay out no pixels


def read(path: Path, most: int) -> bytes:
    """At most `most` bytes of a regular file that is no link: it may have changed since it was listed. Or Refused."""
    try:
        return untrusted.read_head(path, most, links=False)
    except DataError as error:
        raise Refused(f"{error}: look at what it is and at its permissions") from error


def whole(reader: Reader) -> bytes:
    """All bytes of a file; Refused for one of more than MOST_BYTES."""
    content = reader(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MiB: make it smaller")
    return content


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


def misread(image: Any, content: bytes, kind: str) -> str:
    """What a picture just opened is that Pillow would take for something else, in words that follow the name; or ""."""
    tags: Any = image.tag_v2 if kind == "TIFF" else {}
    raw = 50706 in tags or tags.get(254) == 1 or (kind == "TIFF" and content[8:10] == b"CR")
    planes, deep = tags.get(284) == 2 and tags.get(277, 1) > 1, 16 in np.atleast_1d(tags.get(258, 1))
    bits = content[28 if content[14] >= 40 else 24] if kind == "BMP" else 0
    greys = {"1": 1, "L": 8}.get(image.mode, bits)
    masked = bits == 16 and content[14] >= 56 and content[30] == 3 and any(content[66:70])  # the mask of alpha
    faults = {
        "is a camera's raw file (DNG or the like)": raw,  # Pillow would see its thumbnail alone
        "has signed values": 2 in np.atleast_1d(tags.get(339, 1)),
        "has a plane for each of its values": planes and (deep or image.mode not in ("RGB", "RGBA")),
        "has colours at half the resolution": image.mode == "YCbCr" and tags.get(530) != (1, 1),
        "has a palette of 8 bits where 16 belong": max(tags.get(320, (256,))) < 256,
        "has a palette of few greys": bits not in (0, greys),
        "has 16 bits a pixel with transparency": masked,
        "fills its screen in part": kind == "GIF" and image.tile[0].extents != (0, 0, *image.size),
        "has inks of unknown polarity": kind == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info,
    }
    return next((words for words, found in faults.items() if found), "")


def trailer_length(image: Any, content: bytes) -> int:
    """Bytes after the end of a JPEG just opened, 0 for other kinds: a motion photo's film, hidden pictures."""
    if image.format != "JPEG":
        return 0
    end = content.find(b"\xff\xd9", image.fp.tell())  # Pillow stops where the coded pixels begin: 255 is escaped there
    extra = content[end + 2 :] if end >= 0 else b""
    return len(extra) if extra.strip(b"\0") else 0


def metadata(content: bytes) -> tuple[str, ...]:
    """The kinds of metadata in a picture's bytes ("EXIF", "GPS", "XMP", "text", ...), sorted; () for none.

    Nothing is decoded. Raises Refused, or what Pillow raises, for bytes that are not a picture.
    """
    kind = check_kind(content)
    image: Any = open_image(content, kind)
    found = {shown for name, shown in INFO.items() if image.info.get(name)}
    try:
        exif = image.getexif()
        if set(exif) & PERSONAL if kind == "TIFF" else set(exif):
            found.add("EXIF")
        if exif.get_ifd(GPS):
            found.add("GPS")
    except Exception:  # as many kinds as there are ways to damage it
        found.add("damaged EXIF")
    if kind == "PNG":
        found |= _chunks(content)
    if trailer_length(image, content):
        found.add("bytes after the picture")
    return tuple(sorted(found))


def _chunks(content: bytes) -> set[str]:
    """Everything in a PNG that no decoder needs, also after the pixels, where Pillow looks only when it decodes."""
    names = {name for name, _ in png_chunks(content)} - CHUNKS
    return {NAMED.get(name, f"chunk {name.decode('ascii', 'backslashreplace')}") for name in names}


def png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and body of every chunk of a PNG; what follows the last comes under the name b""."""
    view, at, name = memoryview(content), 8, b""
    while at + 8 <= len(content) and name != b"IEND":
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        yield name, view[at + 8 : at + 8 + length]
        at += length + 12
    if content[at:]:
        yield b"", view[at:]
