"""What two readers of other making see in the same files, where they are installed: ImageMagick and libvips."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from photographs import encoded
from PIL import Image
from test_pictures_product import COLOURFUL, EVERY, exif, png, tiff

from workbench.files.pictures import decode

CONVERT, VIPS = shutil.which("magick") or shutil.which("convert"), shutil.which("vips")
if CONVERT and "ImageMagick" not in subprocess.run([CONVERT, "-version"], capture_output=True, text=True).stdout:
    CONVERT = None  # something else of this name
FILES = {name: content for name, content, _ in EVERY}
for orientation in range(1, 9):
    jpeg = {"exif": b"Exif\0\0" + exif(orientation), "quality": 100, "subsampling": "4:4:4"}
    FILES[f"turned-{orientation}.jpg"] = encoded(Image.fromarray(COLOURFUL), "JPEG", **jpeg)
    FILES[f"turned-{orientation}.tif"] = tiff("RGB", 8, "<", tag_274=orientation)[0]
FILES["clear.gif"] = encoded(Image.fromarray(COLOURFUL[:, :, 0], "L"), "GIF", transparency=40)
FILES["clear.webp"] = encoded(Image.fromarray(COLOURFUL[:, :, [0, 1]], "LA").convert("RGBA"), "WEBP", lossless=True)
FILES["adam.png"] = png(2, 8, True)[0]
# Where they differ, the formats' own texts are on this program's side: a value that no text explains is no alpha, white
# is zero at any depth, values are parts of the largest. An alpha that is 0 all over is what screenshots write.
UNEXPLAINED = ("and-something", "-32.bmp", "alpha-0.bmp")
KNOWN = {"convert": (*UNEXPLAINED, "white-is-zero-2", "white-is-zero-4"), "vips": (*UNEXPLAINED, "100-", "1023-")}


def seen(files: list[Path], folder: Path) -> list[bytes]:
    """Red, green, blue and alpha of all files, upright, by one call of ImageMagick."""
    folder.mkdir()
    command = [CONVERT, *files, "-auto-orient", "-depth", "8", "+adjoin", f"RGBA:{folder}/%04d"]
    subprocess.run(command, check=True, capture_output=True)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("tool", KNOWN)
def test_others_see_the_same(tool, tmp_path):
    if not CONVERT or (tool == "vips" and not VIPS):
        pytest.skip(f"{tool} is not installed")
    paths = [tmp_path / name for name in FILES]
    for path, content in zip(paths, FILES.values(), strict=True):
        path.write_bytes(content)
    if tool == "vips":
        upright = [path.with_name(f"{path.name}.png") for path in paths]
        for path, out in zip(paths, upright, strict=True):
            given = f"{path}[autorotate]" if path.suffix in (".jpg", ".tif") else path
            subprocess.run([VIPS, "colourspace", given, f"{out}[strip]", "srgb"], check=True, capture_output=True)
        paths = upright
    differing = {}
    for (name, content), raw in zip(FILES.items(), seen(paths, tmp_path / "raw"), strict=True):
        photo = decode(content)
        other = np.frombuffer(raw, np.uint8).reshape(*photo.pixels.shape[:2], 4).astype(int)
        alpha = np.broadcast_to(np.atleast_3d(photo.opacity), (*photo.pixels.shape[:2], 1))
        far = np.abs(np.where(alpha > 8, other[:, :, :3] - photo.pixels, 0)).max()
        through = np.abs(other[:, :, 3:] - alpha).max()
        if (far > (3 if name.endswith("jpg") else 1) or through > 1) and not any(one in name for one in KNOWN[tool]):
            differing[name] = f"{far} in colour, {through} in transparency"
    assert differing == {}
