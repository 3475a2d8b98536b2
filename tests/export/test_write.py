"""Exported images: exactly what δ says as decoded by Pillow alone, described truly, and every damage is found."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch
from pictures import CLASSES, image_set, picture, snapshot, write_folder
from PIL import Image

from workbench.cli import main
from workbench.config import DataError
from workbench.data.sources import read_folder
from workbench.export import verdict, verify, write
from workbench.noise.perturbation import Perturbation

EPSILON = 8


def noise_for(data, kind="samplewise", epsilon=EPSILON) -> Perturbation:
    draw = torch.Generator().manual_seed(5)
    count = len(data) if kind == "samplewise" else len(data.classes)
    shape = (count, *data.samples.shape[1:])
    delta = torch.randint(-epsilon, epsilon + 1, shape, generator=draw).to(torch.int8)
    delta[:, :, 5, 5], delta[:, :, 5, 6] = -epsilon, epsilon
    return Perturbation(delta, kind, epsilon, "random", data.fingerprint)


@pytest.fixture
def originals(tmp_path):
    return write_folder(tmp_path / "originals", 3)


@pytest.fixture
def copies(tmp_path, originals):
    data = read_folder(originals)
    write.export(data, noise_for(data), tmp_path / "copies", seed=7)
    return tmp_path / "copies"


def pixels(file) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image).astype(int)


def manifest(folder) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def rewrite(file, change) -> None:
    """Change a file's pixels and save it again."""
    changed = pixels(file)
    change(changed)
    Image.fromarray(changed.astype(np.uint8)).save(file)


