"""The job on real files: verdicts, the bound, resuming to the same bytes, places that are refused, a full disk."""

import hashlib
import json
import resource
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from forked import program
from photographs import encoded, photograph
from PIL import Image, ImageCms

from workbench.apps.photos import working_set, write_copy
from workbench.apps.photos.protect import protect
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.side_by_side import side_by_side
from workbench.cli import main
from workbench.config import DataError, ProtectConfig
from workbench.export import verify
from workbench.files.pictures import decode
from workbench.progress import listening

RANDOM = ProtectConfig(method="random")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def people(tmp_path):
    """Three people with four photos each, of several kinds and sizes."""
    root = tmp_path / "people"
    for person in range(3):
        for shot in range(4):
            grey = person == 2
            image = Image.fromarray(photograph(48 + 16 * shot, 80, seed=10 * person + shot, grey=grey))
            kind, suffix = (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif"))[shot]
            write(root / f"person {person}" / f"{shot}.{suffix}", encoded(image, kind))
    return root


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def copies(folder: Path) -> dict[str, str]:
    return {name: value for name, value in contents(folder).items() if name.endswith(".png")}


def test_every_photo_gets_a_measured_copy_and_every_other_file_its_reason(people, tmp_path):
    write(people / "person 0" / "letter.jpg", b"dear all")
    write(people / "person 0" / "cut.jpg", (people / "person 0" / "0.jpg").read_bytes()[:900])
    before, out = contents(people), tmp_path / "out"
    report = protect(people, out, ProtectConfig(method="random", epsilon=5))
    assert contents(people) == before
    assert sorted(copies(out)) == sorted(f"person {p}/{s}.png" for p in range(3) for s in range(4))
    assert sorted(v.name for v in report.refused) == ["person 0/cut.jpg", "person 0/letter.jpg"]
    assert all(v.reason for v in report.refused)
    assert {v.linf for v in report.done} == {5}
    assert report.people == 3
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["epsilon"], len(manifest["files"])) == ("complete", 5, 12)
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    assert {path.name for path in out.iterdir()} == {"manifest.json", "person 0", "person 1", "person 2"}
    verdict = verify.verify(people, out, None)
    assert verdict.kept, verdict.problems
    assert verdict.checked == 12
    for original in people.rglob("*.webp"):
        one, other = (
            decode(original.read_bytes()),
            decode((out / original.relative_to(people)).with_suffix(".png").read_bytes()),
        )
        assert 0 < np.abs(one.pixels.astype(int) - other.pixels).max() <= 5
        assert one.pixels.shape == other.pixels.shape
    assert "REFUSED 'person 0/letter.jpg'" in report.in_words()
    assert "12 of 14" in report.in_words()


def test_a_copy_that_equals_its_original_is_none_with_noise():
    """One visible pixel, at the end of the scale already: the noise has nowhere to go."""
    told = [Verdict("a.png", "a.png", linf=0), Verdict("b.png", "b.png", linf=8, psnr=30.0), Verdict("c", reason="no")]
    lines = Report(told, 8, "random").in_words().splitlines()
    assert lines[0].startswith("1 of 3 files now have a copy with noise")
    assert lines[2].endswith(": 1")
    assert "without noise" in lines[2]
    assert "without noise" not in Report(told[1:], 8, "random").in_words()


def test_the_same_command_again_finds_everything_done(people, tmp_path):
    out = tmp_path / "out"
    protect(people, out, RANDOM)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    again = protect(people, out, RANDOM)
    assert again.earlier == 12
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == times
    (out / "person 1" / "2.png").unlink()
    assert protect(people, out, RANDOM).earlier == 11
    assert verify.verify(people, out, None).kept


def test_other_settings_or_photos_are_refused_and_nothing_is_replaced(people, tmp_path):
    out = tmp_path / "out"
    protect(people, out, RANDOM)
    before = contents(out)
    with pytest.raises(DataError, match="other copies"):
        protect(people, out, ProtectConfig(method="random", epsilon=4))
    write(people / "person 1" / "new.png", encoded(Image.fromarray(photograph(seed=77))))
    with pytest.raises(DataError, match="other copies"):
        protect(people, out, RANDOM)
    assert contents(out) == before


class Enough(Exception):
    """Raised by a listener."""


