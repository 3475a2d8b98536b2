"""Verify on people's photos: originals of any kind against their copies, what a copy must not carry, tampering."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photographs import cmyk_profile, encoded, photograph, png16
from PIL import Image, ImageCms, PngImagePlugin

from workbench.cli import main
from workbench.config import DataError
from workbench.export import verify
from workbench.files.pictures import decode

EPSILON = 8
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def layers(seed=0) -> Image.Image:
    alpha = photograph(seed=9, grey=True)
    alpha[:10] = 0
    return Image.fromarray(np.dstack([photograph(seed=seed), alpha]))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(photograph(seed=3)), "JPEG", exif=exif, icc_profile=SRGB)


ORIGINALS = {
    "anna/turned.jpg": turned(),
    "anna/layers.png": encoded(layers()),
    "anna/print.tif": encoded(Image.fromarray(photograph()).convert("CMYK"), "TIFF", icc_profile=cmyk_profile()),
    "ben/deep.png": png16(photograph(seed=4).astype(np.uint16) * 257),
    "ben/still.gif": encoded(Image.fromarray(photograph(seed=5)), "GIF"),
    "ben/modern.avif": encoded(Image.fromarray(photograph(seed=6)), "AVIF"),
    "ben/grey": encoded(Image.fromarray(photograph(grey=True)), "JPEG"),
}
REFUSED = {"notes.txt": b"Dear diary", "ben/small.png": encoded(Image.new("RGB", (9, 9)))}


def copy_of(content: bytes, change=EPSILON, **options) -> bytes:
    """A protected copy as the program writes it, with a change of ±`change` wherever the picture is seen."""
    photo = decode(content)
    signs = np.random.default_rng(1).choice([-change, change], photo.pixels.shape)
    pixels = np.clip(photo.pixels + signs, 0, 255).astype(np.uint8)
    if photo.alpha is not None:
        pixels[photo.alpha == 0] = 0
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(photo.alpha))
    return encoded(picture, **{"icc_profile": photo.icc, **options})


@pytest.fixture
def folders(tmp_path):
    """Originals of every kind with copies and a manifest as `protect` leaves them."""
    entries = []
    for name, content in (*ORIGINALS.items(), *REFUSED.items()):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, content in ORIGINALS.items():
        target = name.rsplit(".", 1)[0] + ".png"
        path = tmp_path / "copies" / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(copy_of(content))
        entries.append({"file": target, "original": name, "person": name.split("/")[0],
                        "sha256": digest(path.read_bytes()), "original_sha256": digest(content)})  # fmt: skip
    refused = [{"name": name, "reason": "is not taken", "sha256": digest(content)} for name, content in REFUSED.items()]
    write(tmp_path / "copies", {"epsilon": EPSILON, "method": "em-joint", "files": entries, "refused": refused})
    return tmp_path / "mine", tmp_path / "copies"


def read(copies) -> dict:
    return json.loads((copies / "manifest.json").read_text())


def write(copies, manifest) -> None:
    copies.mkdir(exist_ok=True)
    (copies / "manifest.json").write_text(json.dumps(manifest))


def replace_copy(copies, name, content, listed=True) -> None:
    """Put other bytes in a copy's place, and let the manifest agree."""
    (copies / name).write_bytes(content)
    manifest = read(copies)
    for entry in manifest["files"]:
        if entry["file"] == name and listed:
            entry["sha256"] = digest(content)
    write(copies, manifest)


def problems(folders, epsilon=None) -> list[str]:
    return verify.verify(*folders, epsilon).problems


def test_originals_of_every_kind_are_compared_as_they_are_read(folders):
    verdict = verify.verify(*folders, None)
    assert verdict.problems == []
    assert (verdict.kept, verdict.checked, verdict.linf, verdict.refused) == (True, len(ORIGINALS), EPSILON, 2)
    words = verdict.in_words()
    assert "2 originals were refused" in words
    assert "every file that was not refused is there" in words
    assert len(problems(folders, EPSILON - 1)) == len(ORIGINALS)


