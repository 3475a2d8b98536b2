"""Noise by the largest face: in its box alone, the rest of the photo to the bit; the self-test looks there."""

import json

import numpy as np
import pytest
from PIL import Image
from test_known import astronaut, faces

from workbench.apps.photos import self_test, views, where
from workbench.apps.photos.protect import protect
from workbench.cli import main
from workbench.config import ProtectConfig
from workbench.export import verify
from workbench.models import existing


@pytest.fixture
def album(tmp_path):
    """Two portraits of two sizes, and a wall."""
    for folder, size in (("a", 512), ("b", 300)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        astronaut().resize((size, size)).save(tmp_path / "in" / folder / "face.png")
    Image.fromarray(np.full((90, 80, 3), 128, np.uint8)).save(tmp_path / "in" / "a" / "wall.png")
    return tmp_path / "in"


@faces
def test_only_the_box_around_the_face_is_changed(album, tmp_path):
    out = tmp_path / "out"
    assert main(["protect", str(album), str(out), "--method", "random", "--where", "faces"]) == 0
    entries = {one["original"]: one for one in json.loads((out / "manifest.json").read_text())["files"]}
    assert entries["a/wall.png"]["notes"] == [where.FACELESS]
    assert "box" not in entries["a/wall.png"]
    for name in ("a/face.png", "b/face.png"):
        before, after = (np.asarray(Image.open(root / name)).astype(int) for root in (album, out))
        left, top, right, bottom = entries[name]["box"]
        change = np.abs(after - before)
        assert 0 < change[top:bottom, left:right].max() <= 8
        change[top:bottom, left:right] = 0
        assert not change.any()
        assert (right - left) * (bottom - top) < change.size / 3 / 4  # her face is a small part of the portrait
    assert verify.verify(album, out, 8).kept
    shown = self_test._pairs(album, out)
    whole = np.asarray(Image.open(album / "a" / "face.png").resize((64, 64), Image.Resampling.BILINEAR))
    assert shown[2] == ["a", "a", "b"]
    assert np.abs(shown[0][0].astype(int) - whole).mean() > 20  # the face, and not the whole portrait
    assert main(["protect", str(album), str(out), "--method", "random"]) == 2  # another job


@faces
def test_a_single_photo_is_asked_about_though_nothing_can_be_trained_on_it(album, tmp_path):
    (album / "a" / "wall.png").unlink()
    protect(album, tmp_path / "out", ProtectConfig("random"))
    found = self_test.self_test(album, tmp_path / "out", ProtectConfig("random"))
    assert found.sentences[0].startswith(
        "A face recogniser that exists already (dlib's, of 2017) still knows who is on"
    )
    assert "2 of 2 for the same person" in found.sentences[0]
    assert found.sentences[-1].startswith("Nothing was trained: nobody in")
    assert found.rows.empty
    assert "An existing recogniser" in found.in_words()
    assert "An existing recogniser" in views.tested(found)


def test_noise_fades_towards_the_box_and_is_nothing_beside_it():
    found = where.placed(np.full((40, 20), 8, np.int8), (5, 10, 25, 50), 60, 40)
    assert found.shape == (60, 40)
    assert (found[20:40, 10:20] == 8).all()
    assert found[10, 5] < 8
    assert found[10:50, 5:25].min() > 0
    found[10:50, 5:25] = 0
    assert not found.any()


@pytest.mark.parametrize("box", [None, [1, 2, 3], [0, 0, 41, 60], [5, 5, 5, 9], [-1, 0, 4, 4], [0, 0, 40, 2**62]])
def test_a_box_that_is_none_of_the_photo_is_the_whole_photo(box):
    assert where.within(box, np.zeros((60, 40, 3), np.uint8)) is None
    assert where.within([0, 1, 40, 60], np.zeros((60, 40, 3), np.uint8)) == (0, 1, 40, 60)


def test_without_a_recogniser_it_is_one_line_and_nothing_is_made(album, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(existing, "lacking", lambda: "it needs the package dlib")
    assert main(["protect", str(album), str(tmp_path / "out"), "--where", "faces"]) == 2
    assert "an existing recogniser cannot be asked: it needs the package dlib" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
