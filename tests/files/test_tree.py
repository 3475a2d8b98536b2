"""The walk through folders of images: what is an image, what is left out and why, what is a class, a person, a part."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from refusals import refused

from workbench.files import layout as layouts
from workbench.files import tree
from workbench.files.layout import layout, people

ROOT = Path("photos")


def put(root: Path, *names: str) -> Path:
    """Empty files of these names; a name that ends in "/" is a folder. Returns the root."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def found(root: Path) -> tuple[list[str], dict[str, str]]:
    walked = tree.walk(root)
    return walked.files, dict(walked.left)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("cat/.ipynb_checkpoints/0-checkpoint.png", tree.HIDDEN), ("cat/.hidden.png", tree.HIDDEN),
     ("cat/._0.png", tree.HIDDEN), (".git/annex/0.png", tree.HIDDEN), ("cat/.DS_Store", tree.HIDDEN),
     ("__MACOSX/cat/0.png", tree.SYSTEM), ("cat/Thumbs.db", tree.SYSTEM), ("cat/THUMBS.DB", tree.SYSTEM),
     ("cat/ehthumbs.db", tree.SYSTEM), ("desktop.ini", tree.SYSTEM), ("$RECYCLE.BIN/S-1-5/0.png", tree.SYSTEM),
     ("#recycle/0.png", tree.SYSTEM), ("lost+found/0.png", tree.SYSTEM),
     ("System Volume Information/0.png", tree.SYSTEM), ("cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", tree.THUMBNAIL),
     ("DCIM/.thumbnails/1.jpg", tree.THUMBNAIL), ("cat/.@__thumb/s1000.png", tree.THUMBNAIL),
     ("AVF_INFO/THMBNL/1.jpg", tree.THUMBNAIL), ("cat/0.png", ""), ("thumbs/up.png", ""), ("a.b/c..png", ""),
     ("../x.png", ""), ("./x.png", "")],
)  # fmt: skip
def test_what_systems_leave_behind_is_nobodys_image(tmp_path, name, reason):
    assert tree.litter(name) == reason
    if not name.startswith("."):
        put(tmp_path, name, "cat/plain.png")
        files, left = found(tmp_path)
        assert (name in files) == (not reason)
        assert list(left.values()) == [reason] * bool(reason)
        assert "cat/plain.png" in files


def test_what_is_left_out_is_not_walked_through(tmp_path):
    put(tmp_path, ".git/a/0.png", ".git/b/1.png", "__MACOSX/._a/b.png", "cat/0.png")
    files, left = found(tmp_path)
    assert (files, left) == (["cat/0.png"], {".git": tree.HIDDEN, "__MACOSX": tree.SYSTEM})