def test_heic_originals_are_compared(folders):
    pytest.importorskip("pillow_heif").register_heif_opener()
    mine, copies = folders
    content = encoded(Image.fromarray(photograph(seed=7)), "HEIF")
    (mine / "anna" / "new.heic").write_bytes(content)
    assert problems(folders) == ["anna/new.heic: no protected copy"]
    manifest = read(copies)
    manifest["files"].append({"file": "anna/new.png", "original": "anna/new.heic", "sha256": digest(copy_of(content))})
    write(copies, manifest)
    (copies / "anna" / "new.png").write_bytes(copy_of(content))
    assert problems(folders) == []


def test_without_a_manifest_the_names_decide(folders):
    mine, copies = folders
    (copies / "manifest.json").unlink()
    for name in ("ben/grey", "ben/small.png"):
        (mine / name).unlink()
    (copies / "ben" / "grey.png").unlink()
    verdict = verify.verify(mine, copies, None)
    assert (verdict.problems, verdict.checked) == ([], len(ORIGINALS) - 1)


def test_a_single_photo_is_verified_against_its_copy(tmp_path):
    content = ORIGINALS["anna/turned.jpg"]
    (tmp_path / "me.jpg").write_bytes(content)
    (tmp_path / "other.jpg").write_bytes(content)
    write(tmp_path / "out", {"epsilon": 8, "refused": [], "files": [
        {"file": "me.png", "original": "me.jpg", "sha256": digest(copy_of(content))}]})  # fmt: skip
    (tmp_path / "out" / "me.png").write_bytes(copy_of(content))
    assert verify.verify(tmp_path / "me.jpg", tmp_path / "out", None).kept
    (tmp_path / "me.zip").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match="unpack"):
        verify.verify(tmp_path / "me.zip", tmp_path / "out", None)


def test_hidden_files_of_the_system_are_nobodys_photos(folders):
    for name in (".cache/a.jpg", "anna/._turned.jpg", "__MACOSX/a.jpg"):
        path = folders[0] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"resource fork")
    assert problems(folders) == []


def test_refused_originals_count_only_while_they_are_the_same(folders):
    mine, copies = folders
    (mine / "ben" / "small.png").write_bytes(encoded(Image.fromarray(photograph())))
    assert problems(folders) == ["ben/small.png: no protected copy"]
    manifest = read(copies)
    for one in manifest["refused"]:
        del one["sha256"]
    write(copies, manifest)
    assert verify.verify(*folders, None).refused == 2


def test_a_refused_name_hides_no_copy_that_is_listed(folders):
    copies = folders[1]
    manifest = read(copies)
    manifest["refused"].append({"name": "anna/turned.jpg", "reason": "so that nobody looks"})
    write(copies, manifest)
    replace_copy(copies, "anna/turned.png", copy_of(ORIGINALS["anna/turned.jpg"], change=40))
    assert any("changed by 40" in problem for problem in problems(folders))
    manifest["files"] = [entry for entry in manifest["files"] if entry["original"] != "anna/turned.jpg"]
    write(copies, manifest)
    assert problems(folders) == ["anna/turned.png: no original"]


def test_lost_and_changed_transparency_is_found(folders):
    copies = folders[1]
    opaque = Image.open(copies / "anna" / "layers.png").convert("RGB")
    replace_copy(copies, "anna/layers.png", encoded(opaque))
    assert problems(folders) == ["anna/layers.png: its transparency is not its original's"]
    altered = decode(ORIGINALS["anna/layers.png"])
    altered.alpha[20, 20] ^= 1
    replace_copy(copies, "anna/layers.png", encoded(Image.fromarray(np.dstack([altered.pixels, altered.alpha]))))
    assert problems(folders) == ["anna/layers.png: its transparency is not its original's"]


def test_colour_hidden_under_transparency_is_found(folders):
    replace_copy(folders[1], "anna/layers.png", ORIGINALS["anna/layers.png"])
    assert problems(folders) == ["anna/layers.png: holds colour hidden under transparency"]


@pytest.mark.parametrize("icc", [None, cmyk_profile(), SRGB + b"\0\0\0\0"])
def test_a_lost_or_other_colour_profile_is_found(folders, icc):
    replace_copy(folders[1], "anna/turned.png", copy_of(ORIGINALS["anna/turned.jpg"], icc_profile=icc))
    assert problems(folders) == ["anna/turned.png: its colour profile is not its original's"]


