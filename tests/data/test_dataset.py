"""Images from folders: what is read, how it is split and limited, what identifies it, and every refusal by name."""

import socket
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import CLASSES, image_set, picture, write_folder, write_splits
from PIL import Image

from workbench.config import ConfigError, DataConfig, DataError
from workbench.data import sources
from workbench.data.dataset import Dataset
from workbench.data.sources import read_folder
from workbench.files.pictures import read_exact


def load(path: Path, **settings):
    return sources.load(DataConfig(data=f"folder:{path}", **settings))


def refusal(call, *parts) -> None:
    """The call is refused in one line that holds all `parts`."""
    with pytest.raises(DataError) as refused:
        call()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    for part in parts:
        assert str(part) in message


def test_folder_with_train_and_test_is_read_as_it_stands(tmp_path):
    write_splits(tmp_path, train=4, test=2)
    pair = load(tmp_path)
    assert (len(pair.train), len(pair.test), pair.name) == (12, 6, "folder")
    assert pair.train.classes == pair.test.classes == CLASSES
    assert pair.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert pair.train.names[5] == "cat/cat-01.png"
    for index, name in enumerate(pair.train.names):
        file = np.asarray(Image.open(tmp_path / "train" / name))
        assert (pair.train.samples[index].permute(1, 2, 0).numpy() == file).all()


def test_classes_and_files_are_in_order_of_their_names(tmp_path):
    write_folder(tmp_path, 3, classes=("zebra", "Ape", "mole"))
    found = read_folder(tmp_path)
    assert found.classes == ("Ape", "mole", "zebra")
    assert list(found.names) == sorted(found.names)
    assert [found.classes[label] for label in found.labels] == [name.split("/")[0] for name in found.names]


def test_split_is_stratified_80_20_and_loses_nothing(tmp_path):
    write_folder(tmp_path, 10)
    pair = load(tmp_path)
    assert pair.train.labels.bincount().tolist() == [8, 8, 8]
    assert pair.test.labels.bincount().tolist() == [2, 2, 2]
    assert sorted(pair.train.names + pair.test.names) == sorted(read_folder(tmp_path).names)


def test_split_follows_the_seed(tmp_path):
    write_folder(tmp_path, 10)
    assert load(tmp_path, seed=1).test.names == load(tmp_path, seed=1).test.names
    assert len({load(tmp_path, seed=seed).test.names for seed in range(5)}) > 1


def test_two_images_a_class_leave_one_to_test(tmp_path):
    write_folder(tmp_path, 2)
    assert load(tmp_path).test.labels.tolist() == [0, 1, 2]


def test_other_files_and_hidden_folders_are_left_out(tmp_path):
    write_folder(tmp_path, 2)
    (tmp_path / "bird" / "notes.txt").write_text("no image")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".cache").mkdir()
    found = read_folder(tmp_path)
    assert (found.classes, len(found)) == (CLASSES, 6)


def test_grey_folder_has_one_channel(tmp_path):
    write_folder(tmp_path, 2, grey=True)
    found = read_folder(tmp_path)
    assert found.samples.shape == (6, 1, 12, 12)
    assert (found.samples[0, 0].numpy() == picture(0, grey=True)).all()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".webp", ".jpg", ".PNG"])
def test_format_is_read_in_colour(tmp_path, suffix):
    write_folder(tmp_path, 2, suffix=suffix)
    found = read_folder(tmp_path)
    assert found.samples.shape == (6, 3, 12, 12)
    assert found.names[0] == f"bird/bird-00{suffix}"
    if suffix not in (".jpg", ".webp"):
        assert (found.samples[0].permute(1, 2, 0).numpy() == picture(0)).all()


def test_first_picture_of_a_stereo_photo_is_read(tmp_path):
    first, second = (Image.fromarray(picture(seed)) for seed in (1, 2))
    first.save(tmp_path / "stereo.jpg", format="MPO", save_all=True, append_images=[second])
    first.save(tmp_path / "plain.jpg")
    assert (read_exact(tmp_path / "stereo.jpg") == read_exact(tmp_path / "plain.jpg")).all()


