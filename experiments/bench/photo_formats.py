"""Pictures of every kind that people have, protected, and checked by a reader that is not the program's own.

    python experiments/bench/photo_formats.py --out runs/formats

Pictures are made from two public photographs (those that scikit-learn ships): JPEG, PNG, WebP, TIFF, GIF, BMP, PPM,
AVIF and HEIC, of 1 to 16 bits, grey, with transparency, profiles, all EXIF orientations, several frames, broken ones.
`protect` makes copies, which torchvision (libpng) decodes; the originals are decoded by Pillow alone. Writes
OUT/photo_formats.csv, one row per picture, and exits with 1 when a copy is lost or beyond the budget.
"""

import argparse
import io
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from sklearn.datasets import load_sample_images
from torchvision.io import ImageReadMode, decode_png

from workbench.apps.photos.protect import protect
from workbench.config import ProtectConfig, WorkbenchError
from workbench.files import atomic

COLOUR, OTHER = (Image.fromarray(pixels[:300, :400]) for pixels in load_sample_images().images)
Made = tuple[str, bytes]


def main() -> int:
    """Make, protect, check; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="random")
    arguments = parser.parse_args()
    out = arguments.out
    made = dict([*jpegs(), *pngs(), *others(), *broken()])
    try:
        atomic.make(out / "in")
        for name, content in made.items():
            (out / "in" / name).write_bytes(content)
        report = protect(out / "in", out / "copies", ProtectConfig(method=arguments.method))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    verdicts = {one.name: one for one in report.verdicts}
    found = pd.DataFrame([row(name, made[name], verdicts.get(name), out / "copies") for name in made])
    atomic.write_atomically(out / "photo_formats.csv", found.to_csv(index=False))
    print(found.drop(columns="notes").to_string(index=False))
    copied = found[found["verdict"] == "copied"]
    sound = (
        copied["largest"].between(1, 8) & copied["same_size"] & copied["same_alpha"] & copied["same_profile"]
    ).all()
    print(f"{len(made)} pictures: {len(copied)} copied, {len(found) - len(copied)} refused; all sound: {sound}")
    return int(not sound or "lost" in set(found["verdict"]))


def encoded(image: Image.Image, kind: str, **how: Any) -> bytes:
    """A picture as a file of this kind."""
    file = io.BytesIO()
    image.copy().save(file, kind, **how)
    return file.getvalue()


def jpegs() -> Iterator[Made]:
    """JPEGs: plain, progressive, grey, CMYK, turned, tagged, with two pictures."""
    yield "plain.jpg", encoded(COLOUR, "JPEG", quality=92)
    yield "progressive.jpeg", encoded(COLOUR, "JPEG", quality=80, progressive=True)
    yield "full-colour.jpg", encoded(OTHER, "JPEG", quality=95, subsampling=0)
    yield "grey.jpg", encoded(COLOUR.convert("L"), "JPEG")
    yield "cmyk.jpg", encoded(COLOUR.convert("CMYK"), "JPEG")
    yield "comment.jpg", encoded(COLOUR, "JPEG", comment=b"somebody's")
    yield "profile.jpg", encoded(COLOUR, "JPEG", icc_profile=profile("sRGB"))
    yield "motion.jpg", encoded(COLOUR, "JPEG") + b"\0\0\0\x18ftypmp42" + bytes(2000)
    yield "two-in-one.jpg", encoded(COLOUR, "MPO", save_all=True, append_images=[OTHER.copy()])
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = turn, "a maker"
        yield f"turned-{turn}.jpg", encoded(COLOUR, "JPEG", exif=exif)
    adobe = Image.Exif()
    adobe.get_ifd(0x8769)[0xA001] = 2
    yield "adobe-rgb.jpg", encoded(COLOUR, "JPEG", exif=adobe)
    located = Image.Exif()
    located.get_ifd(0x8825)[1] = "N"
    yield "located.jpg", encoded(OTHER, "JPEG", exif=located)


def pngs() -> Iterator[Made]:
    """PNGs: of all depths, with transparency, profiles and what they say of their colours."""
    yield "plain.png", encoded(COLOUR, "PNG")
    yield "capitals.PNG", encoded(OTHER, "PNG")
    yield "grey.png", encoded(COLOUR.convert("L"), "PNG")
    yield "one-bit.png", encoded(COLOUR.convert("1"), "PNG")
    yield "palette.png", encoded(COLOUR.quantize(64), "PNG")
    yield "palette-clear.png", encoded(COLOUR.quantize(64), "PNG", transparency=3)
    yield "clear.png", encoded(with_alpha(COLOUR), "PNG")
    yield "grey-clear.png", encoded(with_alpha(COLOUR).convert("LA"), "PNG")
    yield "grey-16.png", encoded(Image.fromarray(np.asarray(COLOUR.convert("L")).astype(np.uint16) * 257), "PNG")
    yield "colour-16.png", sixteen(np.asarray(COLOUR))
    yield "profile.png", encoded(COLOUR, "PNG", icc_profile=profile("sRGB"))
    for name, chunk, body in (
        ("gamma", b"gAMA", struct.pack(">I", 55555)),
        ("srgb", b"sRGB", b"\0"),
        ("wide-gamut", b"cICP", bytes([12, 13, 0, 1])),
    ):
        said = PngImagePlugin.PngInfo()
        said.add(chunk, body)
        yield f"{name}.png", encoded(COLOUR, "PNG", pnginfo=said)
    said = PngImagePlugin.PngInfo()
    said.add_text("Author", "somebody")
    yield "text.png", encoded(COLOUR, "PNG", pnginfo=said)
    yield "animated.png", encoded(COLOUR, "PNG", save_all=True, append_images=[OTHER.copy()])
    yield "misnamed.jpg.png", encoded(COLOUR, "JPEG")


def others() -> Iterator[Made]:
    """All other kinds."""
    yield "lossy.webp", encoded(COLOUR, "WEBP", quality=90)
    yield "exact.webp", encoded(COLOUR, "WEBP", lossless=True)
    yield "clear.webp", encoded(with_alpha(COLOUR), "WEBP", lossless=True)
    yield "animated.webp", encoded(COLOUR, "WEBP", save_all=True, append_images=[OTHER.copy()])
    yield "plain.tif", encoded(COLOUR, "TIFF")
    yield "packed.tiff", encoded(COLOUR, "TIFF", compression="tiff_lzw")
    yield "deflated.tiff", encoded(COLOUR, "TIFF", compression="tiff_adobe_deflate")
    yield "grey-16.tif", encoded(Image.fromarray(np.asarray(COLOUR.convert("L")).astype(np.uint16) * 257), "TIFF")
    yield "clear.tif", encoded(with_alpha(COLOUR), "TIFF")
    yield "profile.tif", encoded(COLOUR, "TIFF", icc_profile=profile("sRGB"))
    yield "pages.tif", encoded(COLOUR, "TIFF", compression="tiff_lzw", save_all=True, append_images=[OTHER.copy()])
    yield "still.gif", encoded(COLOUR, "GIF")
    yield "animated.gif", encoded(COLOUR, "GIF", save_all=True, append_images=[OTHER.copy()])
    yield "plain.bmp", encoded(COLOUR, "BMP")
    yield "plain.ppm", encoded(COLOUR, "PPM")
    yield "grey.pgm", encoded(COLOUR.convert("L"), "PPM")
    yield "plain.avif", encoded(COLOUR, "AVIF", quality=90)
    yield "clear.avif", encoded(with_alpha(COLOUR), "AVIF", quality=90)
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()
    yield "plain.heic", encoded(COLOUR, "HEIF", quality=90)


def broken() -> Iterator[Made]:
    """What is no whole picture."""
    yield "torn.jpg", encoded(COLOUR, "JPEG")[:9000]
    yield "torn.png", encoded(COLOUR, "PNG")[:90_000]
    yield "text.jpg", b"no picture at all"
    yield "tiny.png", encoded(COLOUR.resize((20, 20)), "PNG")
    yield "all-clear.png", encoded(Image.new("RGBA", (64, 64)), "PNG")


def profile(space: str) -> bytes:
    """A colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


