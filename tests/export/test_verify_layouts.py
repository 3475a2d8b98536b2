"""Folders as people have them: training, export and verify take the same images and say what they leave out."""

import json
import shutil
from pathlib import Path

import pytest
from pictures import picture, snapshot, write_folder
from PIL import Image

from workbench.cli import main
from workbench.config import DataConfig, DataError
from workbench.data import sources
from workbench.export import verify
from workbench.files.layout import layout
from workbench.library import load
from workbench.records import run_folder
from workbench.study import Study

CLASSES = ("cat", "dog")


def copy(root: Path, name: str) -> None:
    """Another copy of an image of the folder, as somebody's program leaves it."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(next(root.rglob("cat-05.png")), root / name)


def make(root: Path, kind: str) -> Path:
    """A folder of two classes of six images and more, with something about it."""
    base = root / {"wrapped": "pictures", "both": "pictures/Training", "parts": "train"}.get(kind, "")
    write_folder(base, 6, CLASSES)
    if kind == "checkpoints":
        copy(root, "cat/.ipynb_checkpoints/cat-00-checkpoint.png")
    elif kind == "loose":
        copy(root, "cover.png")
    elif kind == "annexed":
        for name in CLASSES:
            for index in range(3):
                (root / name / f"{index}.png").symlink_to(f"../.annex/{name}{index}")
    elif kind == "linked":
        (root / "dog" / "out.png").symlink_to(write_folder(root.parent / "real", 1, ("dog",)) / "dog" / "dog-00.png")
        (root / "cat" / "again.png").symlink_to("cat-01.png")
    elif kind == "other":
        (root / "cat" / "notes.txt").write_text("none")
        Image.fromarray(picture(1)).save(root / "dog" / "still.gif")
    elif kind == "parts":
        write_folder(root / "val", 2, CLASSES, first=500)
        copy(root, "train/cover.png")
    elif kind == "both":
        for part in ("test", "dev"):
            write_folder(root / "pictures" / part, 2, CLASSES, first=500)
        copy(root, "__MACOSX/x.png")
        copy(root, "pictures/dev/@eaDir/x.jpg")
    return root


KINDS = {
    "checkpoints": ({"hidden": 1}, 10),
    "loose": ({"loose beside the classes": 1}, 10),
    "annexed": ({"link to nowhere": 6}, 10),
    "linked": ({"link out of the folder": 1, "link within the folder": 1}, 10),
    "other": ({"of another format": 2}, 10),
    "wrapped": ({}, 10),
    "parts": ({"loose beside the classes": 1}, 12),
    "both": ({"in another part": 4, "left by the system": 1, "in a folder of thumbnails": 1}, 12),
}  # what is left out, and the training images


@pytest.mark.parametrize("kind", KINDS)
def test_verify_agrees_with_what_was_exported(tmp_path, capsys, kind):
    left, count = KINDS[kind]
    root, out = make(tmp_path / "in", kind), tmp_path / "out"
    before = snapshot(root)
    assert main(["export", "--data", f"folder:{root}", "--out", str(out)]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    manifest = json.loads((out / "manifest.json").read_text())
    assert {entry["class"] for entry in manifest["files"]} == set(CLASSES)
    assert len(manifest["files"]) == count
    assert manifest["contents"]["left_out"] == left
    assert "2 classes, " in said
    assert all(f"{many} " in said for many in left.values())
    assert ("left out" in said) == bool(left)
    assert main(["verify", str(root), str(out)]) == 0, capsys.readouterr().out
    words = capsys.readouterr().out
    assert all(f"{many} {why[:4]}" in words for why, many in left.items())
    assert ("not left out" in words.splitlines()[-1]) == bool(left or count == 10)
    assert snapshot(root) == before
    shutil.copy(next(out.rglob("dog-0*.png")), layout(root).train.root / "dog" / "new.png")
    assert not verify.verify(root, out, None).kept  # an image that an export would take today, and this one did not


@pytest.mark.parametrize("kind", KINDS)
def test_noise_and_training_take_the_same_and_record_it(tmp_path, kind):
    left, count = KINDS[kind]
    root, out = make(tmp_path / "in", kind), tmp_path / "out"
    words = ["noise", "--data", f"folder:{root}", "--method", "random", "--kind", "samplewise", "--device", "cpu"]
    assert main([*words, "--out", str(out)]) == 0
    pair = sources.load(DataConfig(data=f"folder:{root}"))
    assert (len(pair.train), pair.train.classes) == (count, CLASSES)
    record = run_folder.read(out)
    assert record.contents == pair.layout.facts
    assert record.contents["left_out"] == left
    assert record.contents["classes"] == 2
    assert record.contents["images"] == count + len(pair.test)


@pytest.mark.parametrize("kind", ["checkpoints", "parts"])
def test_a_limited_export_says_what_it_left_out(tmp_path, capsys, kind):
    root, out = make(tmp_path / "in", kind), tmp_path / "out"
    limits = ["--limit-train", "4", "--limit-test", "2"]
    assert main(["export", "--data", f"folder:{root}", *limits, "--out", str(out)]) == 0
    left_out = json.loads((out / "manifest.json").read_text())["left_out"]
    assert len(left_out) == 12 - 4  # whatever the limit of the test images
    assert main(["verify", str(root), str(out)]) == 0, capsys.readouterr().out
    assert "8 originals were left out" in capsys.readouterr().out
    (out / "cat" / "cat-01.png").unlink(missing_ok=True)
    (out / "cat" / "cat-00.png").unlink(missing_ok=True)
    assert main(["verify", str(root), str(out)]) == 1


@pytest.mark.parametrize("command", ["noise", "train", "export", "protect"])
@pytest.mark.parametrize("place", ["new", "cat/new", ".", "../link/new"])
def test_nothing_is_written_into_the_data(tmp_path, capsys, command, place):
    root = write_folder(tmp_path / "in", 4, CLASSES, side=32)
    (tmp_path / "link").symlink_to("in")
    before = snapshot(tmp_path)
    words = [command, "--data", f"folder:{root}", "--out", str(root / place)]
    if command == "protect":
        words = [command, str(root), str(root / place)]
    if command == "noise":
        words += ["--kind", "classwise"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "lies in it" in line
    assert snapshot(tmp_path) == before
    assert not (root / place).exists() or place == "."


@pytest.mark.parametrize(
    ("files", "words"),
    [({"one": CLASSES, "two": CLASSES}, "same folders"), ({"train": CLASSES, "extra": CLASSES}, "looks like a part"),
     ({"": CLASSES, "protected": CLASSES}, "beside it"), ({"val": CLASSES, "test": CLASSES}, "train on")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["noise", "export"])
def test_what_may_be_parts_is_refused_before_anything_is_written(tmp_path, capsys, files, words, command):
    for part, classes in files.items():
        write_folder(tmp_path / "in" / part, 2, classes)
    assert main([command, "--data", f"folder:{tmp_path / 'in'}", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["train", "--protected-fraction", "0.01", "--epochs", "1"], "is none"),
     (["train", "--epochs", "1", "--limit-train", "4"], "other data"),
     (["export", "--limit-train", "4"], "other data")],
)  # fmt: skip
def test_a_refusal_after_reading_is_one_line_too(tmp_path, capsys, words, said):
    root = write_folder(tmp_path / "in", 4, CLASSES)
    noise = ["noise", "--data", f"folder:{root}", "--method", "random", "--kind", "samplewise", "--device", "cpu"]
    assert main([*noise, "--out", str(tmp_path / "noise")]) == 0
    capsys.readouterr()
    rest = ["--data", f"folder:{root}", "--noise", str(tmp_path / "noise"), "--device", "cpu"]
    assert main([*words, *rest, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_a_study_and_the_library_say_it_once(tmp_path, capsys):
    root = write_folder(tmp_path / "in", 4, CLASSES)
    for _ in range(2):
        load(f"folder:{root}")
        study = Study(str(tmp_path / "out"), data=f"folder:{root}", device="cpu")
        study.noise("random", "samplewise", 4)
    assert capsys.readouterr().err.count("2 classes, 8 images") == 1
    with pytest.raises(DataError, match="lies in it"):
        Study(str(root / "out"), data=f"folder:{root}")
    assert not (root / "out").exists()


def test_without_a_manifest_the_part_to_train_on_is_meant(tmp_path):
    root = make(tmp_path / "in", "parts")
    shutil.copytree(root / "train", tmp_path / "out")
    assert verify.verify(root, tmp_path / "out", None).checked == 13
    shutil.copytree(root, tmp_path / "whole")
    assert verify.verify(root, tmp_path / "whole", None).checked == 17


def test_system_files_among_the_copies_are_no_problem(tmp_path):
    root = write_folder(tmp_path / "in", 2, CLASSES)
    shutil.copytree(root, tmp_path / "out")
    copy_of = (root / "cat" / "cat-00.png").read_bytes()
    for name in ("cat/._cat-00.png", ".DS_Store", "dog/Thumbs.db"):
        (tmp_path / "out" / name).write_bytes(copy_of)
    assert verify.verify(root, tmp_path / "out", None).kept
    (tmp_path / "out" / "cat" / "more.png").write_bytes(copy_of)
    assert verify.verify(root, tmp_path / "out", None).problems == ["cat/more.png: no original"]


@pytest.mark.parametrize("damage", ["text", "empty", "cut"])
def test_one_bad_file_is_named_and_stops_a_data_folder(tmp_path, damage):
    root = write_folder(tmp_path / "in", 4, CLASSES)
    whole = (root / "dog" / "dog-00.png").read_bytes()
    (root / "dog" / "bad.png").write_bytes({"text": b"Dear diary", "empty": b"", "cut": whole[:60]}[damage])
    with pytest.raises(DataError, match=r"dog/bad\.png"):
        sources.load(DataConfig(data=f"folder:{root}"))