def test_palette_image_is_read_in_colour(tmp_path):
    Image.fromarray(picture(1)).quantize(8).save(tmp_path / "p.png")
    assert read_exact(tmp_path / "p.png").shape == (12, 12, 3)


def test_photo_is_turned_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = read_exact(tmp_path / "turned.png")
    assert upright.shape == (16, 8, 3)
    assert (upright == np.rot90(pixels, -1)).all()


@pytest.mark.parametrize("change", ["pixel", "label", "class", "order"])
def test_fingerprint_changes_with(change):
    base = image_set()
    samples, labels = base.samples.clone(), base.labels.clone()
    assert replace(base, samples=samples).fingerprint == base.fingerprint
    other: Dataset = replace(base, samples=samples, labels=labels)
    if change == "pixel":
        other.samples[5, 1, 3, 3] ^= 1
    elif change == "label":
        other.labels[0] = 1
    elif change == "class":
        other = replace(other, classes=("bird", "cat", "wolf"))
    else:
        other = other.subset(torch.tensor([1, 0, *range(2, len(base))]))
    assert other.fingerprint != base.fingerprint


def test_fingerprint_ignores_where_the_files_are(tmp_path):
    first, second = write_folder(tmp_path / "a", 2), write_folder(tmp_path / "b", 2)
    assert read_folder(first).fingerprint == read_folder(second).fingerprint


@pytest.mark.parametrize("count", [3, 4, 6, 11])
def test_limit_is_even_over_classes(count):
    limited = image_set(each=4).limited(count)
    shares = limited.labels.bincount(minlength=3)
    assert (len(limited), int(shares.max() - shares.min()) <= 1) == (count, True)
    assert len(set(limited.names)) == count


@pytest.mark.parametrize("count", [0, 12, 99])
def test_limit_of_nothing_or_too_many_keeps_all(count):
    assert len(image_set(each=4).limited(count)) == 12


def test_limit_takes_what_a_small_class_has():
    uneven = image_set(each=4).subset(torch.tensor([0, 1, 2, 3, 4, 8, 9, 10]))  # one cat
    assert uneven.limited(7).labels.bincount().tolist() == [3, 1, 3]


def test_limit_below_one_a_class_is_refused():
    with pytest.raises(ConfigError, match="3 classes"):
        image_set().limited(2)


def test_subset_keeps_pixels_labels_and_names_together():
    base = image_set()
    part = base.subset(torch.tensor([7, 2]))
    assert part.names == (base.names[7], base.names[2])
    assert part.labels.tolist() == [base.labels[7], base.labels[2]]
    assert torch.equal(part.samples, base.samples[[7, 2]])


def test_photos_are_scaled_to_one_side_in_training_and_test(tmp_path):
    write_folder(tmp_path / "train", 4)
    write_folder(tmp_path / "test", 2, side=16)
    plain, pair = read_folder(tmp_path / "train"), load(tmp_path, side=8)
    assert pair.train.samples.shape == (12, 3, 8, 8)
    assert pair.test.samples.shape == (6, 3, 8, 8)
    assert pair.train.samples.dtype == torch.uint8
    assert pair.train.names == plain.names
    assert pair.train.root is None  # the pixels are no file's any more
    theirs = Image.fromarray(plain.samples[3].permute(1, 2, 0).numpy()).resize((8, 8), Image.Resampling.BILINEAR)
    ours = pair.train.samples[3].permute(1, 2, 0).numpy().astype(int)
    assert abs(ours - np.asarray(theirs)).max() <= 1  # Pillow's bilinear is antialiased too


def test_a_side_that_fits_already_or_is_0_changes_nothing(tmp_path):
    write_folder(tmp_path, 3)
    for side in (0, 12):
        assert torch.equal(load(tmp_path, side=side).train.samples, load(tmp_path).train.samples)
        assert load(tmp_path, side=side).train.root == tmp_path


