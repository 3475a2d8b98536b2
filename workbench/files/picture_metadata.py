"""What a file carries besides the picture: a published copy should carry nothing."""

from typing import Any

from workbench.files.picture_kinds import check_kind, open_image, trailer_length

CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs", b"sBIT"}
NAMED = {b"eXIf": "EXIF", b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"tIME": "time"}
INFO = {"exif": "EXIF", "xmp": "XMP", "XML:com.adobe.xmp": "XMP", "photoshop": "IPTC", "comment": "comment"}
GPS = 34853
PERSONAL = {
    270,
    271,
    272,
    305,
    306,
    315,
    700,
    33432,
    33723,
    34665,
    GPS,
}  # tags of a TIFF that do not lay out its pixels


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
    found, at = set(), 8
    while at + 8 <= len(content):
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if name not in CHUNKS:
            found.add(NAMED.get(name, f"chunk {name.decode('ascii', 'backslashreplace')}"))
        at += length + 12
        if name == b"IEND":
            break
    if content[at:]:
        found.add("bytes after the picture")
    return found
