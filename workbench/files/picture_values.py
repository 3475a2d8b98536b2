"""The values of a picture, brought from however many bits to 8: what Pillow would do in silence, or not exactly."""

import sys
from typing import Any

import numpy as np
from PIL import Image

from workbench.files.picture_kinds import RESAVE, Refused, open_image

STRIP = 256  # rows worked on at once, so that no second copy of a large picture is ever held
MODES = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB",
         "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB", "CMYK": "RGB"}  # fmt: skip
KEYED = ("1", "L", "RGB", "I;16")  # modes in which one colour may stand for transparency
OTHER_ORDER = {"L": "B", "B": "L", "N": "L" if sys.byteorder == "big" else "B"}  # of Pillow's raw modes of 16 bits


def bits_of(image: Any, content: bytes, kind: str) -> int:
    """Bits a value, 8 also for fewer. Pillow cuts more down to 8 silently: its raw mode alone tells."""
    deep = ";16" in str(image.tile) and kind != "BMP"  # BMP's ;16 packs three colours into 16 bits
    if image.mode not in MODES and not (image.mode.startswith("I") and (deep or kind == "PPM")):
        many = {"LAB": "is in Lab colours", "F": "has floating-point values", "I": "has 32-bit values"}
        raise Refused(f"{many.get(image.mode, f'has the mode {image.mode}')}: {RESAVE}")
    if kind == "PPM" and isinstance(image.tile[0].args, tuple):
        return max(8, int(image.tile[0].args[1]).bit_length())  # of the largest value
    if kind == "AVIF" and (at := content.find(b"av1C")) >= 0 and content[at + 6] & 0x40:
        return 12 if content[at + 6] & 0x20 else 10
    return 16 if deep else max(8, image.info.get("bit_depth", 8))


def eight_bits(image: Any, content: bytes, kind: str) -> Any:
    """The picture, loaded, at 8 bits a value; a colour that stands for transparency as alpha, by its exact value."""
    key = image.info.pop("transparency", None) if image.mode in KEYED else None
    found, values = image, image
    if image.mode.startswith("I") or (";16" in str(image.tile) and kind != "BMP"):
        values = _wide(image, content, kind)
        small = np.empty(values.shape, np.uint8)
        for top in range(0, len(small), STRIP):
            small[top : top + STRIP] = (values[top : top + STRIP].astype(np.uint32) + 128) // 257
        found = Image.fromarray(small, "CMYK" if image.mode == "CMYK" else None)
    elif image.mode == "1":
        found = values = image.convert("L")
    elif image.mode == "L" and key is not None and kind == "PNG":
        key = key * 255 // (2 ** content[24] - 1)  # it counts in the file's own steps
    if key is not None:
        seen = np.atleast_3d(np.asarray(values) != key).any(2)
        found.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
    found.load()
    if kind == "BMP" and found.mode == "RGBA" and found.getchannel("A").getextrema()[1] == 0:
        found = found.convert("RGB")  # screenshots are written so: nobody means a picture that cannot be seen
    return found


def _wide(image: Any, content: bytes, kind: str) -> np.ndarray:
    """The values of a picture of 16 bits a value: uint16 H×W or H×W×C.

    Of colours Pillow keeps the high bytes alone, so it is asked a second time, as if the order of bytes was the other.
    """
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.uint16)
        return 65535 - grey if kind == "TIFF" and image.tag_v2.get(262, 0) == 0 else grey  # white is 0
    args = image.tile[0].args
    raw = args if isinstance(args, str) else args[0]
    straight = raw.replace("a;", "A;")
    orders = ["RGBA"] if raw == "LA;16B" else [straight, straight[:-1] + OTHER_ORDER[straight[-1]]]
    halves = []
    for order, one in zip(orders, (image, open_image(content, kind)), strict=False):
        one.tile = [tile._replace(args=order if args is raw else (order, *tile.args[1:])) for tile in one.tile]
        halves.append(np.asarray(one))
    if raw == "LA;16B":  # four bytes a pixel, as RGBA has
        return halves[0].view(">u2")
    wide = halves[0].astype(np.uint16) << 8 | halves[1]
    if straight != raw:  # colours were multiplied by alpha
        alpha = np.maximum(wide[:, :, 3:], 1).astype(np.uint32)
        wide[:, :, :3] = np.minimum(wide[:, :, :3] * np.uint32(65535) // alpha, 65535)
    return wide