def test_narrow_photos_become_square(tmp_path):
    for name in ("a", "b"):
        for index in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.full((20, 10), 50 * index, np.uint8)).save(tmp_path / name / f"{index}.png")
    assert load(tmp_path, side=16).test.samples.shape == (2, 1, 16, 16)


def test_every_kind_of_data_is_scaled():
    pair = sources.load(DataConfig(data="photo-digits:20", limit_test=10, side=48))
    assert pair.train.samples.shape[1:] == pair.test.samples.shape[1:] == (3, 48, 48)


def test_missing_path_is_refused(tmp_path):
    refusal(lambda: load(tmp_path / "nowhere"), tmp_path / "nowhere")


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refusal(lambda: load(tmp_path / "file"), tmp_path / "file")


def test_empty_folder_is_refused(tmp_path):
    refusal(lambda: load(tmp_path), tmp_path, "no folders of images")


def test_empty_class_is_refused(tmp_path):
    write_folder(tmp_path, 2)
    (tmp_path / "empty").mkdir()
    refusal(lambda: load(tmp_path), tmp_path / "empty")


def test_one_class_is_refused(tmp_path):
    write_folder(tmp_path, 2, classes=("only",))
    refusal(lambda: load(tmp_path), tmp_path, "'only'")


def test_class_of_one_image_is_refused(tmp_path):
    write_folder(tmp_path, 3)
    write_folder(tmp_path, 1, classes=("lonely",))
    refusal(lambda: load(tmp_path), "'lonely'")


@pytest.mark.parametrize("shape", [(4, 4, 3), (40, 7, 3)])
def test_images_too_small_for_the_networks_are_refused(tmp_path, shape):
    write_folder(tmp_path, 2)
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "bird" / "a.png")
    refusal(lambda: load(tmp_path), tmp_path / "bird" / "a.png", f"{shape[1]}×{shape[0]}")


def test_name_that_no_manifest_can_hold_is_refused(tmp_path):
    write_folder(tmp_path, 2)
    try:
        (tmp_path / "cat" / "cat-00.png").rename(tmp_path / "cat" / "c\udcff.png")
    except OSError:
        pytest.skip("this file system keeps such names out")
    refusal(lambda: load(tmp_path), r"cat/c\udcff.png", "rename")


def test_mixed_sizes_are_refused(tmp_path):
    write_folder(tmp_path, 2)
    Image.fromarray(picture(9, side=16)).save(tmp_path / "cat" / "large.png")
    refusal(lambda: load(tmp_path), tmp_path / "cat" / "large.png", "16×16", "12×12")


def test_mixed_grey_and_colour_is_refused(tmp_path):
    write_folder(tmp_path, 2)
    Image.fromarray(picture(9, grey=True)).save(tmp_path / "cat" / "grey.png")
    refusal(lambda: load(tmp_path), tmp_path / "cat" / "grey.png", "grey")


def test_other_size_in_test_is_refused(tmp_path):
    write_folder(tmp_path / "train", 2)
    write_folder(tmp_path / "test", 2, side=16)
    refusal(lambda: load(tmp_path), "12×12", "16×16")