@pytest.mark.parametrize(("method", "stages"), [
    ("random", ("copying photo",)), ("targeted", ("noise, round", "copying photo")),
    ("robust-targeted", ("noise, round",)),  # its copies are made as all others are
])  # fmt: skip
def test_a_stopped_job_goes_on_to_the_very_same_bytes(people, tmp_path, method, stages, monkeypatch):
    monkeypatch.setattr(working_set, "SURROGATES", "convnet-w2+resnet9-w2")
    monkeypatch.setattr(working_set, "PASSES", 200)
    monkeypatch.setattr(working_set, "LEAST_CLASSES", 4)
    config = ProtectConfig(method=method)
    protect(people, tmp_path / "whole", config)
    whole = contents(tmp_path / "whole")

    for stage in stages:
        out = tmp_path / f"stopped {stage[:4]}"
        heard = []

        def told(step, stage=stage, heard=heard):
            heard.append(step.label)
            if sum(stage in one for one in heard) == {"noise, round": 3, "copying photo": 5}[stage]:
                raise Enough

        with pytest.raises(Enough), listening(told):
            protect(people, out, config)
        assert (out / ".unfinished" / "finished.jsonl").is_file() == ("copying" in stage)
        half = copies(out)
        assert not list(out.rglob("*.partial*"))
        protect(people, out, config)
        assert half.items() <= copies(out).items() == copies(tmp_path / "whole").items()
        assert contents(out).keys() == whole.keys()


@pytest.mark.parametrize("last", ["Ledger.write_manifest", "atomic.remove_folder"], ids=["no manifest", "not tidied"])
def test_a_job_that_ends_after_its_last_copy_is_completed_and_tidied(people, tmp_path, monkeypatch, last):
    out = tmp_path / "out"
    protect(people, tmp_path / "whole", RANDOM)

    def gone(*given, **named):
        raise Enough

    with monkeypatch.context() as patch:
        patch.setattr(f"workbench.apps.photos.job.{last}", gone)
        with pytest.raises(Enough):
            protect(people, out, RANDOM)
    assert (out / ".unfinished").is_dir()
    assert protect(people, out, RANDOM).earlier == 12
    assert json.loads((out / "manifest.json").read_text())["state"] == "complete"
    assert contents(out).keys() == contents(tmp_path / "whole").keys()
    assert copies(out) == copies(tmp_path / "whole")


def test_noise_differs_between_people_is_alike_in_all_channels_and_keeps_grey_grey(people, tmp_path):
    out = tmp_path / "out"
    protect(people, out, ProtectConfig(method="random", epsilon=15))
    grey = Image.open(out / "person 2" / "1.png")
    assert grey.mode == "L"
    one = decode((people / "person 0" / "1.png").read_bytes()).pixels.astype(int)
    change = decode((out / "person 0" / "1.png").read_bytes()).pixels.astype(int) - one
    inner = ((one > 15) & (one < 240)).all(2)
    assert np.ptp(change[inner], axis=1).max() == 0
    assert np.abs(change).max() == 15


def test_transparency_profile_and_turning_are_kept_and_metadata_is_not(tmp_path):
    pixels = photograph(64, 96, seed=3)
    alpha = np.full((64, 96), 255, np.uint8)
    alpha[:20], alpha[20:40] = 0, 90
    clear = Image.fromarray(np.dstack([pixels, alpha]))
    exif = Image.Exif()
    exif[274], exif[270] = 6, "at home"
    exif.get_ifd(0x8825)[1] = "N"
    turned = encoded(Image.fromarray(pixels), "JPEG", exif=exif, icc_profile=PROFILE, comment=b"secret")
    write(tmp_path / "in" / "clear.png", encoded(clear))
    write(tmp_path / "in" / "turned.jpg", turned)
    protect(tmp_path / "in", tmp_path / "out", RANDOM)
    copy = decode((tmp_path / "out" / "clear.png").read_bytes())
    assert np.array_equal(copy.alpha, alpha)
    assert not copy.pixels[alpha == 0].any()
    with Image.open(tmp_path / "out" / "turned.png") as image:
        assert image.size == (64, 96)
        assert image.info.get("icc_profile") == PROFILE
        assert not image.getexif()
        assert set(image.info) <= {"icc_profile", "srgb", "gamma"}
    assert b"at home" not in (tmp_path / "out" / "turned.png").read_bytes()
    assert b"secret" not in (tmp_path / "out" / "turned.png").read_bytes()


def test_one_file_and_a_zip_are_photos_too(people, tmp_path):
    single = protect(people / "person 0" / "0.jpg", tmp_path / "one", RANDOM)
    assert [v.file for v in single.done] == ["0.png"]
    import zipfile

    with zipfile.ZipFile(tmp_path / "people.zip", "w") as archive:
        for path in sorted(people.rglob("*.*")):
            archive.write(path, path.relative_to(people).as_posix())
    protect(tmp_path / "people.zip", tmp_path / "zipped", RANDOM)
    protect(people, tmp_path / "plain", RANDOM)
    assert copies(tmp_path / "zipped") == copies(tmp_path / "plain")


@pytest.mark.parametrize("where", ["people", "people/inside", ".", "people/person 0/0.jpg"])
def test_places_that_would_mix_copies_with_originals_are_refused(people, tmp_path, where):
    before = contents(tmp_path)
    with pytest.raises(DataError):
        protect(people, tmp_path / where, RANDOM)
    assert contents(tmp_path) == before


