"""Copies as JPEG files: what stands in them is measured, what a JPEG cannot hold is refused, and nothing else comes."""

import json

import numpy as np
import pytest
from pictures import picture, snapshot
from PIL import Image, ImageCms

from workbench.apps.photos import self_test
from workbench.apps.photos.protect import protect
from workbench.apps.photos.write_copy import LONGEST, check_fits
from workbench.cli import main
from workbench.config import ProtectConfig
from workbench.files.pictures import Photo, Refused, decode

AS_JPEG = ProtectConfig("random", format="jpeg")


@pytest.fixture
def album(tmp_path):
    """Photos of two people: colour, grey, turned by EXIF, with a profile, half transparent, in other colours."""
    for name in ("anna", "ben"):
        (tmp_path / "in" / name).mkdir(parents=True)
    root, colour = tmp_path / "in", Image.fromarray(picture(1, 64))
    colour.save(root / "anna" / "a.png")
    colour.save(root / "anna" / "a.jpg", quality=90)
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "a maker"
    Image.fromarray(picture(2, 96)[:, :64]).save(root / "anna" / "turned.jpg", exif=turned)
    Image.fromarray(picture(3, 64, grey=True)).save(root / "ben" / "grey.png")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colour.save(root / "ben" / "profile.tiff", icc_profile=profile)
    clear = colour.convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 0))
    clear.save(root / "ben" / "clear.png")
    turned = Image.Exif()
    turned.get_ifd(0x8769)[0xA001] = 2
    colour.save(root / "ben" / "adobe.jpg", exif=turned)
    return root


def test_jpeg_copies_say_what_was_measured_on_them(album, tmp_path, capsys):
    out = tmp_path / "out"
    report = protect(album, out, AS_JPEG)
    manifest = json.loads((out / "manifest.json").read_text())
    entries = {one["original"]: one for one in manifest["files"]}
    assert {name: one["file"] for name, one in entries.items()} == {
        "anna/a.jpg": "anna/a.jpg.jpg",
        "anna/a.png": "anna/a.png.jpg",
        "anna/turned.jpg": "anna/turned.jpg",
        "ben/grey.png": "ben/grey.jpg",
        "ben/profile.tiff": "ben/profile.jpg",
    }
    assert {one.name: one.reason.partition(",")[0] for one in report.refused} == {
        "ben/adobe.jpg": "has colours of a kind that a JPEG says otherwise: make its copy a PNG",
        "ben/clear.png": "is transparent in places",
    }
    for name, one in entries.items():
        before, after = decode((album / name).read_bytes()).pixels, Image.open(out / one["file"])
        assert (after.format, after.getexif()) == ("JPEG", {})
        assert (after.mode == "L") == (name == "ben/grey.png")
        change = np.abs(before.astype(int) - np.atleast_3d(np.asarray(after)).astype(int))
        assert change.max() == one["linf"] > 0
    assert Image.open(out / "anna" / "turned.jpg").size == (96, 64)
    assert (
        Image.open(out / "ben" / "profile.jpg").info["icc_profile"]
        == decode((album / "ben" / "profile.tiff").read_bytes()).icc
    )
    largest = max(one["linf"] for one in entries.values())
    assert manifest["bound"] == largest > manifest["epsilon"] == 8
    assert f"{largest} of 255 as decoded, measured, not bounded" in report.in_words()
    assert main(["verify", str(album), str(out)]) == 0
    assert "the copies are JPEG files" in capsys.readouterr().out
    assert main(["verify", str(album), str(out), "--epsilon", "8"]) == 1


def test_a_job_goes_on_and_its_copies_are_known_for_copies(album, tmp_path):
    out = tmp_path / "out"
    protect(album, out, AS_JPEG)
    before = snapshot(out)
    (out / "anna" / "turned.jpg").unlink()
    protect(album, out, AS_JPEG)
    after = snapshot(out)
    assert {name: body for name, body in after.items() if name != "manifest.json"} == {
        name: body for name, body in before.items() if name != "manifest.json"
    }
    assert main(["protect", str(out), str(tmp_path / "again"), "--method", "random"]) == 2
    assert main(["protect", str(album), str(out), "--method", "random"]) == 2  # the same as PNG is another job


def test_the_self_test_reads_them(album, tmp_path):
    protect(album, tmp_path / "out", AS_JPEG)
    before, after, people = self_test._pairs(album, tmp_path / "out")
    assert people == ["anna", "anna", "anna", "ben", "ben"]
    assert all(0 < np.abs(one.astype(int) - two).max() < 40 for one, two in zip(before, after, strict=True))


def test_a_false_bound_is_refused_in_one_line(album, tmp_path, capsys):
    protect(album, tmp_path / "out", AS_JPEG)
    file = tmp_path / "out" / "manifest.json"
    manifest = json.loads(file.read_text())
    for bound, said in ((-1, "a bound outside 0..255"), ("much", "bound is a text"), (3, "more than 3")):
        file.write_text(json.dumps(manifest | {"bound": bound}))
        assert main(["verify", str(album), str(tmp_path / "out")]) == (1 if bound == 3 else 2)
        assert said in "".join(capsys.readouterr())


def test_what_is_longer_than_a_jpeg_is_refused():
    long = Photo(np.zeros((32, LONGEST + 1, 1), np.uint8), None, None, ())
    with pytest.raises(Refused, match="longer than the 65,500 pixels"):
        check_fits(long, "jpeg")
    check_fits(long, "png")
