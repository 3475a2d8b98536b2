"""Originals and copies in two folders: what is paired, scaled, held out, said, and refused in one line."""

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import CLASSES, picture, write_folder, write_splits
from PIL import Image
from refusals import refused

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.judging import small
from workbench.judging.folders import distances, has_classes, read
from workbench.judging.pairs import pair

TWO = ("cat", "dog")


def copies(original: Path, protected: Path, *, suffix: str = ".png", side: int = 0, change=None) -> Path:
    """A copy of every picture, written by some tool: in another format, at another size, changed."""
    for file in sorted(original.rglob("*.*")):
        target = (protected / file.relative_to(original)).with_suffix(suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(file)
        if change:
            image = Image.fromarray(change(np.asarray(image)))
        (image.resize((side, side)) if side else image).save(target)
    return protected


def darker(pixels: np.ndarray) -> np.ndarray:
    return pixels // 2


def says(found, *parts: object) -> None:
    """One sentence holds all `parts`."""
    assert any(all(str(part) in line for part in parts) for line in found.said), found.said
    assert all(line.isprintable() and line.endswith(".") for line in found.said)


@pytest.fixture
def both(tmp_path) -> tuple[Path, Path]:
    """Five pictures a class of 12 pixels, and darker copies."""
    original = write_folder(tmp_path / "original", 5, TWO)
    return original, copies(original, tmp_path / "protected", change=darker)


def test_pairs_are_read_in_one_order_with_their_classes(both):
    found = read(*both)
    train = found.pair.train
    assert (found.train.names, found.train.classes) == (train.names, train.classes)
    assert torch.equal(found.train.labels, train.labels)
    assert train.classes == found.pair.test.classes == TWO
    assert torch.equal(found.train.samples, train.samples // 2)
    for name, image, label in zip(train.names, train.samples, train.labels, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(both[0] / name)))
        assert name.startswith(TWO[label])


def test_a_fifth_is_held_out_and_is_in_neither_training_set(both):
    found = read(*both)
    assert len(found.pair.test) == 2
    assert sorted(found.pair.test.labels.tolist()) == [0, 1]
    assert set(found.pair.test.names).isdisjoint(found.pair.train.names)
    assert len(found.train) == len(found.pair.train) == 8
    for name, image in zip(found.pair.test.names, found.pair.test.samples, strict=True):  # the originals, not copies
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(both[0] / name)))
        dark = image // 2
        assert not any(torch.equal(dark, copy) for copy in found.train.samples)
    says(found, "2 of 10 originals", "seed 0", "neither they nor their copies")


def test_copies_of_held_out_originals_are_not_even_read(both):
    held_out = read(*both).pair.test.names
    for name in held_out:
        (both[1] / name).write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    assert read(*both).pair.test.names == held_out


def test_the_seed_draws_what_is_held_out(both):
    one, same, other = (read(*both, seed=seed).pair.test.names for seed in (0, 0, 5))
    assert one == same
    assert any(read(*both, seed=seed).pair.test.names != one for seed in range(1, 6))
    assert len(other) == 2


def test_three_images_a_class_give_one_to_test(tmp_path):
    original = write_folder(tmp_path / "o", 3)
    found = read(original, copies(original, tmp_path / "p", change=darker))
    assert (len(found.train), len(found.pair.test)) == (6, 3)
    assert found.pair.test.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".bmp", ".JPG", ".webp", ".TIFF", ".ppm", ".gif"])