def with_alpha(image: Image.Image) -> Image.Image:
    """The picture, more transparent from left to right, and wholly in its upper left."""
    alpha = np.tile(np.linspace(255, 60, image.width).astype(np.uint8), (image.height, 1))
    alpha[:40, :40] = 0
    found = image.convert("RGBA")
    found.putalpha(Image.fromarray(alpha))
    return found


def sixteen(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a colour, which Pillow cannot write."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels.astype(np.uint16) * 257)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def row(name: str, content: bytes, verdict: Any, copies: Path) -> dict[str, Any]:
    """What became of a picture, measured on the copy as libpng reads it."""
    shown: dict[str, Any] = {"picture": name, "verdict": "lost", "largest": None, "notes": ""}
    if verdict is None:
        return shown
    if verdict.file is None:
        return shown | {"verdict": "refused", "notes": verdict.reason}
    body = (copies / verdict.file).read_bytes()
    copy = decode_png(torch.frombuffer(bytearray(body), dtype=torch.uint8), ImageReadMode.RGB_ALPHA).numpy()
    opened = Image.open(io.BytesIO(content))
    if name == "colour-16.png":  # of which Pillow reads the upper bytes
        opened = COLOUR
    if opened.mode.startswith("I;16"):
        opened = Image.fromarray((np.asarray(opened) // 257).astype(np.uint8))
    icc = opened.info.get("icc_profile")
    original = np.moveaxis(np.asarray(ImageOps.exif_transpose(opened).convert("RGBA")), 2, 0)
    same = original.shape == copy.shape
    seen = original[3] > 0 if same else None
    return shown | {
        "verdict": "copied",
        "largest": int(np.abs(copy[:3].astype(int) - original[:3])[:, seen].max()) if same else -1,
        "same_size": same,
        "same_alpha": bool(same and (copy[3] == original[3]).all()),
        "same_profile": Image.open(io.BytesIO(body)).info.get("icc_profile") == icc,
        "notes": "; ".join(verdict.notes),
    }


if __name__ == "__main__":
    sys.exit(main())
