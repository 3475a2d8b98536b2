"""Copies of recordings: verdicts, the bound, forms, whole files of any length and rate, going on to the same bytes."""

import hashlib
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from sound_files import damaged, flac, tone, valid, wav

from workbench.apps.photos.self_test import TooFew
from workbench.apps.recordings import clips, self_test
from workbench.apps.recordings.protect import protect
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.cli import main
from workbench.data import spoken_digits
from workbench.data.batches import Stream, generator
from workbench.export import verify, verify_sounds
from workbench.files import sounds
from workbench.judging import learners
from workbench.noise import tones
from workbench.progress import listening

TONES = RecordingsConfig()
RATE = spoken_digits.RATE


@pytest.fixture(scope="module")
def said():
    """Thirty digits of three drawn voices, int16."""
    samples, lengths, _ = spoken_digits.make("train", 30, 5)
    return [wave[0, :length].numpy()[:, None] for wave, length in zip(samples, lengths.tolist(), strict=True)]


@pytest.fixture
def people(tmp_path, said):
    """Three people with four recordings each."""
    root = tmp_path / "people"
    for person in range(3):
        (root / f"p{person}").mkdir(parents=True)
        for take in range(4):
            content = wav(said[10 * person + take], 16, RATE)
            (root / f"p{person}" / f"{take}.wav").write_bytes(content)
    return root


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def checked(originals, copies):
    return verify_sounds.verify(originals, copies, verify.read_manifest(copies), None)


@pytest.mark.parametrize("shape", ["flat", "envelope"])
def test_every_recording_gets_a_measured_copy_and_every_other_file_its_reason(people, tmp_path, shape):
    (people / "p0" / "letter.wav").write_bytes(b"dear all")
    (people / "p0" / "cut.wav").write_bytes((people / "p0" / "0.wav").read_bytes()[:40])
    (people / "p1" / "low.wav").write_bytes(wav(tone(4000, 1), 16, 4000))
    (people / "p1" / "silent.wav").write_bytes(wav(np.zeros((4000, 1), np.int16), 16, RATE))
    before, out = contents(people), tmp_path / "out"
    report = protect(people, out, replace(TONES, shape=shape))
    assert contents(people) == before
    assert sorted(one.name for one in report.refused) == ["p0/cut.wav", "p0/letter.wav", "p1/low.wav"]
    assert all(one.reason for one in report.refused)
    assert [one.name for one in report.done if one.equal] == ["p1/silent.wav"]
    assert contents(out)["p1/silent.wav"] == before["p1/silent.wav"]
    assert max(one.peak_db for one in report.done if not one.equal) <= -20
    words = report.in_words()
    assert "12 of 16 files now have a copy with noise (tones)" in words
    assert "REFUSED 'p0/letter.wav'" in words
    assert "spectral gate" in words
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["state"], manifest["space"], manifest["shape"], manifest["too_quiet"]) == (
        "complete", "audio", shape, 1,
    )  # fmt: skip
    verdict = checked(people, out)
    assert verdict.kept, verdict.problems
    assert (verdict.checked, verdict.quiet, verdict.refused) == (13, 1, 3)
    assert main(["verify", str(people), str(out), "--budget-db", "-40"]) == 1  # that bound is not kept


def test_forms_stay_and_what_is_lossy_becomes_flac_and_says_so(tmp_path, said):
    pytest.importorskip("soundfile")
    root = tmp_path / "in"
    root.mkdir()
    loud = said[0].astype(np.int32)
    given = {
        "a.wav": wav(loud << 8, 24, 44_100), "b.flac": flac(loud, 16, 16_000), "c.mp3": valid("MP3"),
        "d.wav": wav((said[1] / 32768).astype(np.float32), 32, RATE), "e.wav": valid("EXTENSIBLE"),
    }  # fmt: skip
    for name, content in given.items():
        (root / name).write_bytes(content)
    report = protect(root, tmp_path / "out", TONES)
    assert not report.refused
    assert sorted(contents(tmp_path / "out")) == ["a.wav", "b.flac", "c.flac", "d.wav", "e.wav"]
    for name in given:
        one = sounds.read(root / name)
        other = sounds.read(tmp_path / "out" / name.replace("mp3", "flac"))
        assert (one.bits, one.rate, one.samples.shape) == (other.bits, other.rate, other.samples.shape)
        assert not np.array_equal(one.samples, other.samples)
    assert "was MP3: the copy is FLAC" in report.in_words()
    assert checked(root, tmp_path / "out").kept