def test_an_added_colour_profile_is_found(folders):
    replace_copy(folders[1], "ben/deep.png", copy_of(ORIGINALS["ben/deep.png"], icc_profile=SRGB))
    assert problems(folders) == ["ben/deep.png: its colour profile is not its original's"]


@pytest.mark.parametrize("chunk", [(b"gAMA", b"\0\1\x86\xa0"), (b"cICP", b"\x0c\x0d\0\1"), (b"cHRM", bytes(range(32)))])
def test_colours_that_only_the_copy_describes_are_found(folders, chunk):
    said = PngImagePlugin.PngInfo()
    said.add(*chunk)
    replace_copy(folders[1], "ben/deep.png", copy_of(ORIGINALS["ben/deep.png"], pnginfo=said))
    assert problems(folders) == ["ben/deep.png: its colours are not described as its original's are"]


def test_metadata_left_in_a_copy_is_found(folders):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    content = copy_of(ORIGINALS["ben/deep.png"], exif=exif, pnginfo=text)
    replace_copy(folders[1], "ben/deep.png", content)
    assert problems(folders) == ["ben/deep.png: carries metadata (EXIF, GPS, XMP, text)"]
    replace_copy(folders[1], "ben/deep.png", copy_of(ORIGINALS["ben/deep.png"]) + b"a film")
    assert problems(folders) == ["ben/deep.png: carries metadata (bytes after the picture)"]


def test_a_copy_still_lying_on_its_side_is_found(folders):
    sideways = Image.fromarray(np.rot90(decode(ORIGINALS["anna/turned.jpg"]).pixels).copy())
    replace_copy(folders[1], "anna/turned.png", encoded(sideways, icc_profile=SRGB))
    assert problems(folders) == ["anna/turned.png: is 64×48×3, its original 48×64×3 (width×height×channels)"]


def test_copies_that_are_links_out_of_the_folder_are_not_read(folders, tmp_path):
    secret = tmp_path / "secret.png"
    (folders[1] / "ben" / "deep.png").rename(secret)
    (folders[1] / "ben" / "deep.png").symlink_to(secret)
    assert problems(folders) == ["ben/deep.png: is a link that leads out of the folder"]
    (folders[1] / "ben" / "deep.png").unlink()
    (folders[1] / "ben" / "deep.png").symlink_to("still.png")
    assert problems(folders) == ["ben/deep.png: is a link within the folder, which is not followed"]


@pytest.mark.parametrize(
    "name", ["../outside.png", "/etc/hostname", "anna/../../outside.png", "", ".", "\0", "x" * 5000]
)
@pytest.mark.parametrize("field", ["file", "original", "refused"])
def test_names_in_a_manifest_lead_nowhere(folders, tmp_path, name, field):
    (tmp_path / "outside.png").write_bytes(ORIGINALS["ben/deep.png"])
    mine, copies = folders
    manifest = read(copies)
    if field == "refused":
        manifest["refused"].append({"name": name, "reason": "x"})
    else:
        manifest["files"][0][field] = name
    write(copies, manifest)
    verdict = verify.verify(mine, copies, None)
    assert verdict.kept == (field == "refused")  # nothing was or is there: nothing is claimed of it
    assert verdict.refused == 2
    assert verdict.checked in (len(ORIGINALS), len(ORIGINALS) - 1)


def test_one_copy_for_two_originals_is_found(folders):
    manifest = read(folders[1])
    manifest["files"][0]["file"] = manifest["files"][1]["file"]
    write(folders[1], manifest)
    assert any("no original" in problem for problem in problems(folders))


