"""Copies of recordings: each value within its own limit, by another reader; form, depth, length and rate kept."""

import json
import shutil
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench import noise, stages
from workbench.budgets import FULL
from workbench.config import ConfigError, DataConfig, DataError, NoiseConfig
from workbench.data import sources
from workbench.export import sound_copies, verify_sounds
from workbench.export.verify import read_manifest
from workbench.files import sounds
from workbench.files.sounds import Sound

RATE = 8000


def tone(seed: int, frames: int, peak: float, channels: int = 1) -> np.ndarray:
    """A noisy tone that swells and fades: float64 frames×channels, its largest value `peak`."""
    draw = np.random.default_rng(seed)
    swell = np.sin(np.linspace(0, np.pi, frames))[:, None]
    wave_ = swell * (
        np.sin(np.arange(frames) * (0.1 + 0.05 * seed))[:, None] + 0.2 * draw.normal(size=(frames, channels))
    )
    return peak * wave_ / np.abs(wave_).max()


def sound(seed: int, bits: int, form: str = "WAV", frames: int = 900, peak: float = 0.5, channels: int = 1) -> Sound:
    if not bits:
        return Sound(tone(seed, frames, peak, channels).astype(np.float32), 0, RATE, "WAV", "FLOAT")
    samples = np.rint(tone(seed, frames, peak, channels) * 2 ** (bits - 1)).astype(np.int32)
    return Sound(samples, bits, RATE, form, f"PCM_{bits}" if bits > 8 else "PCM_U8")


def folder(root: Path, made: list[Sound], per_class: int = 2) -> Path:
    for number, one in enumerate(made):
        place = root / f"class{number // per_class}"
        place.mkdir(parents=True, exist_ok=True)
        sounds.write(place / f"clip{number}.{one.copy_form.lower()}", one)
    return root


def published(
    root: Path, out: Path, budget: int = -30, method: str = "tones", kind: str = "samplewise", **more
) -> dict:
    config = NoiseConfig(data=f"audio:{root}", method=method, kind=kind, epsilon=budget, device="cpu", **more)
    stages.make_noise(config, out.parent / "noise")
    return stages.export(DataConfig(data=f"audio:{root}", device="cpu"), out.parent / "noise", out)


@pytest.mark.parametrize("shape", ["flat", "envelope"])
@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
def test_sixteen_bits_by_the_standard_library(tmp_path, kind, shape):
    root = folder(tmp_path / "in", [sound(n, 16, frames=700 + 90 * n, peak=0.03 + 0.1 * n) for n in range(8)], 4)
    manifest = published(root, tmp_path / "out", -24, kind=kind, shape=shape)
    moved = 0
    for entry in manifest["files"]:
        with wave.open(str(root / entry["original"])) as one, wave.open(str(tmp_path / "out" / entry["file"])) as other:
            assert one.getparams() == other.getparams()
            before, after = (
                np.frombuffer(each.readframes(each.getnframes()), "<i2").astype(int) for each in (one, other)
            )
        largest = max(r for r in range(40000) if r == 0 or 20 * np.log10(r / np.abs(before).max()) <= -24 + 1e-9)
        change = np.abs(after - before)
        assert change.max() <= largest
        assert abs(entry["largest"]) == change.max()
        moved += change.max() == largest
    assert moved >= 3 or shape == "envelope"  # the whole budget is used, not a part of it
    verdict = verify_sounds.verify(root, tmp_path / "out", read_manifest(tmp_path / "out"), None)
    assert verdict.kept, verdict.problems
    assert verdict.checked == len(manifest["files"]) >= 6
    assert not verify_sounds.verify(root, tmp_path / "out", read_manifest(tmp_path / "out"), -25).kept


@pytest.mark.parametrize(
    ("bits", "form"), [(8, "WAV"), (24, "WAV"), (32, "WAV"), (0, "WAV"), (16, "FLAC"), (24, "FLAC")]
)
def test_every_depth_keeps_its_own_limit_in_its_own_steps(tmp_path, bits, form):
    if form == "FLAC":
        pytest.importorskip("soundfile")
    root = folder(tmp_path / "in", [sound(n, bits, form, channels=2) for n in range(4)])
    for shape in ("flat", "envelope"):
        out = tmp_path / shape / "out"
        published(root, out, -20, shape=shape)
        verdict = verify_sounds.verify(root, out, read_manifest(out), None)
        assert verdict.kept, verdict.problems
        assert verdict.unchanged == 0
    copies = sorted(path.name for path in out.rglob(f"*.{form.lower()}"))
    originals = {path.name for path in root.rglob("*")}
    assert copies
    assert set(copies) <= originals


