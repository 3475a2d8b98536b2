"""What the values of a picture mean as colours, however its file says so: a profile, or chunks of a PNG."""

import io
import itertools
import struct
from typing import Any

from PIL import ImageCms

from workbench.files.picture_kinds import png_chunks

Chunks = tuple[tuple[bytes, bytes], ...]  # names and bodies

SIZES = {b"gAMA": 4, b"cHRM": 32, b"cICP": 4}  # bytes
ADOBE_RGB: Chunks = (
    (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
    (b"gAMA", struct.pack(">I", 45471)),
)
PLAIN = {(1, 13), (1, 2), (2, 13), (2, 2)}  # primaries and transfer curve of ITU-T H.273: sRGB's, or left open
LEFT_OUT = "its own description of its colours left out: they are taken for sRGB"
EXIF, INTEROPERABILITY = 0x8769, 0xA005
TRANSFER, WHITE, PRIMARIES, COLOUR_SPACE = 0x012D, 0x013E, 0x013F, 0xA001


def colours(image: Any, mode: str, content: bytes, kind: str, notes: list[str]) -> tuple[bytes | None, Chunks]:
    """The profile of a loaded picture and what else a PNG is to say of its colours; neither for sRGB.

    mode: Pillow's, of the picture at 8 bits a value. What cannot be carried is left out, with a note.
    """
    icc = _profile(image, mode, content, kind, notes)
    if kind == "PNG":
        before = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(content))
        found = {name: bytes(body) for name, body in before if len(body) == SIZES.get(name, 1)}
        stronger = icc or b"sRGB" in found
        return icc, tuple(sorted((n, found[n]) for n in found if n == b"cICP" or (n in SIZES and not stronger)))
    if icc is None and kind in ("AVIF", "HEIF") and (at := content.find(b"colrnclx") + 8) >= 8:
        said = content[at + 1], content[at + 3]
        return None, () if said in PLAIN else ((b"cICP", bytes([*said, 0, 1])),)
    if icc is None and kind in ("JPEG", "TIFF"):
        return None, _from_camera(image, notes)
    return icc, ()


def _profile(image: Any, mode: str, content: bytes, kind: str, notes: list[str]) -> bytes | None:
    """The embedded profile, where it can be read and is one for the mode's kind of colour."""
    bmp = content[70:74] if kind == "BMP" and content[14] >= 108 else b"sRGB"  # a header of that length names a space
    own = bmp in (b"DEBM", b"KNIL") or (bmp == bytes(4) and any(content[74:122]))
    if own or (kind == "GIF" and b"ICCRGBG1012" in content):
        notes.append(LEFT_OUT)
    if "icc_profile" not in image.info:
        return None
    icc = image.info["icc_profile"]
    needed = {"L": "GRAY", "LA": "GRAY", "La": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB")
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip()
    except (OSError, TypeError, ImageCms.PyCMSError):
        found = "nothing readable"
    if found == needed:
        return bytes(icc)
    notes.append(f"colour profile left out (it is for {found}, the picture is {needed})")
    return None


def _from_camera(image: Any, notes: list[str]) -> Chunks:
    """What EXIF, or a TIFF's own tags, say of the colours."""
    try:
        exif = image.getexif()
        space, index = exif.get_ifd(EXIF).get(COLOUR_SPACE), exif.get_ifd(INTEROPERABILITY).get(1)
        primaries = (*exif[WHITE], *exif[PRIMARIES]) if WHITE in exif and PRIMARIES in exif else ()
        chromaticities = struct.pack(f">{len(primaries)}I", *(round(float(one) * 100_000) for one in primaries))
    except Exception:  # damaged, as many kinds as there are ways to
        return ()
    if space == 2 or (space == 0xFFFF and "R03" in str(index)):
        notes.append("Adobe RGB, as EXIF says, written as a PNG says it (cHRM, gAMA)")
        return ADOBE_RGB
    if space == 0xFFFF or (space != 1 and TRANSFER in exif):
        notes.append(LEFT_OUT)
    return ((b"cHRM", chromaticities),) if len(chromaticities) == SIZES[b"cHRM"] and space != 1 else ()