def test_links_are_never_followed_and_the_reason_is_told(tmp_path):
    outside = put(tmp_path / "outside", "secret.png")
    root = put(tmp_path / "photos", "cat/0.png", ".store/1.png")
    for name, target in {
        "cat/file.png": outside / "secret.png", "dog": outside, "cat/up": tmp_path, "cat/1.png": "../.store/1.png",
        "cat/again.png": "0.png", "cats": "cat", "cat/self": "..", "circle": "circle", "cat/gone.png": "../.annex/gone",
        "cat/away.png": outside / "gone.png",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    files, left = found(root)
    assert files == ["cat/0.png"]
    assert left == {
        "cat/file.png": tree.OUTWARD, "dog": tree.OUTWARD, "cat/up": tree.OUTWARD, "cat/away.png": tree.OUTWARD,
        "cat/1.png": tree.INWARD, "cat/again.png": tree.INWARD, "cats": tree.INWARD, "cat/self": tree.INWARD,
        "circle": tree.NOWHERE, "cat/gone.png": tree.NOWHERE, ".store": tree.HIDDEN,
    }  # fmt: skip
    assert set(left.values()) - {tree.HIDDEN} <= set(tree.SAID)
    (tmp_path / "link").symlink_to("photos")
    assert found(tmp_path / "link") == (files, left)  # what is asked for may be a link


@pytest.mark.skipif(sys.platform != "win32", reason="junctions are Windows' own")
def test_junctions_are_links_too(tmp_path):
    import _winapi

    put(tmp_path / "outside", "secret.png")
    put(tmp_path / "photos", "cat/0.png")
    _winapi.CreateJunction(str(tmp_path / "outside"), str(tmp_path / "photos" / "dog"))
    assert found(tmp_path / "photos") == (["cat/0.png"], {"dog": tree.OUTWARD})


def test_pipes_closed_folders_and_odd_names_are_left_out(tmp_path):
    put(tmp_path, "cat/0.png", "closed/1.png")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    with open(os.path.join(os.fsencode(tmp_path), b"cat", b"caf\xe9.png"), "wb"):
        pass
    if os.geteuid():
        (tmp_path / "closed").chmod(0)
    files, left = found(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert files == ["cat/0.png"] + ([] if os.geteuid() else ["closed/1.png"])
    expected = {"cat/pipe.png": tree.SPECIAL, "cat/caf\udce9.png": tree.MISNAMED}
    assert left == expected | ({"closed": tree.CLOSED} if os.geteuid() else {})
    assert found(tmp_path / "gone") == ([], {".": tree.CLOSED})


def test_the_order_is_that_of_folders_and_their_files(tmp_path):
    names = ["a/b/c.png", "a/b.png", "a-/0.png", "B/0.png", "a/b-0.png"]
    assert found(put(tmp_path, *names))[0] == ["B/0.png", "a/b/c.png", "a/b-0.png", "a/b.png", "a-/0.png"]


CLASSES = ("cat/0.png", "dog/0.png")


def below(part: str, *names: str) -> list[str]:
    return [f"{part}/{name}" for name in names or CLASSES]


def arranged(*names: str) -> dict[str, str]:
    return layouts.arrange(ROOT, [name for name in names if not name.endswith("/")],
                           [name.rstrip("/") for name in names if name.endswith("/")])  # fmt: skip


@pytest.mark.parametrize(
    ("names", "bases"),
    [
        (CLASSES, {"": ""}),
        ([*CLASSES, "cover.png"], {"": ""}),
        (["0.png"], {"": ""}),
        ([], {"": ""}),
        (below("wrap"), {"": "wrap"}),
        (below("home/me/wrap"), {"": "home/me/wrap"}),
        (["Anna/0.png"], {"": ""}),  # one person, no wrapper
        (["Anna/0.png", "Anna/2020/1.png"], {"": ""}),
        ([*below("wrap"), "empty/"], {"": ""}),
        (below("train"), {"": "train"}),
        ([*below("train"), *below("test")], {"test": "test", "train": "train"}),
        ([*below("Training"), *below("VAL")], {"Training": "Training", "VAL": "VAL"}),
        ([*below("training"), *below("valid"), *below("testing")], dict.fromkeys(("testing", "training", "valid"))),
        ([*below("train"), *below("dev", "cat/0.png")], {"dev": "dev", "train": "train"}),
        ([*below("wrap/train"), *below("wrap/validation")], {"train": "wrap/train", "validation": "wrap/validation"}),
        ([*below("train/images"), *below("val/images")], {"train": "train/images", "val": "val/images"}),
        ([*below("train"), *below("val"), "train/cover.png"], {"train": "train", "val": "val"}),
        ([*below("train"), *below("val"), "docs/"], {"train": "train", "val": "val"}),
        ([*below("train"), *below("val"), "unlabelled/0.png"], {"train": "train", "val": "val"}),
        (["train/0.png", "car/0.png", "plane/0.png"], {"": ""}),  # a class may be called so
        (["train/0.png", "train/steam/1.png", "car/0.png"], {"": ""}),
        (["Dev/0.png", "Val/0.png", "Anna/0.png"], {"": ""}),  # and people
        (["Dev/2020/0.png", "Dev/2021/0.png", "Val/2020/0.png", "Anna/0.png"], {"": ""}),
        (["n01/images/0.png", "n02/images/0.png"], {"": ""}),
        (["Anna/2020/0.png", "Anna/2021/0.png", "Ben/2021/0.png", "Ben/2022/0.png"], {"": ""}),
        (["Anna/a/0.png", "Anna/b/0.png", "Ben/a/0.png", "Ben/b/0.png", "Cleo/0.png"], {"": ""}),
    ],
)  # fmt: skip
def test_classes_are_the_folders_below_wrappers_and_parts(names, bases):
    expected = {part: base or part for part, base in bases.items()}
    assert arranged(*names) == expected


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*below("one"), *below("two")], ("same folders", "one and two")),
        ([*below("2020"), *below("2021"), *below("2022")], ("same folders",)),
        ([*below("wrap/one"), *below("wrap/two")], ("photos/wrap", "same folders")),
        (["cat/train/0.png", "cat/test/0.png", "dog/train/0.png", "dog/test/0.png"], ("same folders",)),
        (["cat/Train/0.png", "cat/Test/0.png", "dog/Train/0.png"], ("same folders",)),
        (["train/0.png", "test/0.png"], ("photos/test", "part", "no folders")),
        ([*below("train"), "test/0.png"], ("photos/test", "no folders")),
        ([*below("train"), "val/"], ("photos/val", "no folders")),
        ([*below("train"), *below("extra")], ("photos/train", "extra")),
        ([*below("train"), "extra/0.png"], ("photos/train", "extra")),
        ([*below("Test"), "car/0.png"], ("photos/Test", "car")),
        ([*CLASSES, *below("protected")], ("photos/protected", "beside it")),
        ([*CLASSES, "cow/0.png", *below("blurred")], ("photos/blurred", "beside it")),
    ],
)  # fmt: skip
def test_what_may_be_parts_or_classes_is_refused_in_one_line(names, words):
    refused(lambda: arranged(*names), *words)