def test_a_copy_may_have_another_format(tmp_path, suffix):
    original = write_folder(tmp_path / "o", 3, TWO)
    found = read(original, copies(original, tmp_path / "p", suffix=suffix, change=darker))
    assert len(found.train) == 4
    assert found.train.names == found.pair.train.names
    assert all(name.endswith(".png") for name in found.train.names)
    assert (found.train.samples.int() - found.pair.train.samples // 2).abs().float().mean() < 40


def test_copies_beside_copies_of_the_same_stem_keep_their_whole_name(tmp_path):
    roots = Path("o"), Path("p")
    found = pair(["a/1.jpg", "a/1.png", "a/2.jpg"], ["a/1.jpg.png", "a/1.png", "a/2.png"], roots)
    assert (found.originals, found.copies) == (["a/1.jpg", "a/1.png", "a/2.jpg"], ["a/1.jpg.png", "a/1.png", "a/2.png"])
    found = pair(["a/1.JPG", "a/1.png"], ["a/1.PNG", "a/1.jpg"], roots)
    assert (found.originals, found.copies, found.said) == (["a/1.JPG", "a/1.png"], ["a/1.jpg", "a/1.PNG"], [])


@pytest.mark.parametrize(
    ("originals", "copied", "parts"),
    [(["a/1.jpg", "a/1.png"], ["a/1.bmp"], ("p/a/1.bmp", "a/1.jpg or of a/1.png")),
     (["a/1.jpg", "a/1.png"], ["a/1.png"], ("o/a/1.jpg", "suffix", "a/1.png")),
     (["a/1.jpg"], ["a/1.png", "a/1.bmp"], ("o/a/1.jpg", "a/1.png or a/1.bmp")),
     (["a/1.jpg"], ["a/1.JPG", "a/1.jpg"], ("a/1.JPG or a/1.jpg",)),
     (["a/x.png", "a/2.png"], ["a/X.png", "a/2.png"], ("o/a/x.png", "upper and lower case", "a/X.png")),
     (["a/x.png", "a/X.png"], ["a/x.png"], ("o/a/X.png", "upper and lower case", "a/x.png")),
     (["a/x.png"], ["a/x.png", "a/X.png"], ("p/a/X.png", "upper and lower case", "a/x.png")),
     (["a/x.png"], ["a/y.png"], ("no file of p", "a/y.png", "a/x.png")),
     (["a/x\n.png"], ["a/x\n.png"], ("control character",))],
)  # fmt: skip
def test_what_fits_two_or_none_is_refused(originals, copied, parts):
    refused(lambda: pair(originals, copied, (Path("o"), Path("p"))), *parts)


def test_names_that_differ_by_case_on_both_sides_are_two_names():
    names = ["a/X.png", "a/x.png"]
    assert pair(names, names, (Path("o"), Path("p"))).copies == names


def test_an_accent_is_one_accent(tmp_path):
    one, other = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    original = write_folder(tmp_path / "o", 3, ("Anna", one))
    protected = write_folder(tmp_path / "p", 3, ("Anna", one))
    for root in (protected,):
        for file in (root / one).iterdir():
            file.rename(file.with_name(unicodedata.normalize("NFD", file.name)))
        (root / one).rename(root / other)
    assert read(original, protected).train.classes == ("Anna", one)
    tested = write_folder(tmp_path / "t", 2, ("Anna", other), first=500)
    assert read(original, protected, tested).pair.test.labels.tolist() == [0, 0, 1, 1]


def test_missing_partners_are_said_with_the_first_name(both):
    (both[0] / "cat" / "cat-01.png").unlink()
    for index in (3, 4):
        (both[1] / "dog" / f"dog-0{index}.png").unlink()
    found = read(*both)
    says(found, "2 originals have no copy", "dog/dog-03.png first")
    says(found, "1 copy has no original", "cat/cat-01.png")
    used = {*found.train.names, *found.pair.test.names}
    assert len(used) == 7
    assert used.isdisjoint({"cat/cat-01.png", "dog/dog-03.png", "dog/dog-04.png"})


@pytest.mark.parametrize("left", [0, 1])
def test_too_few_pairs_of_a_class_are_refused(both, left):
    for index in range(left, 5):
        (both[1] / "dog" / f"dog-0{index}.png").rename(both[1] / "dog" / f"other-{index}.png")
    refused(lambda: read(*both), "'dog'", "no original" if left == 0 else "1 original with", "2 or more")


@pytest.mark.parametrize("side", [0, 1])
def test_a_missing_class_is_refused_by_name(both, side):
    for root in both:
        write_folder(root, 2, ("eel",))
    shutil.rmtree(both[side] / "eel")
    refused(lambda: read(*both), f"{both[side]} holds no images of the class 'eel' of {both[1 - side]}")
    (both[side] / "eel").mkdir()
    refused(lambda: read(*both), both[side], "eel", "holds no images")


def test_a_class_named_in_another_case_is_refused(both):
    (both[1] / "dog").rename(both[1] / "Dog")
    refused(lambda: read(*both), "'dog'", "'Dog'", "give it one name")


def test_one_class_alone_is_refused(tmp_path):
    original = write_folder(tmp_path / "o", 3, ("cat",))
    refused(lambda: read(original, copies(original, tmp_path / "p")), "only the class 'cat'")
    assert not has_classes(original)


# ---- sizes and colours


def scene(root: Path, name: str, width: int, height: int, grey: bool = False, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / name)


@pytest.mark.parametrize(
    ("sizes", "side"),
    [([(12, 12)], 12), ([(64, 64)], 64), ([(28, 28)], 28), ([(65, 65)], 64), ([(12, 12), (13, 13)], 32),
     ([(30, 90), (38, 38)], 32), ([(40, 40), (40, 41)], 32), ([(41, 80), (42, 42)], 48), ([(300, 200)], 64),
     ([(20, 400), (58, 57), (500, 600)], 64)],
)  # fmt: skip
def test_the_side_is_chosen_from_the_originals(tmp_path, sizes, side):
    for index, size in enumerate(sizes):
        scene(tmp_path, f"{index}.png", *size)
    chosen, why = small.choose_side(sorted(tmp_path.iterdir()))
    assert chosen == side
    assert "original" in why


def test_sizes_may_differ_and_are_said(tmp_path):
    original, protected = tmp_path / "o", tmp_path / "p"
    for name in TWO:
        for index in range(3):
            scene(original, f"{name}/{index}.png", 30 + index, 40, seed=index)
            scene(protected, f"{name}/{index}.png", 20, 20, seed=index)
    found = read(original, protected)
    assert found.train.samples.shape == found.pair.train.samples.shape == (4, 3, 32, 32)
    assert found.pair.test.samples.shape == (2, 3, 32, 32)
    says(found, "Side of 32 pixels", "median short side, 31")
    says(found, "Scaled to 32×32", "originals from ", "copies from 20×20", "test images from ")
    says(found, "squeezed to squares")
    assert read(original, protected, side=16).train.samples.shape[2:] == (16, 16)
    says(read(original, protected, side=16), "Side of 16 pixels", "asked")
    assert found.train.root is None  # what is scaled is no file any more


def test_pictures_of_one_small_size_stay_as_they_are(both):
    found = read(*both)
    assert found.train.side == 12
    assert not any(line.startswith("Scaled") for line in found.said)
    copies(both[0], both[1], side=24)
    found = read(*both)
    assert found.train.side == found.pair.train.side == 12
    says(found, "Scaled to 12×12 pixels: copies from 24×24.")


@pytest.mark.parametrize(("height", "width"), [(300, 70), (33, 40), (8, 600), (513, 17), (32, 32), (20, 12)])
def test_scaling_in_strips_is_the_scaling_of_data_sets(height, width):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    whole = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    expected = Dataset(whole, torch.tensor([0]), ("a",), ("a/0.png",)).scaled(32)
    assert torch.equal(small.scaled(pixels, 32, 32), expected.samples[0])


def test_grey_and_colour_together_are_colour(tmp_path):
    original = write_folder(tmp_path / "o", 3, TWO, grey=True)
    protected = copies(original, tmp_path / "p", change=darker)
    found = read(original, protected)
    assert found.train.samples.shape[1] == found.pair.test.samples.shape[1] == 1
    assert torch.equal(found.train.samples, found.pair.train.samples // 2)
    for file in (protected / "cat").iterdir():
        Image.open(file).convert("RGB").save(file)
    found = read(original, protected)
    assert found.train.samples.shape[1] == found.pair.train.samples.shape[1] == found.pair.test.samples.shape[1] == 3
    says(found, "grey", "3 channels")
    assert torch.equal(found.train.samples, found.pair.train.samples // 2)


def test_recoloured_copies_are_read_as_they_are(both):
    copies(both[0], both[1], change=lambda pixels: pixels[:, :, ::-1])
    found = read(*both)
    assert torch.equal(found.train.samples, found.pair.train.samples.flip(1))
    assert not any("exactly the pixels" in line for line in found.said)


def test_transparency_and_what_reading_changes_are_said(both):
    image = Image.open(both[1] / "cat" / "cat-00.png").convert("RGBA")
    image.putpixel((3, 3), (9, 9, 9, 100))
    names = [f"cat/cat-0{index}.png" for index in range(5)]
    for name in names:
        image.save(both[1] / name)
    says(read(*both), "4 of 18 images have transparent parts")
    for name in names:
        image.convert("RGB").save(both[1] / name, format="BMP")
    says(read(*both), "is a BMP named .png (4)")


def test_too_small_a_picture_is_named(both):
    name = read(*both).train.names[2]
    scene(both[1], name, 40, 7)
    refused(lambda: read(*both), both[1] / name, "40×7", "8 pixels")


def test_identical_copies_are_said(both):
    (first, second), total = read(*both).train.names[:2], 8
    for name in (first, second):
        Image.open(both[0] / name).save(both[1] / name)
    says(read(*both), f"2 of {total} copies decode to exactly the pixels of the original.")
    copies(both[0], both[1], suffix=".png")
    says(read(*both), f"All {total} copies decode to exactly the pixels", "nothing was changed")
    shutil.rmtree(both[1])
    copies(both[0], both[1], suffix=".bmp")
    says(read(*both), f"All {total} copies")


# ---- test sets


def test_a_test_folder_inside_the_originals_is_the_test_set(tmp_path):
    original = write_splits(tmp_path / "o", 3, 2)
    protected = copies(original / "train", tmp_path / "p", change=darker)
    found = read(original, protected)
    assert (len(found.train), len(found.pair.test)) == (9, 6)
    assert found.pair.test.names[0] == "bird/bird-00.png"
    says(found, "Tested on the 6 images of", original / "test")
    wrapped = tmp_path / "w"
    wrapped.mkdir()
    protected.rename(wrapped / "train")
    again = read(original, wrapped)
    assert torch.equal(again.train.samples, found.train.samples)
    shutil.copytree(original / "test", wrapped / "test")
    again = read(original, wrapped)
    assert torch.equal(again.train.samples, found.train.samples)
    says(again, wrapped / "test", "not used", "stay clean")
    shutil.rmtree(wrapped / "train")
    refused(lambda: read(original, wrapped), wrapped / "test", "part to test on")


def test_a_test_folder_that_is_given_is_taken(both, tmp_path):
    tested = write_folder(tmp_path / "t", 2, TWO, first=500, side=24)
    found = read(*both, tested)
    assert (len(found.train), len(found.pair.test)) == (10, 4)
    assert found.pair.test.side == 12
    says(found, "Scaled", "test images from 24×24")
    parts = write_splits(tmp_path / "parts", 2, 3, classes=TWO)
    assert len(read(*both, parts).pair.test) == 6
    original = write_splits(tmp_path / "o2", 3, 2, classes=TWO)
    protected = copies(original / "train", tmp_path / "p2", change=darker)
    found = read(original, protected, tested)
    assert len(found.pair.test) == 4
    says(found, original / "test", "not used")
    assert read(original, protected, original / "test").pair.test.names == read(original, protected).pair.test.names


def test_a_test_folder_of_other_classes_is_refused_by_name(both, tmp_path):
    tested = write_folder(tmp_path / "t", 2, (*TWO, "eel"), first=500)
    refused(lambda: read(*both, tested), "'eel'", both[0])
    shutil.rmtree(tested / "eel")
    shutil.rmtree(tested / "dog")
    refused(lambda: read(*both, tested), "'dog'", tested)
    shutil.rmtree(tested / "cat")
    refused(lambda: read(*both, tested), tested, "no folders of images")


def test_a_test_folder_is_neither_the_originals_nor_the_copies(both, tmp_path):
    refused(lambda: read(*both, both[0]), "one folder")
    refused(lambda: read(*both, both[1]), "one folder", "never protected")
    inner = write_folder(both[1] / "dog" / "inner", 2, TWO)
    refused(lambda: read(*both, inner), "lies in", "never protected")


def test_test_images_that_are_trained_on_are_said(both, tmp_path):
    tested = write_folder(tmp_path / "t", 2, TWO, first=500)
    shutil.copy(both[0] / "cat" / "cat-03.png", tested / "cat" / "x.png")
    says(read(*both, tested), "1 test image is a training image too", "cat/x.png")


# ---- what is refused, and what is left out


@pytest.mark.parametrize("call", [read, distances])
def test_folders_that_are_none_or_not_two_are_refused(both, call, tmp_path):
    original, protected = both
    file = original / "cat" / "cat-00.png"
    refused(lambda: call(original, original), "one folder", "lie apart")
    (tmp_path / "link").symlink_to(original)
    refused(lambda: call(original, tmp_path / "link"), "one folder")
    refused(lambda: call(original, original / "cat"), "lies in", original)
    refused(lambda: call(original / "cat", original), "lies in", original)
    refused(lambda: call(file, protected), file, "is a file", "originals")
    refused(lambda: call(original, file), file, "is a file", "copies")
    refused(lambda: call(original, tmp_path / "gone"), "gone is not there")
    (tmp_path / "empty").mkdir()
    refused(lambda: call(original, tmp_path / "empty"), tmp_path / "empty", "holds no")
    refused(lambda: call(tmp_path / "empty", protected), tmp_path / "empty", "holds no")
    (tmp_path / "words" / "cat").mkdir(parents=True)
    (tmp_path / "words" / "cat" / "notes.txt").write_text("none")
    refused(lambda: call(original, tmp_path / "words"), tmp_path / "words", "holds no")


def test_the_test_folder_is_a_folder(both, tmp_path):
    refused(lambda: read(*both, tmp_path / "gone"), "gone is not there", "test images")
    refused(lambda: read(*both, both[0] / "cat" / "cat-00.png"), "is a file")


@pytest.mark.parametrize("call", [read, distances])
@pytest.mark.parametrize("side", [0, 1])
def test_an_unreadable_file_is_named(both, call, side):
    name = read(*both).train.names[1]
    content = (both[side] / name).read_bytes()
    for bad in (content[:60], b"", b"words"):
        (both[side] / name).write_bytes(bad)
        refused(lambda: call(*both), both[side] / name)


def test_an_unreadable_test_image_is_named(both, tmp_path):
    tested = write_folder(tmp_path / "t", 2, TWO, first=500)
    (tested / "dog" / "dog-01.png").write_bytes(b"words")
    refused(lambda: read(*both, tested), tested / "dog" / "dog-01.png", "is not an image")


def test_links_are_not_followed_and_said(both, tmp_path):
    outside = write_folder(tmp_path / "outside", 1, ("eel",))
    for root in both:
        (root / "cat" / "link.png").symlink_to(outside / "eel" / "eel-00.png")
    (both[1] / "notes.json").write_text("{}")
    found = read(*both)
    assert len(found.train) == 8
    says(found, f"Not read in {both[0]}: 1 link out of the folder.")
    says(found, f"Not read in {both[1]}", "1 link out of the folder", "1 of another format")
    (both[1] / "eel").symlink_to(outside / "eel")
    refused(lambda: read(*both), "eel", "link that leads out")


def test_a_wrapping_folder_may_have_any_name_that_steers_nothing(both, tmp_path):
    found = read(*both)
    (tmp_path / "outer").mkdir()
    both[1].rename(tmp_path / "outer" / "inner")
    assert read(both[0], tmp_path / "outer").train.fingerprint == found.train.fingerprint
    (tmp_path / "outer" / "inner").rename(tmp_path / "outer" / "in\nner")
    refused(lambda: read(both[0], tmp_path / "outer"), "control character")


@pytest.mark.parametrize("value", [-1, 7, 1025])
def test_a_side_that_no_data_may_have_is_refused(both, value):
    with pytest.raises(ConfigError, match="side"):
        read(*both, side=value)


def test_the_order_of_listing_changes_nothing(both, monkeypatch):
    (both[0] / "dog" / "dog-03.png").unlink()
    expected, scandir = read(*both), os.scandir

    class Turned:
        def __init__(self, path):
            self.entries = sorted(scandir(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Turned)
    found = read(*both)
    assert found.said == expected.said
    assert (found.train.names, found.pair.test.names) == (expected.train.names, expected.pair.test.names)
    assert found.train.fingerprint == expected.train.fingerprint
    assert found.pair.test.fingerprint == expected.pair.test.fingerprint


# ---- without classes


def flat(root: Path, count: int = 3, shift: int = 0, suffix: str = ".png", side: int = 24) -> Path:
    root.mkdir()
    for index in range(count):
        pixels = picture(index, side) // 2 + shift * (index + 1)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{index}{suffix}")
    return root


def test_flat_folders_are_measured(tmp_path):
    original, protected = flat(tmp_path / "o"), flat(tmp_path / "p", shift=4, suffix=".bmp")
    assert not has_classes(original)
    assert has_classes(write_folder(tmp_path / "c"))
    found = distances(original, protected)
    assert (found.pairs, found.linf_mean, found.linf_worst) == (3, 8, 12)
    expected = [20 * np.log10(255 / (4 * k)) for k in (1, 2, 3)]
    assert found.psnr_mean == pytest.approx(np.mean(expected))
    assert found.psnr_worst == pytest.approx(expected[2])
    assert found.ssim_mean is not None
    assert 0.5 < found.ssim_worst <= found.ssim_mean < 1
    says(found, "Without classes nothing can be learnt or judged")
    refused(lambda: read(original, protected), original, "no folders of images")


def test_distances_of_equal_scaled_missing_and_grey_copies(tmp_path):
    original = flat(tmp_path / "o")
    same = distances(original, flat(tmp_path / "same"))
    assert same[:7] == (3, 0, 0, None, None, 1.0, 1.0)
    says(same, "All 3 copies decode to exactly the pixels")
    scaled = distances(original, flat(tmp_path / "scaled", 2, side=48))
    assert scaled.pairs == 2
    says(scaled, "2 of 2 copies are of another size")
    says(scaled, "1 original has no copy", "2.png")
    grey = tmp_path / "grey"
    grey.mkdir()
    for file in original.iterdir():
        Image.open(file).convert("L").save(grey / file.name)
    assert distances(original, grey).linf_worst > 0


def test_pictures_without_ssim_have_none(tmp_path):
    found = distances(flat(tmp_path / "o", side=8), flat(tmp_path / "p", shift=4, side=8))
    assert found.ssim_mean is found.ssim_worst is None
    assert found.psnr_worst is not None


def test_one_folder_of_many_pictures_is_no_class(tmp_path):
    original = write_folder(tmp_path / "o", 3, CLASSES[:1])
    found = distances(original, copies(original, tmp_path / "p", change=darker))
    assert found.pairs == 3