@pytest.mark.parametrize("rate", [8000, 44_100, 11_027])
def test_noise_lies_on_all_of_a_long_recording_at_its_own_rate_and_its_tones_are_alike_in_hertz(rate, said, tmp_path):
    root, seconds = tmp_path / "in", 14
    root.mkdir()
    (root / "long.wav").write_bytes(wav(np.tile(tone(rate, 1), (seconds, 1))[: seconds * rate - 77], 16, rate))
    protect(root, tmp_path / "out", replace(TONES, shape="flat"))
    pair = [sounds.read(folder / "long.wav").samples.astype(float)[:, 0] for folder in (root, tmp_path / "out")]
    change = pair[1] - pair[0]
    assert all(np.abs(change[first : first + rate]).max() > 100 for first in range(0, len(change), rate))
    heard = np.abs(np.fft.rfft(change[:rate]))[:4000]  # one bin per Hz
    known = np.abs(np.fft.rfft(clips_noise()))[:4000]
    loudest = [set((np.sort(np.argsort(one)[-6:]) + 5) // 10) for one in (heard, known)]
    assert loudest[0] & loudest[1]
    assert heard[np.argsort(known)[-6:]].min() > 20 * np.median(heard)


def clips_noise():
    """A second of the tones of the first of ten people at 8 kHz."""
    pitches = tones.chords(10, RATE, generator(torch.device("cpu"), 0, Stream.TONES, 0))
    return np.sin(2 * np.pi * pitches[0].numpy()[:, None] * np.arange(RATE) / RATE).sum(0)


class Enough(Exception):
    """Raised by a listener."""


def test_a_stopped_job_goes_on_to_the_very_same_bytes(people, tmp_path):
    protect(people, tmp_path / "whole", TONES)
    out, heard = tmp_path / "out", []

    def told(step):
        heard.append(step.label)
        if heard.count("copying recording") == 5:
            raise Enough

    with pytest.raises(Enough), listening(told):
        protect(people, out, TONES)
    assert (out / ".unfinished").is_dir()
    assert protect(people, out, TONES).earlier >= 4
    assert contents(out) == contents(tmp_path / "whole")


def test_a_search_takes_recordings_too(people, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.apps.recordings.protect.SURROGATE", "convnet-w2")
    protect(people, tmp_path / "out", replace(TONES, method="em-joint"))
    assert checked(people, tmp_path / "out").kept


def test_flat_folder_zip_and_single_file(people, tmp_path):
    with zipfile.ZipFile(tmp_path / "people.zip", "w") as archive:
        for path in sorted(people.rglob("*.wav")):
            archive.write(path, path.relative_to(people).as_posix())
    protect(tmp_path / "people.zip", tmp_path / "zipped", TONES)
    protect(people, tmp_path / "plain", TONES)
    assert contents(tmp_path / "zipped") == contents(tmp_path / "plain")
    one = protect(people / "p0" / "0.wav", tmp_path / "one", TONES)
    assert [verdict.file for verdict in one.done] == ["0.wav"]
    assert checked(people / "p0" / "0.wav", tmp_path / "one").kept
    refused = main(["protect", str(tmp_path / "plain"), str(tmp_path / "again"), "--budget-db", "-20"])
    assert refused == 2  # they carry noise already


def test_the_command_tells_photos_from_recordings_and_refuses_a_mixture(people, tmp_path, capsys):
    assert main(["protect", str(people), str(tmp_path / "out")]) == 0
    assert "12 of 12 files now have a copy with noise (tones)" in capsys.readouterr().out
    (people / "p0" / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["protect", str(people), str(tmp_path / "new")]) == 2
    line = capsys.readouterr().err
    assert "1 photos and 12 recordings: give --epsilon" in line
    assert main(["protect", str(people), str(tmp_path / "new"), "--epsilon", "8", "--budget-db", "-20"]) == 2
    assert main(["protect", str(people), str(tmp_path / "new"), "--budget-db", "20"]) == 2
    assert not (tmp_path / "new").exists()
    assert main(["protect", str(people), str(tmp_path / "new"), "--shape", "flat"]) == 0
    assert "REFUSED 'p0/face.png'" in capsys.readouterr().out


def test_damaged_recordings_are_refused_or_copied_and_none_is_lost(tmp_path, said):
    from random import Random

    root = tmp_path / "in"
    root.mkdir()
    content = wav(said[0], 16, RATE)
    (root / "good.wav").write_bytes(content)
    for number in range(25):
        (root / f"{number}.wav").write_bytes(damaged(content, Random(number)))
    report = protect(root, tmp_path / "out", TONES)
    assert len(report.verdicts) == 26
    assert len(report.refused) > 3
    verdict = checked(root, tmp_path / "out")
    assert verdict.kept, verdict.problems


def test_recognisers_of_speakers_are_trained_on_both(people, tmp_path, monkeypatch, capsys, learners_here):
    monkeypatch.setattr(learners, "suited", lambda recipe, count: replace(recipe, epochs=1))
    monkeypatch.setattr(self_test, "RECOGNISER", "convnet-w2")
    monkeypatch.setattr(self_test, "OTHERS", (self_test.WAVE, self_test.BINDING))
    out, page = tmp_path / "out", tmp_path / "page.html"
    words = ["--self-test", "--seeds", "1", "--report", str(page), "--shape", "flat"]
    assert main(["protect", str(people), str(out), *words]) == 0
    said = capsys.readouterr().out
    assert "3 clips of 3 people were kept aside" in said
    assert "7 drawn people among them" in said
    assert "By a network on the wave itself, they named" in said
    assert "After rounding to 8 bits, they named" in said
    assert "With random noise of the same size" in said
    assert "this program has none" in said
    shown = page.read_text()
    assert "under a recording&#x27;s own peak" in shown
    assert "--shape flat" in shown
    assert "your recordings as they are" in shown


def test_clips_kept_aside_are_clean_and_of_other_recordings(people, tmp_path):
    protect(people, tmp_path / "out", TONES)
    sets = self_test._sets(people, tmp_path / "out", TONES, None)
    assert (len(sets.held_out), sets.tested, sets.drawn) == (3, 3, 7)
    assert len(sets.original) == 9 + 7 * clips.SAID
    same = (sets.original.samples[None] == sets.held_out.samples[:, None]).flatten(2).all(2)
    assert not same.any()
    for name in ("tones", "random"):
        change = (sets.variants[name].int() - sets.original.samples.int()).abs().amax((1, 2))
        assert change[:9].min() > 0
        assert not change[9:].any()  # the company


def test_nobody_with_three_recordings_is_one_line(people, tmp_path):
    for path in people.rglob("[23].wav"):
        path.unlink()
    protect(people, tmp_path / "out", TONES)
    with pytest.raises(TooFew, match="3 recordings or more"):
        self_test.self_test(people, tmp_path / "out", TONES)


def test_pauses_are_no_clips_and_few_are_cut_of_a_long_recording():
    loud, quiet = tone(RATE, 1), (tone(RATE, 1) // 500).astype(np.int16)
    one = sounds.Sound(np.concatenate([loud, quiet] * 30).astype(np.int32), 16, RATE, "WAV", "PCM_16")
    taken = clips.spoken(one)
    assert len(taken) == clips.MOST
    assert all(second % 2 == 0 for second in taken)