@pytest.mark.parametrize(
    ("names", "owners"),
    [
        (["Anna/0.png", "Ben/2020/1.png", "top.png"], ["Anna", "Ben", ""]),
        (["P/Anna/0.png", "P/Ben/1.png"], ["Anna", "Ben"]),
        (["a/P/Anna/0.png", "a/P/Ben/x/1.png"], ["Anna", "Ben"]),
        (["train/Anna/0.png", "train/Ben/0.png", "val/Anna/1.png"], ["Anna", "Ben", "Anna"]),
        (["P/train/Anna/0.png", "P/train/Ben/0.png", "P/test/Ben/1.png"], ["Anna", "Ben", "Ben"]),
        (["Anna/0.png", "Anna/1.png"], ["Anna", "Anna"]),
        (["me.png"], [""]),
        ([], []),
    ],
)
def test_a_photo_is_its_folders_not_its_wrappers(names, owners):
    assert people(ROOT, names) == owners


def test_a_layout_says_what_there_is_and_what_is_left_out(tmp_path):
    root = put(tmp_path, *below("train"), *below("train", "dog/1.JPG", "dog/.1.png", "dog/notes.txt", "dog/x.heic"),
               *below("test"), *below("val", "cat/0.png", "dog/7.png", "dog/8.png"), "cover.png", "train/top.png",
               "extra/1.png")  # fmt: skip
    (root / "train" / "cat" / "gone.png").symlink_to("nowhere")
    (root / "train" / "cat" / "gone too.png").symlink_to("nowhere")
    whole = layout(root)
    assert (whole.train.root, whole.train.classes) == (root / "train", ("cat", "dog"))
    assert whole.train.names == ("cat/0.png", "dog/0.png", "dog/1.JPG")
    assert whole.test is not None
    assert (whole.test.root, whole.test.names) == (root / "test", CLASSES)
    assert whole.left == Counter(
        {tree.HIDDEN: 1, tree.NOWHERE: 2, tree.OTHER: 2, tree.LOOSE: 2, tree.BESIDE: 4}
    )  # fmt: skip
    words = str(whole)
    assert words.startswith("2 classes, 5 images; train and test given, val not taken; left out: ")
    for part in ("1 hidden", "2 links to nowhere", "2 of another format", "2 loose", "4 in another part"):
        assert part in words
    assert whole.facts["left_out"][tree.BESIDE] == 4
    assert (whole.facts["classes"], whole.facts["images"], whole.facts["parts"]) == (2, 5, ["train", "test"])


def test_every_image_is_taken_or_counted(tmp_path):
    names = [*below("w/Train"), *below("w/dev"), "w/Train/b.png", "w/x/c.png", "w/x/d/e.png", "f.txt", "w/g.gif"]
    whole = layout(put(tmp_path, *names))
    assert whole.parts == ("Train", "dev")
    assert sum(whole.left.values()) + sum(len(part.names) for part in whole.given) == len(names)


