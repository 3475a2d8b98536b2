"""Folders of recordings: parts and split, one rate and number of channels, 16 bits from any, refusals by file."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
import sound_files as files
import torch
from clips import toned, write_sounds

import workbench as wb
from workbench.cli import main
from workbench.config import ConfigError, DataConfig, DataError
from workbench.data import recordings, sources
from workbench.data.space import AUDIO
from workbench.files import sounds


@pytest.fixture
def folder(tmp_path):
    return write_sounds(tmp_path / "in", toned(30))


def load(folder, **more):
    return sources.load(DataConfig(data=f"audio:{folder}", **more))


def refusal(folder, **more) -> str:
    with pytest.raises((DataError, ConfigError)) as refused:
        load(folder, **more)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_clips_are_the_files_samples_with_zeros_after_them(folder):
    data, pair = toned(30), load(folder)
    assert (len(pair.train), len(pair.test)) == (24, 6)
    assert pair.name == "audio"
    for part in (pair.train, pair.test):
        assert (part.space, part.rate, part.classes) == (AUDIO, 8000, data.classes)
        assert part.samples.dtype == torch.int16
        assert part.samples.shape[2] == 1600
        for clip, length, name, label in zip(part.samples, part.lengths, part.names, part.labels, strict=True):
            place = data.names.index(name)
            assert (int(length), int(label)) == (int(data.lengths[place]), int(data.labels[place]))
            assert torch.equal(clip, data.samples[place])
    assert pair.layout.facts["recordings"] == 30


def test_the_split_is_seeded_and_stratified(folder):
    one, same, other = load(folder), load(folder), load(folder, seed=1)
    assert one.train.names == same.train.names != other.train.names
    assert sorted(one.train.names + one.test.names) == sorted(toned(30).names)
    assert one.test.labels.bincount().tolist() == [2, 2, 2]


def test_parts_that_are_given_are_taken(tmp_path):
    write_sounds(tmp_path / "train", toned(12))
    write_sounds(tmp_path / "test", toned(6, seed=5, seconds=0.3))
    pair = load(tmp_path)
    assert (len(pair.train), len(pair.test)) == (12, 6)
    assert pair.train.samples.shape[2] == pair.test.samples.shape[2] == 2400
    assert torch.equal(pair.train.samples[:, :, 1600:], torch.zeros(12, 1, 800).short())
    assert int(pair.train.lengths.max()) == 1600


def test_a_limit_is_spread_over_the_classes(folder):
    pair = load(folder, limit_train=6, limit_test=3)
    assert pair.train.labels.bincount().tolist() == [2, 2, 2]
    assert len(pair.train.lengths) == len(pair.train.names) == 6
    assert "limit of 2 samples" in refusal(folder, limit_train=2)


def test_two_rates_are_refused_by_both_files(folder):
    (folder / "bee" / "x.wav").write_bytes(files.wav(files.integers(16, channels=1), 16, 16000))
    said = refusal(folder)
    assert "bee/x.wav is at 16000 Hz" in said
    assert "ant/0000.wav at 8000 Hz: add @RATE to bring all to one, as in audio:PATH@16000" in said


def test_rates_are_brought_to_one_on_request(folder):
    time = np.arange(3200) / 16000  # a tone of 400 Hz, 0.2 s
    tone = np.rint(10000 * np.sin(2 * np.pi * 400 * time)).astype(np.int16)[:, None]
    (folder / "ant" / "x.wav").write_bytes(files.wav(tone, 16, 16000))
    plain, pair = toned(30), load(f"{folder}@8000")
    assert {(part.rate, part.root) for part in (pair.train, pair.test)} == {(8000, None)}
    clips = {
        name: clip[:, :length]
        for part in (pair.train, pair.test)
        for name, clip, length in zip(part.names, part.samples, part.lengths, strict=True)
    }
    for name, clip, length in zip(plain.names, plain.samples, plain.lengths.tolist(), strict=True):
        assert torch.equal(clips[name], clip[:, :length])  # what has the rate already stays as it is
    found = clips["ant/x.wav"][0].numpy()
    assert len(found) == 1600
    assert np.abs(found - tone[::2, 0])[40:-40].max() < 20  # of 10,000; the filter rings at the ends


def test_a_rate_that_all_have_leaves_them_files_and_one_that_nobody_can_hear_is_refused(folder):
    plain, same = load(folder), load(f"{folder}@8000")
    assert (same.train.root, same.train.fingerprint) == (folder, plain.train.fingerprint)
    for wrong in ("1999", "192001", "9" * 5000):
        assert "after the @ comes a rate, 2,000 to 192,000 Hz" in refusal(f"{folder}@{wrong}")
    assert "is not a folder" in refusal(f"{folder}@fast")
    named = folder.rename(folder.parent / "in@16000")
    assert load(named).train.rate == 8000


def test_two_numbers_of_channels_are_refused_by_both_files(folder):
    (folder / "bee" / "x.wav").write_bytes(files.wav(files.integers(16, channels=2), 16, 8000))
    said = refusal(folder)
    assert "bee/x.wav and " in said
    assert "ant/0000.wav have 2 and 1 channels" in said


@pytest.mark.parametrize(("rate", "channels", "said"), [(16000, 1, "train is at 8000 Hz, test at 16000 Hz"),
                                                        (8000, 2, "train and test have 1 and 2 channels")])  # fmt: skip
def test_parts_that_differ_are_refused(tmp_path, rate, channels, said):
    write_sounds(tmp_path / "train", toned(12))
    write_sounds(tmp_path / "test", toned(6, rate=rate, channels=channels))
    assert said in refusal(tmp_path)


def test_too_long_and_too_short_recordings_are_refused(tmp_path):
    write_sounds(tmp_path / "in", toned(6))
    (tmp_path / "in" / "cat" / "x.wav").write_bytes(files.wav(files.integers(16, 32001, 1), 16, 8000))
    assert "cat/x.wav is 4.0 s long: cut recordings into clips of 4 s at most" in refusal(tmp_path / "in")
    assert "has less than 0.05 s" in refusal(write_sounds(tmp_path / "short", toned(6, seconds=0.04)))
    assert "2,000 Hz are needed" in refusal(write_sounds(tmp_path / "low", toned(6, rate=1500)))


def test_what_is_no_recording_is_refused_by_its_name(folder):
    (folder / "cat" / "x.wav").write_bytes(b"no sound")
    assert "cat/x.wav" in refusal(folder)
    (folder / "cat" / "x.wav").unlink()
    (folder / "cat" / "note.txt").write_text("left out, and said")
    assert sum(load(folder).layout.left.values()) == 1
    for path in (folder / "cat").glob("*.wav"):
        path.unlink()
    assert "holds no recordings" in refusal(folder)
    assert "needs a path" in refusal("")


def test_images_settings_are_refused(folder, tmp_path, capsys):
    assert "only images are scaled" in refusal(folder, side=32)
    words = ["noise", "--data", f"audio:{folder}", "--epsilon", "8", "--out", str(tmp_path / "n")]
    assert main(words) == 2
    assert "--budget-db" in capsys.readouterr().err
    assert main(["noise", "--data", f"audio:{folder}", "--method", "tones", "--out", str(folder / "n")]) == 2
    assert not (folder / "n").exists()


def as_read(samples: np.ndarray, bits: int) -> np.ndarray:
    return recordings.sixteen_bits(sounds.decode(io.BytesIO(files.wav(samples, bits))))


def test_other_depths_become_16_bits_as_stated():
    for bits in (8, 16, 24, 32):
        given = files.integers(bits, channels=2)
        found = as_read(given, bits)
        assert found.dtype == np.int16
        naive = [[half_even(int(v), bits) for v in row] for row in given]
        assert found.tolist() == naive, bits
    wide = np.array([[0.0, 1.0], [-1.0, 0.5], [1.5, -2.0], [0.25 / 32768, 1.75 / 32768]])
    for dtype in (np.float32, np.float64):
        found = as_read(wide.astype(dtype), 8 * np.dtype(dtype).itemsize)
        assert found.tolist() == [[0, 32767], [-32768, 16384], [32767, -32768], [0, 2]]


def half_even(value: int, bits: int) -> int:
    if bits <= 16:
        return value << (16 - bits)
    scale = 1 << (bits - 16)
    low, rest = divmod(value, scale)
    up = rest * 2 > scale or (rest * 2 == scale and low % 2)
    return min(32767, low + up)


def test_every_kind_of_file_is_read_where_soundfile_is_there(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    for number in range(2):
        for label in ("a", "b"):
            (tmp_path / label).mkdir(exist_ok=True)
            (tmp_path / label / f"{number}.ogg").write_bytes(files.coded(files.tone(), "OGG", "VORBIS"))
            (tmp_path / label / f"{number}f.flac").write_bytes(files.flac(files.integers(24), 24))
            (tmp_path / label / f"{number}w.wav").write_bytes(files.wav(files.integers(8), 8))
    pair = load(tmp_path)
    assert len(pair.train) + len(pair.test) == 12
    monkeypatch.setitem(sys.modules, "soundfile", None)
    said = refusal(tmp_path)
    assert "soundfile" in said
    assert "audio" in said


def test_the_fingerprint_tells_rates_and_lengths_apart():
    data = toned(6)
    shorter = data.lengths.clone()
    shorter[2] -= 1
    prints = {data.fingerprint, replace(data, rate=16000).fingerprint, replace(data, lengths=shorter).fingerprint}
    assert len(prints) == 3
    assert data.fingerprint == toned(6).fingerprint


def test_the_whole_way_from_a_folder_to_a_victim(folder, tmp_path, capsys):
    common = ["--data", f"audio:{folder}", "--device", "cpu"]
    noise = ["noise", *common, "--method", "tones", "--budget-db", "-12", "--out", str(tmp_path / "n")]
    assert main(noise) == 0
    victim = ["train", *common, "--victim", "convnet-w2", "--epochs", "1", "--noise", str(tmp_path / "n")]
    assert main([*victim, "--protected-fraction", "0.5", "--out", str(tmp_path / "v")]) == 0
    rows = wb.load(f"audio:{folder}")
    assert len(rows.train) == 24
    for wrong, said in (
        (["--augmentation", "shift"], "augmentation of audio data"), (["--victim", "mlp-w4"], "network mlp-w4"),
        (["--defence", "blur"], "defence blur"),
    ):  # fmt: skip
        capsys.readouterr()
        assert main(["train", *common, *wrong, "--out", str(tmp_path / "w")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "w").exists()