def refresh_hash(folder, name) -> None:
    """Make the manifest agree with the file again, as a forger would."""
    facts = manifest(folder)
    entry = next(entry for entry in facts["files"] if entry["file"] == name)
    entry["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(facts))


def finds(originals, copies, *parts, epsilon=None, bare=False) -> None:
    """The verdict is no, with one problem that holds all `parts`; and without the manifest too when `bare`."""
    if bare:
        (copies / "manifest.json").unlink()
    verdict = verify.verify(originals, copies, epsilon)
    assert not verdict.kept
    assert any(all(part in problem for part in parts) for problem in verdict.problems), verdict.problems


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize("grey", [False, True])
def test_decoded_files_are_exactly_image_plus_noise(tmp_path, kind, grey):
    root = write_folder(tmp_path / "originals", 3, grey=grey)
    before = snapshot(root)
    data = read_folder(root)
    noise = noise_for(data, kind)
    write.export(data, noise, tmp_path / "copies")
    largest, lowest = [], []
    for index, name in enumerate(data.names):
        original, copy = pixels(root / name), pixels(tmp_path / "copies" / name)
        row = index if kind == "samplewise" else int(data.labels[index])
        delta = noise.delta[row].permute(1, 2, 0).numpy().astype(int).reshape(original.shape)
        assert (copy == np.clip(original + delta, 0, 255)).all()
        largest.append((copy - original).max())
        lowest.append((copy - original).min())
    assert (max(largest), min(lowest)) == (EPSILON, -EPSILON)
    assert snapshot(root) == before


def test_zero_noise_leaves_every_pixel(tmp_path, originals):
    data = read_folder(originals)
    none = Perturbation(torch.zeros(9, 3, 12, 12, dtype=torch.int8), "samplewise", 8, "random", data.fingerprint)
    for perturbation, folder in ((none, "zero"), (None, "clean")):
        write.export(data, perturbation, tmp_path / folder)
        assert all((pixels(tmp_path / folder / name) == pixels(originals / name)).all() for name in data.names)
        verdict = verify.verify(originals, tmp_path / folder, 0)
        assert (verdict.kept, verdict.linf, verdict.unchanged, verdict.psnr_lowest) == (True, 0, 9, None)


def test_official_export_is_one_sided(tmp_path, originals):
    data = read_folder(originals)
    noise = noise_for(data)
    write.export(data, noise, tmp_path / "official", official=True)
    for index, name in enumerate(data.names):
        delta = noise.delta[index].permute(1, 2, 0).numpy().astype(int)
        expected = np.clip(pixels(originals / name) + np.maximum(delta, 0), 0, 255)
        assert (pixels(tmp_path / "official" / name) == expected).all()
    verdict = verify.verify(originals, tmp_path / "official", None)
    assert (verdict.kept, verdict.share_negative) == (True, 0)
    assert verdict.share_positive > 0.3
    assert manifest(tmp_path / "official")["sides"].startswith("one")


def test_manifest_is_true(originals, copies):
    facts = manifest(copies)
    assert (facts["epsilon"], facts["method"], facts["kind"], facts["seed"]) == (EPSILON, "random", "samplewise", 7)
    assert facts["fingerprint"] == read_folder(originals).fingerprint
    assert facts["sides"] == "two"
    assert len(facts["files"]) == 9
    for entry in facts["files"]:
        original, copy = originals / entry["original"], copies / entry["file"]
        assert entry["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
        assert entry["original_sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
        difference = pixels(copy) - pixels(original)
        assert entry["class"] == entry["file"].split("/")[0]
        assert entry["linf"] == abs(difference).max()
        assert entry["psnr"] == pytest.approx(10 * math.log10(255**2 / (difference**2).mean()), abs=1e-3)


def test_manifest_and_card_hold_no_absolute_path(tmp_path, copies):
    for name in ("manifest.json", "README.md"):
        text = (copies / name).read_text()
        assert str(tmp_path) not in text
        assert '"/' not in text


def test_files_are_the_images_the_manifest_and_the_card(tmp_path, copies):
    names = {f"{name}/{name}-{index:02d}.png" for name in CLASSES for index in range(3)}
    assert set(snapshot(copies)) == names | {"manifest.json", "README.md"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copies", "originals"]


def test_export_is_the_same_twice(tmp_path, originals, copies):
    data = read_folder(originals)
    write.export(data, noise_for(data), tmp_path / "again", seed=7)
    assert snapshot(tmp_path / "again") == snapshot(copies)


def test_images_without_files_can_be_exported(tmp_path):
    data = image_set()
    facts = write.export(data, noise_for(data), tmp_path / "copies")
    assert all(entry["original_sha256"] is None for entry in facts["files"])
    first = data.samples[0].contiguous().numpy().tobytes()
    assert facts["files"][0]["original_pixels_sha256"] == hashlib.sha256(first).hexdigest()


def test_empty_folder_is_taken(tmp_path, originals):
    (tmp_path / "empty").mkdir()
    write.export(read_folder(originals), None, tmp_path / "empty")
    assert manifest(tmp_path / "empty")["method"] == "clean"


def test_current_folder_is_taken(tmp_path, originals, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write.export(read_folder(originals), None, type(tmp_path)("."))
    assert (tmp_path / "here" / "manifest.json").is_file()


@pytest.mark.parametrize("occupied", ["folder", "file"])
def test_occupied_target_is_refused_with_nothing_written(tmp_path, originals, occupied):
    target = tmp_path / "mine"
    if occupied == "folder":
        target.mkdir()
        (target / "thesis.txt").write_text("years of work")
    else:
        target.write_text("years of work")
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="mine"):
        write.export(read_folder(originals), None, target)
    assert snapshot(tmp_path) == before


def test_noise_for_other_images_is_refused_with_nothing_written(tmp_path, originals):
    with pytest.raises(DataError, match="other data"):
        write.export(read_folder(originals), noise_for(image_set(each=3)), tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_export_that_fails_half_way_leaves_nothing(tmp_path, originals, monkeypatch):
    written = []

    def full_disk(self, path, *arguments, **names):
        written.append(path)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        save(self, path, *arguments, **names)

    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(DataError, match="No space left"):
        write.export(read_folder(originals), None, tmp_path / "copies")
    assert [path.name for path in tmp_path.iterdir()] == ["originals"]


@pytest.mark.parametrize(
    "names",
    [("a.jpg", "a.png"), ("a.jpg", "a.png", "a.bmp"), ("a.jpg", "a.png", "a.jpg.png"), ("a.jpg", "A.png"),
     ("b.jpg", "c.JPG", "c.jpg.jpeg")],
)  # fmt: skip
def test_colliding_names_give_a_file_each(tmp_path, names):
    root = write_folder(tmp_path / "originals", 2)
    for seed, name in enumerate(names):
        format = {".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}.get(name[name.rindex(".") :].lower(), "PNG")
        Image.fromarray(picture(seed + 50)).save(root / "cat" / name, format=format)
    data = read_folder(root)
    write.export(data, noise_for(data), tmp_path / "copies")
    exported = [entry["file"].lower() for entry in manifest(tmp_path / "copies")["files"]]
    assert len(set(exported)) == len(data)
    assert verify.verify(root, tmp_path / "copies", None).kept
    (tmp_path / "copies" / "manifest.json").unlink()
    assert verify.verify(root, tmp_path / "copies", 8).checked == len(data)


def test_names_beyond_ascii_are_kept(tmp_path):
    root = write_folder(tmp_path / "originals", 2, classes=("猫", "größer Vogel", "a.b"))
    data = read_folder(root)
    write.export(data, noise_for(data), tmp_path / "copies")
    assert "猫/猫-00.png" in snapshot(tmp_path / "copies")
    assert "猫" in (tmp_path / "copies" / "manifest.json").read_text(encoding="utf-8")
    assert verify.verify(root, tmp_path / "copies", None).kept


def test_folders_within_a_class_are_kept(tmp_path, originals):
    (originals / "cat" / "summer").mkdir()
    Image.fromarray(picture(77)).save(originals / "cat" / "summer" / "cat-00.png")
    data = read_folder(originals)
    write.export(data, noise_for(data), tmp_path / "copies")
    assert (tmp_path / "copies" / "cat" / "summer" / "cat-00.png").is_file()
    assert verify.verify(originals, tmp_path / "copies", None).kept


def test_untouched_export_is_kept(originals, copies):
    verdict = verify.verify(originals, copies, None)
    assert (verdict.kept, verdict.checked, verdict.linf, verdict.epsilon) == (True, 9, EPSILON, EPSILON)
    assert verdict.share_positive > 0.3
    assert verdict.share_negative > 0.3
    assert "the bound is kept" in verdict.in_words()


def test_verify_without_manifest_goes_by_names(originals, copies):
    (copies / "manifest.json").unlink()
    assert verify.verify(originals, copies, None).kept
    assert not verify.verify(originals, copies, EPSILON - 1).kept


def test_stricter_bound_than_the_noise_is_not_kept(originals, copies):
    assert verify.verify(originals, copies, EPSILON + 1).kept
    finds(originals, copies, "changed by 8, more than 7", epsilon=EPSILON - 1)


@pytest.mark.parametrize("bare", [False, True])
def test_one_value_over_the_bound_is_found(originals, copies, bare):
    name = "cat/cat-01.png"
    original = pixels(originals / name)

    def change(changed):
        changed[5, 5, 0] = original[5, 5, 0] + (9 if original[5, 5, 0] < 200 else -9)

    rewrite(copies / name, change)
    refresh_hash(copies, name)
    finds(originals, copies, name, "changed by 9, more than 8", bare=bare)


@pytest.mark.parametrize("bare", [False, True])
def test_missing_file_is_found(originals, copies, bare):
    (copies / "cat" / "cat-01.png").unlink()
    finds(originals, copies, "cat/cat-01.png", "no protected copy", bare=bare)


@pytest.mark.parametrize("bare", [False, True])
def test_extra_file_is_found(originals, copies, bare):
    Image.fromarray(picture(1)).save(copies / "cat" / "new.png")
    finds(originals, copies, "cat/new.png", "no original", bare=bare)


def test_altered_file_within_the_bound_is_found_by_its_hash(originals, copies):
    original, copy = pixels(originals / "cat" / "cat-01.png"), pixels(copies / "cat" / "cat-01.png")
    Image.fromarray(original.astype(np.uint8)).save(copies / "cat" / "cat-01.png")
    assert (original != copy).any()
    finds(originals, copies, "cat/cat-01.png", "SHA-256")


def test_altered_original_is_found_by_its_hash(originals, copies):
    rewrite(originals / "cat" / "cat-01.png", lambda changed: changed.__setitem__((0, 0, 0), 1))
    finds(originals, copies, "cat/cat-01.png", "original", "SHA-256")


def test_original_gone_from_the_manifest_is_found(originals, copies):
    (originals / "cat" / "cat-01.png").unlink()
    finds(originals, copies, "cat/cat-01.png", "not among the originals")


@pytest.mark.parametrize("bare", [False, True])
def test_truncated_copy_is_found(originals, copies, bare):
    name = "dog/dog-02.png"
    whole = (copies / name).read_bytes()
    (copies / name).write_bytes(whole[: len(whole) // 2])
    refresh_hash(copies, name)
    finds(originals, copies, name, "cannot be read", bare=bare)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_copy_of_other_size_or_mode_is_found(originals, copies, bare, grey):
    name = "dog/dog-02.png"
    Image.fromarray(picture(1, side=12 if grey else 16, grey=grey)).save(copies / name)
    refresh_hash(copies, name)
    finds(originals, copies, name, "12×12×1" if grey else "16×16×3", bare=bare)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_copy_encoded_again_as_jpeg_is_found(originals, copies, bare, suffix):
    name = "bird/bird-00.png"
    decoded = Image.fromarray(pixels(copies / name).astype(np.uint8))
    (copies / name).unlink()
    decoded.save((copies / name).with_suffix(suffix), format="JPEG", quality=50)
    parts = ("no original",) if suffix == ".jpg" and not bare else ("changed by",)
    finds(originals, copies, "bird/bird-00", *parts, bare=bare)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "{}", '{"epsilon": 8}', '{"epsilon": "8", "files": []}', '{"epsilon": 8, "files": [1]}',
     '{"epsilon": 8, "files": 1}', '{"epsilon": 8, "files": [{"file": "a", "original": "a"}]}', "\udcff"],
)  # fmt: skip
def test_damaged_manifest_is_refused_by_name(originals, copies, content):
    (copies / "manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"manifest\.json"):
        verify.verify(originals, copies, None)


def test_manifest_cannot_point_outside_its_folder(originals, copies):
    facts = manifest(copies)
    facts["files"][0]["file"] = "../originals/" + facts["files"][0]["original"]
    (copies / "manifest.json").write_text(json.dumps(facts))
    finds(originals, copies, "no protected copy")


def test_emptied_manifest_does_not_hide_a_change(originals, copies):
    rewrite(copies / "cat" / "cat-01.png", lambda changed: changed.__setitem__(slice(None), 255 - changed))
    (copies / "manifest.json").write_text('{"epsilon": 8, "files": []}')
    finds(originals, copies, "cat/cat-01.png", "changed by")


@pytest.mark.parametrize("empty", ["originals", "copies"])
def test_folder_without_images_is_refused(tmp_path, originals, copies, empty):
    (tmp_path / "nothing").mkdir()
    folders = {"originals": originals, "copies": copies, empty: tmp_path / "nothing"}
    with pytest.raises(DataError, match="nothing"):
        verify.verify(folders["originals"], folders["copies"], None)
    with pytest.raises(DataError, match="nowhere"):
        verify.verify(tmp_path / "nowhere", copies, None)


def test_many_problems_are_cut_for_people_and_counted(tmp_path):
    root = write_folder(tmp_path / "originals", 30)
    data = read_folder(root)
    write.export(data, noise_for(data), tmp_path / "copies")
    words = verify.verify(root, tmp_path / "copies", 1).in_words()
    assert words.count("PROBLEM") == verdict.MOST_PROBLEMS
    assert "70 more" in words
    assert words.splitlines()[-1] == "NOT KEPT: 90 problems"


def test_exit_codes_of_verify_are_yes_no_and_refused(originals, copies, capsys):
    words = ["verify", str(originals), str(copies)]
    assert main(words) == 0
    assert main([*words, "--epsilon", "7"]) == 1
    (copies / "cat" / "cat-01.png").unlink()
    assert main(words) == 1
    assert "cat/cat-01.png: no protected copy" in capsys.readouterr().out
    assert main(["verify", str(originals), str(copies / "cat" / "nowhere")]) == 2


def test_json_verdict_is_json_and_true(originals, copies, capsys):
    assert main(["verify", str(originals), str(copies), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kept"], found["linf"], found["checked"], found["problems"]) == (True, 8, 9, [])
    assert main(["verify", str(originals), str(copies), "--json", "--epsilon", "2"]) == 1
    assert json.loads(capsys.readouterr().out)["kept"] is False


def test_card_says_what_was_measured(copies):
    card = (copies / "README.md").read_text()
    assert "9 images with samplewise noise of the method `random`" in card
    assert "measured on the decoded files: 8 pixel values" in card