def test_twenty_four_bits_by_hand(tmp_path):
    original = sound(3, 24)
    root = folder(tmp_path / "in", [original, sound(4, 24), sound(5, 24), sound(6, 24)])
    published(root, tmp_path / "out", -30)
    name = next(path for path in sorted((tmp_path / "out").rglob("*.wav")))
    values = []
    for path in (root / name.relative_to(tmp_path / "out"), name):
        content = path.read_bytes()
        at = content.index(b"data")
        size = struct.unpack("<I", content[at + 4 : at + 8])[0]
        raw = content[at + 8 : at + 8 + size]
        values.append([int.from_bytes(raw[i : i + 3], "little", signed=True) for i in range(0, size, 3)])
    change = [abs(a - b) for a, b in zip(*values, strict=True)]
    allowed = int(max(map(abs, values[0])) * 10 ** (-30 / 20))
    assert 256 < max(change) <= allowed  # finer than 16 bits: not a multiple of 256
    assert any(one % 256 for one in change)


def test_floating_point_never_goes_beyond_even_by_rounding():
    original = sound(1, 0, frames=20000, peak=0.7)
    share = np.full((20000, 1), FULL, np.int16)
    share[::2] = -FULL
    copy = sound_copies.protected(original, share, -30, "flat")
    change = np.abs(copy.samples.astype(np.float64) - original.samples.astype(np.float64))
    limit = float(original.peak) * 10 ** (-30 / 20)
    assert change.max() <= limit
    assert change.min() > 0.999 * limit


@pytest.mark.parametrize("bits", [24, 32])
def test_loud_deep_recordings_do_not_overflow_the_envelope(bits):
    loud = np.full((5000, 1), 2 ** (bits - 1) - 1, np.int64).astype(np.int32)
    loud[::3] = -(2 ** (bits - 1))
    one = Sound(loud, bits, 192_000, "WAV", f"PCM_{bits}")
    ((_, found),), ((_, flat),) = (list(sound_copies.limits(one, -20, shape)) for shape in ("envelope", "flat"))
    assert (found <= flat).all()
    assert (found >= 0.9 * flat).all()  # it is as loud everywhere


def test_silence_and_what_is_too_quiet_is_left_alone_and_named(tmp_path):
    silent = Sound(np.zeros((800, 1), np.int32), 16, RATE, "WAV", "PCM_16")
    faint = sound(1, 16, peak=20 / 2**15)
    made = [silent, faint, sound(2, 16), sound(3, 16)]
    root = folder(tmp_path / "train", made, 2)
    folder(tmp_path / "test", [sound(n, 16) for n in range(4)], 2)
    manifest = published(tmp_path, tmp_path.parent / "out-quiet", -30)
    entries = {Path(entry["original"]).stem: entry for entry in manifest["files"]}
    assert entries["clip0"]["too_quiet"]
    assert entries["clip1"]["too_quiet"]
    assert "too_quiet" not in entries["clip2"]
    for name in ("clip0", "clip1"):
        copy = tmp_path.parent / "out-quiet" / entries[name]["file"]
        assert np.array_equal(sounds.read(copy).samples, sounds.read(root / entries[name]["original"]).samples)
    verdict = verify_sounds.verify(tmp_path, tmp_path.parent / "out-quiet", manifest, None)
    assert (verdict.kept, verdict.quiet, verdict.unchanged) == (True, 2, 2), verdict.problems
    shutil.rmtree(tmp_path.parent / "out-quiet")
    shutil.rmtree(tmp_path.parent / "noise")


def test_a_damaged_copy_is_found_with_its_frame(tmp_path):
    root = folder(tmp_path / "in", [sound(n, 16) for n in range(4)])
    manifest = published(root, tmp_path / "out", -30)
    entry = manifest["files"][0]
    copy = sounds.read(tmp_path / "out" / entry["file"])
    copy.samples[321] += 3000
    sounds.write(tmp_path / "out" / entry["file"], copy)
    verdict = verify_sounds.verify(root, tmp_path / "out", read_manifest(tmp_path / "out"), None)
    assert any("SHA-256 differs" in one for one in verdict.problems)
    assert any("frame 321 is changed by" in one for one in verdict.problems)
    (tmp_path / "out" / manifest["files"][1]["file"]).unlink()
    shutil.copy(root / entry["original"], tmp_path / "out" / "class0" / "stranger.wav")
    said = verify_sounds.verify(root, tmp_path / "out", read_manifest(tmp_path / "out"), None).problems
    assert any("no protected copy" in one for one in said)
    assert any("stranger.wav: no original" in one for one in said)