def test_class_missing_in_test_is_refused(tmp_path):
    write_folder(tmp_path / "train", 2)
    write_folder(tmp_path / "test", 2, classes=CLASSES[:2])
    refusal(lambda: load(tmp_path), "'dog'")


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "jpeg cut", "link"])
def test_unreadable_image_is_refused(tmp_path, damage):
    write_folder(tmp_path, 2)
    bad = tmp_path / "dog" / "bad.png"
    whole = (tmp_path / "dog" / "dog-00.png").read_bytes()
    if damage == "text":
        bad.write_text("not an image")
    elif damage == "empty":
        bad.write_bytes(b"")
    elif damage == "truncated":
        bad.write_bytes(whole[: len(whole) // 2])
    elif damage == "jpeg cut":
        Image.fromarray(picture(1, side=64)).save(bad, format="JPEG")
        bad.write_bytes(bad.read_bytes()[:-200])
    else:
        bad = tmp_path / "dog" / "dog-00.png"
        bad.write_bytes(whole[:40])
    refusal(lambda: load(tmp_path), bad)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP", "PPM", "WEBP"])
def test_damaged_bytes_are_read_or_refused_never_a_crash(tmp_path, format):
    file = tmp_path / "image.png"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(picture(3)).save(file, format=format, exif=exif)
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(80):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 6):
            damaged[place] = rng.integers(256)
        file.write_bytes(damaged[: rng.integers(1, 2 * len(damaged))])
        with suppress(DataError):
            assert read_exact(file).dtype == np.uint8


def _png16(path: Path) -> None:
    """A 16-bit colour PNG, which Pillow can read but not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    head = (12).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + bytes(range(72)) for _ in range(12))
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "I;16", "RGB;16", "transparent palette"])
def test_mode_that_is_not_8_bit_grey_or_colour_is_refused(tmp_path, mode):
    write_folder(tmp_path, 2)
    bad = tmp_path / "dog" / "bad.tif"
    if mode == "I;16":
        Image.fromarray(np.full((12, 12), 40000, np.uint16)).save(bad)
    elif mode == "RGB;16":
        bad = bad.with_suffix(".png")
        _png16(bad)
    elif mode == "transparent palette":
        bad = bad.with_suffix(".png")
        Image.fromarray(picture(1)).quantize(8).save(bad, transparency=0)
    else:
        image = Image.fromarray(picture(1)).convert("L" if mode == "LA" else "RGB").convert(mode)
        if mode != "CMYK":
            image.putpixel((3, 3), (*image.getpixel((3, 3))[:-1], 254))
        image.save(bad)
    refusal(lambda: load(tmp_path), bad, "8-bit")


@pytest.mark.parametrize("mode", ["RGBA", "P", "damaged EXIF"])
def test_what_hides_nothing_is_read_as_it_is(tmp_path, mode):
    """One file that other readers can't take stops no folder."""
    write_folder(tmp_path, 2)
    image = Image.fromarray(picture(1))
    saved = image.quantize(8) if mode == "P" else image.convert("RGB" if " " in mode else mode)
    more = {"exif": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1"} if " " in mode else {}
    saved.save(tmp_path / "dog" / "odd.png", **more)
    found = read_folder(tmp_path)
    assert (
        found.samples[found.names.index("dog/odd.png")].permute(1, 2, 0).numpy() == np.asarray(saved.convert("RGB"))
    ).all()


@pytest.mark.parametrize("factor", [1.5, 3])
def test_decompression_bomb_is_refused(tmp_path, monkeypatch, factor):
    write_folder(tmp_path, 2)
    bomb = tmp_path / "dog" / "bomb.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(bomb)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(64 * 64 / factor))
    refusal(lambda: load(tmp_path), bomb)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("folders:x", "'folder'"),
        ("cifar", "'cifar10'"),
        ("photo-digit", "'photo-digits'"),
        ("", "did you mean"),
        ("folder:", "path"),
        ("folder", "path"),
        ("cifar10:5", "colon"),
        ("synthetic-peopl", "'synthetic-people'"),
        ("photo-digits:5", "10 to 9999999"),
        ("photo-digits:10000001", "10 to 9999999"),
        ("photo-digits:" + "9" * 5000, "10 to 9999999"),
        ("photo-digits:many", "number"),
        ("photo-digits:-20", "number"),
        ("photo-digits:²", "number"),
    ],
)
def test_bad_spec_is_refused(spec, part):
    with pytest.raises(ConfigError, match=part):
        sources.load(DataConfig(data=spec))


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_missing_data_set_without_network_gives_offline_advice(tmp_path, monkeypatch, name):
    def offline(*_arguments, **_names):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(socket.socket, "connect", offline)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "sets"))
    refusal(lambda: sources.load(DataConfig(data=name)), name, tmp_path / "sets", "photo-digits", "no network")
    assert not (tmp_path / "sets").exists()