def test_an_exported_set_may_drop_profiles_and_its_kinds_are_fewer(tmp_path):
    for folder in ("set/anna", "out/anna"):
        (tmp_path / folder).mkdir(parents=True)
    content = encoded(Image.fromarray(photograph()), "JPEG", icc_profile=SRGB)
    (tmp_path / "set" / "anna" / "a.jpg").write_bytes(content)
    (tmp_path / "set" / "anna" / "b.gif").write_bytes(ORIGINALS["ben/still.gif"])
    copy = copy_of(content, icc_profile=None)
    (tmp_path / "out" / "anna" / "a.png").write_bytes(copy)
    write(tmp_path / "out", {"epsilon": 8, "kind": "samplewise", "files": [
        {"file": "anna/a.png", "original": "anna/a.jpg", "class": "anna", "sha256": digest(copy)}]})  # fmt: skip
    assert verify.verify(tmp_path / "set", tmp_path / "out", None).kept


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {name: st.text(max_size=6) | ANYTHING for name in ("file", "original", "sha256")},
    optional={"original_sha256": ANYTHING, "person": ANYTHING, "class": ANYTHING},
)
MANIFEST = st.fixed_dictionaries(
    {"epsilon": st.integers() | ANYTHING, "files": st.lists(ENTRY, max_size=3) | ANYTHING},
    optional={
        "refused": st.lists(st.fixed_dictionaries({"name": st.text(max_size=6) | ANYTHING}), max_size=3) | ANYTHING,
        "left_out": st.lists(st.text(max_size=6)) | ANYTHING,
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | ANYTHING.map(json.dumps) | MANIFEST.map(json.dumps))
def test_any_manifest_is_honoured_or_refused_in_one_line(folders, content):
    mine, copies = folders
    (copies / "manifest.json").write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    try:
        verdict = verify.verify(mine, copies, None)
    except DataError as error:
        said = str(error)
        assert "manifest.json is not a manifest of this program" in said
        assert "\n" not in said
    else:
        verdict.in_words()


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"epsilon": true, "files": []}', b'{"epsilon": 8, "files": {}}',
    b'{"epsilon": 8, "files": [], "refused": null}', b'{"epsilon": 8, "files": [], "refused": [{"name": 1}]}',
    b'{"epsilon": 8, "files": [], "refused": [{"name": "a", "sha256": 1}]}', b"9" * 5000,
    b'{"epsilon": 8, "files": [], "left_out": [[]]}', b" " * (verify.MOST_MANIFEST + 1)])  # fmt: skip
def test_tampered_manifests_are_refused(folders, content):
    (folders[1] / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json is not a manifest of this program"):
        verify.verify(*folders, None)


def test_originals_that_lie_in_other_folders_are_known_by_their_content(folders, tmp_path):
    mine, copies = folders
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted(mine.rglob("*")):
        if path.is_file():
            (flat / path.name).write_bytes(path.read_bytes())
    verdict = verify.verify(flat, copies, None)
    assert verdict.kept, verdict.problems
    assert verdict.moved == verdict.checked == len(ORIGINALS)
    assert f"{len(ORIGINALS)} originals lie in other folders" in verdict.in_words()
    changed = next(iter(sorted(flat.glob("*.jpg"))))
    changed.write_bytes(changed.read_bytes() + b"x")
    assert not verify.verify(flat, copies, None).kept


def test_one_original_in_two_folders_has_two_copies_wherever_it_lies(folders, tmp_path):
    mine, copies = folders
    manifest = read(copies)
    entry = next(one for one in manifest["files"] if one["original"] == "anna/turned.jpg")
    (copies / "again.png").write_bytes((copies / entry["file"]).read_bytes())
    manifest["files"].append(entry | {"original": "old/turned.jpg", "file": "again.png"})
    write(copies, manifest)
    (mine / "new").mkdir()
    (mine / "new" / "turned.jpg").write_bytes((mine / "anna" / "turned.jpg").read_bytes())
    verdict = verify.verify(mine, copies, None)
    assert (verdict.kept, verdict.moved) == (True, 1), verdict.problems


def test_an_original_in_place_of_its_copy_is_told_from_another_file(folders):
    mine, copies = folders
    (copies / "ben" / "deep.png").write_bytes((mine / "ben" / "deep.png").read_bytes())
    assert "ben/deep.png: is the original itself (SHA-256 differs)" in problems(folders)


def test_a_zip_that_wraps_the_copies_is_unwrapped(folders, tmp_path, capsys):
    mine, copies = folders
    packed = shutil.make_archive(str(tmp_path / "wrapped"), "zip", copies.parent, copies.name)
    assert main(["verify", str(mine), packed]) == 0, capsys.readouterr().out
