"""One folder with every awkward kind of file: the job ends, every file has its verdict, nothing is lost or leaks."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from photographs import encoded, photograph, png16
from PIL import Image, ImageCms
from pillow_heif import from_pillow

from workbench.cli import main
from workbench.files import pictures
from workbench.files.picture_kinds import metadata

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[270], exif[305] = orientation, "at home", "phone"
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 7.0, 0.0)})
    return exif


def heif(image: Image.Image, path: Path) -> bytes:
    from_pillow(image).save(path, quality=90)
    return path.read_bytes()


def usable(tmp_path) -> dict[str, bytes]:
    colour, grey = Image.fromarray(photograph(64, 80)), Image.fromarray(photograph(64, 80, grey=True))
    clear = colour.convert("RGBA")
    clear.putalpha(Image.fromarray(np.linspace(0, 255, 64 * 80).reshape(64, 80).astype(np.uint8)))
    jpeg = encoded(colour, "JPEG", quality=90)
    deep = np.asarray(grey, np.uint16) * 257
    wide = Image.fromarray(np.tile(photograph(40, 2000), (1, 10, 1)))
    found = {
        **{f"turned {o}.jpg": encoded(colour, "JPEG", exif=with_exif(o), comment=b"secret") for o in range(1, 9)},
        "clear.png": encoded(clear),
        "clear.webp": encoded(clear, "WEBP", lossless=True),
        "palette.png": encoded(colour.quantize(64)),
        "palette.gif": encoded(colour.quantize(64), "GIF"),
        "two tones.png": encoded(grey.convert("1")),
        "grey.jpg": encoded(grey, "JPEG"),
        "grey with alpha.png": encoded(clear.convert("LA")),
        "deep grey.png": encoded(Image.fromarray(deep)),
        "deep colour.png": png16(photograph(64, 80).astype(np.uint16) * 257),
        "profile.jpg": encoded(colour, "JPEG", icc_profile=SRGB),
        "broken profile.jpg": encoded(colour, "JPEG", icc_profile=b"no profile at all"),
        "two lenses.mpo": encoded(colour, "MPO", save_all=True, append_images=[grey.convert("RGB")]),
        "motion.jpg": jpeg + b"\0\0\0\x18ftypmp42" + b"film" * 500,
        "wrong name.gif": jpeg,
        "wide.png": encoded(wide),
        "scan.tif": encoded(colour, "TIFF"),
        "old.bmp": encoded(colour, "BMP"),
        "iphone.heic": heif(colour, tmp_path / "made.heic"),
        "größe ñ 写真 😀.png": encoded(colour),
        "<img src=x onerror=alert(1)>.png": encoded(colour),
        "CON.png": encoded(colour),
        "-rf.png": encoded(colour),
        "Same.png": encoded(colour),
        "same.PNG": encoded(grey),
        "same.jpg": jpeg,
        f"{'long ' * 48}.png": encoded(colour),
    }
    return found


def refused() -> dict[str, bytes]:
    colour = Image.fromarray(photograph(64, 80))
    second = Image.fromarray(photograph(64, 80, seed=9))
    jpeg = encoded(colour, "JPEG", quality=90)
    bomb = encoded(Image.new("1", (12_000, 11_000)))
    return {
        "film.gif": encoded(colour, "GIF", save_all=True, append_images=[second]),
        "film.png": encoded(colour, "PNG", save_all=True, append_images=[second]),
        "film.webp": encoded(colour, "WEBP", save_all=True, append_images=[second]),
        "pages.tif": encoded(colour, "TIFF", save_all=True, append_images=[second]),
        "print.jpg": encoded(colour.convert("CMYK"), "JPEG"),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": encoded(colour)[:-40],
        "empty.png": b"",
        "letter.png": b"dear all",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "dot.png": encoded(Image.new("RGB", (1, 1))),
        "line.png": encoded(Image.new("RGB", (400, 1))),
        "bomb.png": bomb,
        "float.tif": encoded(Image.fromarray(np.random.default_rng(0).random((64, 80), np.float32)), "TIFF"),
        "notes.txt": b"shopping",
    }


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    (root / "me").mkdir(parents=True)
    for name, content in {**usable(tmp_path), **refused()}.items():
        (root / "me" / name).write_bytes(content)
    (tmp_path / "outside.png").write_bytes(encoded(Image.fromarray(photograph(seed=4))))
    (root / "me" / "link out.png").symlink_to(tmp_path / "outside.png")
    os.mkfifo(root / "me" / "pipe.png")
    with zipfile.ZipFile(root / "me" / "more.zip", "w") as archive:
        archive.writestr("../../escape.png", encoded(Image.fromarray(photograph())))
    return root


def hashes(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_hazard_in_one_folder(folder, tmp_path, capsys):
    before, out = hashes(folder), tmp_path / "out"
    assert main(["protect", str(folder), str(out), "--method", "random", "--json"]) == 0
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    found = json.loads(printed.out)
    states = {verdict["name"].removeprefix("me/"): verdict for verdict in found["verdicts"]}
    good, bad = set(usable(tmp_path)), {*refused(), "link out.png", "pipe.png", "more.zip"}
    assert set(states) == good | bad == set(os.listdir(folder / "me"))
    assert {name for name, verdict in states.items() if verdict["file"]} == good
    assert all(states[name]["reason"] for name in bad)
    assert {states[name]["linf"] for name in good} == {8}
    assert len({states[name]["file"].lower() for name in good}) == len(good)
    assert hashes(folder) == before
    assert not (tmp_path / "escape.png").exists()

    written = sorted(path for path in out.rglob("*") if path.is_file())
    assert len(written) == len(good) + 1
    for path in written:
        if path.suffix == ".png":
            content = path.read_bytes()
            assert set(metadata(content)) == set(), path.name
            assert b"at home" not in content
            assert b"secret" not in content
            assert pictures.decode(content).notes == ()
    assert main(["verify", str(folder), str(out)]) == 0
    assert "originals were refused, by the manifest" in capsys.readouterr().out


def test_all_turnings_end_as_one_upright_picture(folder, tmp_path):
    out = tmp_path / "out"
    for orientation in range(1, 9):
        source = tmp_path / f"turned {orientation}"
        source.mkdir()
        picture = Image.fromarray(photograph(64, 80))
        (source / "a.jpg").write_bytes(encoded(picture, "JPEG", exif=with_exif(orientation)))
        assert main(["protect", str(source), str(out / str(orientation)), "--method", "random", "--epsilon", "1"]) == 0
        with Image.open(out / str(orientation) / "a.png") as copy:
            assert copy.size == ((80, 64) if orientation < 5 else (64, 80))
            assert not copy.getexif()