@pytest.mark.parametrize(("change", "said"), [
    ({"rate": 16000}, "Hz"), ({"bits": 24}, "bits a sample"), ({"frames": 899}, "frames×channels"),
])  # fmt: skip
def test_two_files_that_cannot_be_compared(tmp_path, change, said):
    one = sound(1, 16)
    other = sound(1, change.get("bits", 16), frames=change.get("frames", 900))
    if "rate" in change:
        other = Sound(other.samples, 16, change["rate"], "WAV", "PCM_16")
    sounds.write(tmp_path / "a.wav", one)
    sounds.write(tmp_path / "b.wav", other)
    verdict = verify_sounds.verify(tmp_path / "a.wav", tmp_path / "b.wav", {}, -30)
    assert not verdict.kept
    assert said in verdict.problems[0]


def test_two_files_alone_are_held_to_a_budget(tmp_path):
    original = sound(1, 16)
    sounds.write(tmp_path / "a.wav", original)
    copy = sound_copies.protected(original, np.full((900, 1), FULL, np.int16), -30, "flat")
    sounds.write(tmp_path / "b.wav", copy)
    assert verify_sounds.verify(tmp_path / "a.wav", tmp_path / "b.wav", {}, -30).kept
    assert not verify_sounds.verify(tmp_path / "a.wav", tmp_path / "b.wav", {}, -31).kept


def test_lossy_recordings_become_flac_that_holds_what_they_decode_to(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for number in range(4):
        place = tmp_path / "in" / f"class{number // 2}"
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"clip{number}.ogg", tone(number, 6000, 0.5), RATE, format="OGG", subtype="VORBIS")
    manifest = published(tmp_path / "in", tmp_path / "out", -30)
    assert all(entry["file"].endswith(".flac") for entry in manifest["files"])
    verdict = verify_sounds.verify(tmp_path / "in", tmp_path / "out", manifest, None)
    assert verdict.kept, verdict.problems


def test_copies_of_one_stem_stay_apart(tmp_path):
    root = folder(tmp_path / "in", [sound(n, 16) for n in range(4)])
    for path in list(root.rglob("*.wav")):
        pytest.importorskip("soundfile")
        sounds.write(path.with_suffix(".flac"), sound(9, 16, "FLAC"))
    manifest = published(root, tmp_path / "out", -30)
    names = [entry["file"] for entry in manifest["files"]]
    assert len(set(names)) == len(names) == len(list((tmp_path / "out").rglob("clip*")))


def test_synthetic_clips_are_exported_as_wav(tmp_path):
    config = NoiseConfig(data="spoken-digits:20", method="tones", epsilon=-30, device="cpu")
    stages.make_noise(config, tmp_path / "noise")
    manifest = stages.export(DataConfig(data="spoken-digits:20", device="cpu"), tmp_path / "noise", tmp_path / "out")
    pair = sources.load(DataConfig(data="spoken-digits:20"))
    made = stages.find_noise(tmp_path / "noise")
    assert made is not None
    inside = made.noise.apply(pair.train)
    for index, entry in enumerate(manifest["files"]):
        length = int(pair.train.lengths[index])
        written = torch.from_numpy(sounds.read(tmp_path / "out" / entry["file"]).samples).T
        assert torch.equal(written, inside[index, :, :length].int())  # what is judged is what is published


def test_what_does_not_go_together_is_refused(tmp_path):
    root = folder(tmp_path / "in", [sound(n, 16) for n in range(4)])
    published(root, tmp_path / "out", -30)
    with pytest.raises(ConfigError, match="official-export"):
        stages.export(DataConfig(data=f"audio:{root}"), tmp_path / "noise", tmp_path / "again", official=True)
    with pytest.raises(DataError, match="made for other data"):
        stages.export(DataConfig(data="spoken-digits:20"), tmp_path / "noise", tmp_path / "again")
    with pytest.raises(ConfigError, match="budget of sound is --budget-db"):
        noise.resolved(NoiseConfig(data=f"audio:{root}", epsilon=8), "audio")
    assert not (tmp_path / "again").exists()


def test_the_manifest_is_json_without_infinities(tmp_path):
    root = folder(tmp_path / "in", [sound(n, 16) for n in range(4)])
    out = tmp_path / "plain"
    stages.export(DataConfig(data=f"audio:{root}"), None, out)
    manifest = json.loads((out / "manifest.json").read_text(), parse_constant=lambda text: pytest.fail(text))
    assert all(entry["peak_db"] is None and entry["largest"] == 0 for entry in manifest["files"])
    assert "no change at all" in (out / "README.md").read_text()


@pytest.mark.parametrize("facts", [{"epsilon": 3}, {"epsilon": -200}, {"shape": "round"}])
def test_a_foreign_manifest_is_refused_in_one_line(tmp_path, facts):
    given = {"space": "audio", "shape": "flat", "epsilon": -30, "files": []} | facts
    (tmp_path / "manifest.json").write_text(json.dumps(given))
    with pytest.raises(DataError, match="outside -96"):
        read_manifest(tmp_path)