def test_without_parts_nothing_is_left_out_and_it_is_said(tmp_path):
    whole = layout(put(tmp_path, *CLASSES))
    assert str(whole) == "2 classes, 2 images; split into train and test"
    assert (whole.given, layouts.Layout().facts) == ([whole.train], {})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(("train", "test"), ("train", "test")), (("train", "val"), ("train", "val")), (("Training", "Dev"),) * 2,
     (("train", "validation", "testing"), ("train", "testing")), (("TRAIN", "VALID", "Test"), ("TRAIN", "Test"))],
)  # fmt: skip
def test_the_part_to_test_on_is_test_or_else_validation(tmp_path, parts, expected):
    whole = layout(put(tmp_path, *(name for part in parts for name in below(part))))
    assert whole.parts[:2] == expected
    assert set(whole.parts) == set(parts)


@pytest.mark.parametrize("parts", [("val", "test"), ("train", "training", "test"), ("train", "val", "dev"),
                                   ("train", "training")])  # fmt: skip
def test_parts_that_cannot_be_chosen_among_are_refused(tmp_path, parts):
    put(tmp_path, *(name for part in parts for name in below(part)))
    refused(lambda: layout(tmp_path), tmp_path, ", ".join(sorted(parts)))


@pytest.mark.parametrize(
    ("names", "words"),
    [((), ("no folders of images",)), (("0.png",), ("no folders", "1 loose")), (("cat/0.png",), ("only the class",)),
     (("cat/0.png", "dog/"), ("dog", "no images")), (("cat/0.png", "dog/0.txt"), ("dog", "1 of another format")),
     ((*below("train"), *below("val", "cat/0.png")), ("'dog'", "train and val")),
     ((*below("train"), *below("val"), "val/cow/"), ("'cow'",)),
     ((*below("train"), "val/cat/0.png", "val/dog/"), ("val/dog", "no images"))],
)  # fmt: skip
def test_folders_that_no_classifier_can_learn_from_are_refused(tmp_path, names, words):
    put(tmp_path, *names)
    refused(lambda: layout(tmp_path), tmp_path, *words)
    layout(tmp_path, check=False)


def test_links_alone_are_refused_with_what_they_are(tmp_path):
    put(tmp_path / "real", *CLASSES)
    (tmp_path / "b").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "b" / name).symlink_to(f"../real/{name}")
    refused(lambda: layout(tmp_path / "b"), "cat is a link", "out of the folder", "cp -rL")


@pytest.mark.parametrize(("name", "target"), [("test", "../real"), ("cow", "../real/cat"), ("cats", "cat"),
                                              ("cat/more", "../../real/cat"), ("cat/self", "..")])  # fmt: skip
def test_no_class_or_part_is_lost_because_it_is_a_link(tmp_path, name, target):
    put(tmp_path / "real", *CLASSES)
    put(tmp_path / "in", *CLASSES)
    (tmp_path / "in" / name).symlink_to(target)
    refused(lambda: layout(tmp_path / "in"), tmp_path / "in", f"{name} is a link")


def test_links_among_the_images_are_counted(tmp_path):
    put(tmp_path / "in", *CLASSES, "cat/gone.png")
    (tmp_path / "in" / "cat" / "gone.png").unlink()
    (tmp_path / "in" / "cat" / "gone.png").symlink_to("nowhere")
    (tmp_path / "in" / "cat" / "again.png").symlink_to("0.png")
    (tmp_path / "in" / "dog" / "out.png").symlink_to(__file__)
    found = layout(tmp_path / "in")
    assert found.train.names == CLASSES
    assert found.left == {tree.NOWHERE: 1, tree.INWARD: 1, tree.OUTWARD: 1}
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    (tmp_path / "empty" / "cat" / "0.png").symlink_to("nowhere")
    refused(lambda: layout(tmp_path / "empty"), "cat holds no images", "1 link to nowhere")


def test_the_output_is_never_in_the_input(tmp_path, monkeypatch):
    root = put(tmp_path / "photos", *CLASSES)
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    for inside in (root, root / "new", root / "cat" / "new" / "er", tmp_path / "link", tmp_path / "link" / "new",
                   Path("photos"), Path("photos/x"), Path("out/../photos/x")):  # fmt: skip
        for given in (root, Path("photos"), tmp_path / "link"):
            refused(lambda inside=inside, given=given: tree.check_apart(inside, given), "input")
    for apart in (tmp_path, tmp_path / "out", tmp_path / "photos2", Path("out/new"), tmp_path / "photos.zip"):
        tree.check_apart(apart, root)
    tree.check_apart(root / "new", tmp_path / "missing")