def test_a_folder_with_something_in_it_and_a_link_to_the_input_are_refused(people, tmp_path):
    write(tmp_path / "full" / "diary.txt", b"mine")
    with pytest.raises(DataError, match="not empty"):
        protect(people, tmp_path / "full", RANDOM)
    assert contents(tmp_path / "full") == {"diary.txt": hashlib.sha256(b"mine").hexdigest()}
    (tmp_path / "link").symlink_to(people)
    with pytest.raises(DataError, match="is the input"):
        protect(people, tmp_path / "link", RANDOM)


def test_another_file_at_a_copys_place_is_never_replaced(tmp_path):
    photo = decode(encoded(Image.fromarray(photograph())))
    target, aside = write(tmp_path / "a.png", b"somebody's own"), tmp_path / "aside.png"
    with pytest.raises(DataError, match="never replaced"):
        write_copy.write(photo, photo.pixels, target, aside, 8)
    assert contents(tmp_path) == {"a.png": hashlib.sha256(b"somebody's own").hexdigest()}
    beyond = photo.pixels ^ np.uint8(16)
    with pytest.raises(DataError, match="changed by 16, more than 8"):
        write_copy.write(photo, beyond, tmp_path / "b.png", aside, 8)
    assert sorted(contents(tmp_path)) == ["a.png"]
    first = write_copy.write(photo, photo.pixels, tmp_path / "b.png", aside, 8)
    assert write_copy.write(photo, photo.pixels, tmp_path / "b.png", aside, 8) == first


def test_no_usable_photo_is_one_line_and_leaves_nothing(tmp_path, capsys):
    write(tmp_path / "in" / "notes.txt", b"no picture")
    assert main(["protect", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    line = capsys.readouterr().err.strip()
    assert "holds no usable image" in line
    assert len(line.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_second_process_is_refused(people, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(DataError, match="another process"):
        protect(people, tmp_path / "out", RANDOM)
    protect(people, tmp_path / "out", RANDOM)


def test_a_photo_that_changes_under_way_is_not_copied(people, tmp_path):
    def told(step):
        if (step.label, step.done) == ("reading photo", 12):
            write(people / "person 2" / "0.jpg", encoded(Image.fromarray(photograph(seed=5)), "JPEG"))

    with pytest.raises(DataError, match="changed while"), listening(told):
        protect(people, tmp_path / "out", RANDOM)


def test_random_names_a_method_and_wrong_ones_the_nearest(people, tmp_path, capsys):
    assert main(["protect", str(people), str(tmp_path / "out"), "--method", "targetted"]) == 2
    assert "did you mean 'targeted'" in capsys.readouterr().err
    assert main(["protect", str(people), str(tmp_path / "out"), "--epsilon", "0"]) == 2
    assert "epsilon is 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_and_what_is_finished_stays(people, tmp_path):
    large = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    write(people / "person 2" / "large.png", encoded(Image.fromarray(large)))
    out = tmp_path / "out"

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = program(["protect", str(people), str(out), "--method", "random"], tmp_path / "said", small_files)
    done.join(300)
    said = (tmp_path / "said").read_text()
    assert done.exitcode == 2, said
    assert "finished copies stay" in said
    assert len(said.strip().splitlines()) == 2  # how many people there are, and the refusal
    assert "Traceback" not in said
    assert not list(out.rglob("*.partial*"))
    kept = copies(out)
    assert len(kept) >= 1
    assert protect(people, out, RANDOM).earlier == len(kept)
    assert verify.verify(people, out, None).kept


def test_a_killed_job_goes_on_to_the_same_bytes(people, tmp_path):
    protect(people, tmp_path / "whole", RANDOM)
    out = tmp_path / "out"
    running = program(["protect", str(people), str(out), "--method", "random"], tmp_path / "said")
    end = time.monotonic() + 200
    while not list(out.rglob("*.png")) and running.is_alive() and time.monotonic() < end:
        time.sleep(0.001)
    running.kill()
    running.join()
    protect(people, out, RANDOM)
    assert contents(out).keys() == contents(tmp_path / "whole").keys()
    assert copies(out) == copies(tmp_path / "whole")


def test_the_search_asks_for_passes_enough_for_few_and_not_too_many_for_thousands():
    class Some:
        def __init__(self, count):
            self.count = count

        def __len__(self):
            return self.count

    few, many = (working_set.search_settings(ProtectConfig(), Some(count)) for count in (20, 20_000))
    assert few.options["rounds"] > many.options["rounds"]
    assert few.options["train_steps"] > many.options["train_steps"]
    assert many.options["rounds"] >= 5
    assert torch.get_num_threads() == 1


def test_what_was_running_beside_an_error_is_noted_too():
    begun = threading.Barrier(2, timeout=60)

    def work(turn):
        begun.wait()
        if turn == 0:
            raise OSError("full")
        time.sleep(0.3)  # ends after the error
        return {"turn": turn}

    given = []
    with pytest.raises(OSError, match="full"):
        given.extend(side_by_side([0, 1], work))
    assert given == [{"turn": 1}]
