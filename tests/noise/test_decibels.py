"""The budget of sound: exact to the step, by a naive second writing, for every peak; nothing outside a clip."""

import itertools
import json
import struct
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
import torch
from clips import toned
from safetensors.torch import save_file
from searches import run

from workbench import noise
from workbench.budgets import FULL, QUIETEST, SHAPES
from workbench.catalogue import METHODS
from workbench.cli import main
from workbench.config import KINDS, ConfigError, DataError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO, IMAGE
from workbench.noise import decibels
from workbench.noise.perturbation import FILE_NAME, Perturbation

SMALL = {"batch_size": 20, "rounds": 2, "train_steps": 2, "noise_steps": 2, "learning_rate": 0.02}


def drawn(data: Dataset, kind: str = "samplewise", shape: str = "flat", epsilon: int = -20, seed: int = 0):
    """Shares of the limits at random, the largest among them."""
    count = len(data.classes) if kind == "classwise" else len(data)
    draw = torch.Generator().manual_seed(seed)
    delta = torch.randint(-FULL, FULL + 1, (count, *data.samples.shape[1:]), generator=draw).short()
    delta[:, :, ::7], delta[:, :, 1::7] = FULL, -FULL
    return Perturbation(delta, kind, epsilon, "random", data.fingerprint, AUDIO, shape=shape)


def every_limit(data: Dataset, epsilon: int, shape: str) -> list[list[list[int]]]:
    """The limits value by value."""
    found = []
    for clip, length in zip(data.samples.tolist(), data.lengths.tolist(), strict=True):
        peak = max(abs(value) for channel in clip for value in channel[:length])
        most, half, loud = exact(peak, epsilon), round(0.04 * data.rate / 2), []
        for channel in clip:
            parts = [channel[max(0, place - half) : min(length, place + half)] for place in range(length)]
            loud.append([(sum(value * value for value in part) / len(part)) ** 0.5 for part in parts])
        top = max(map(max, loud)) or 1.0
        rows = [[int(most * one / top) if shape == "envelope" else most for one in channel] for channel in loud]
        found.append([row + [0] * (len(clip[0]) - length) for row in rows])
    return found


def exact(peak: int, budget: int) -> int:
    """The largest whole number of steps so many decibels under a peak."""
    with localcontext(prec=60):
        return int(Decimal(10) ** (Decimal(budget) / 20) * peak)


@pytest.mark.parametrize("budget", [-1, -3, -6, -20, -30, -37, -40, -60, -90, QUIETEST])
def test_the_radius_is_the_largest_whole_number_within_the_decibels_for_every_peak(budget):
    with localcontext(prec=60):
        share = Decimal(10) ** (Decimal(budget) / 20)
        wrong = [peak for peak in range(2**15 + 1) if decibels.radius(peak, budget) != int(share * peak)]
    assert wrong == []


def test_the_radius_is_exact_for_deeper_files_too():
    for budget in range(QUIETEST, 0):
        for peak in (2**23, 2**23 - 1, 2**31, 2**31 - 1, 10**9, 0):
            assert decibels.radius(peak, budget) == exact(peak, budget)
    # Where 1e-9 of the peak, which floating point was given once, would have been too much.
    over = [(p, b) for b in (-7, -13, -29) for p in range(2**31 - 3000, 2**31) if radius_by_float(p, b) > exact(p, b)]
    assert over
    assert all(decibels.radius(peak, budget) == exact(peak, budget) for peak, budget in over)


def radius_by_float(peak, budget):
    return int(peak * 10 ** (budget / 20) + 1e-9 * peak)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("epsilon", [-6, -30])
def test_limits_equal_the_naive_ones_and_end_with_the_clip(shape, epsilon):
    data = toned(4, seconds=0.1, channels=2)
    found = decibels.with_limits(data, epsilon, shape).limits
    assert found.tolist() == every_limit(data, epsilon, shape)
    assert bool((found[torch.arange(found.shape[2]).expand_as(found) >= data.lengths[:, None, None]] == 0).all())
    assert data.limits is None


def test_the_envelope_is_never_above_flat_reaches_it_and_is_safe_in_silence():
    data = toned(9, channels=2)
    data.samples[1] = 0
    data.samples[2, :, :300] = 0
    flat, close = (decibels.with_limits(data, -20, shape).limits for shape in SHAPES[:2])
    assert bool((close <= flat).all())
    assert bool((close >= 0).all())
    loud = [number for number in range(9) if number != 1]
    assert torch.equal(close.amax((1, 2))[loud], flat.amax((1, 2))[loud])
    assert int(close[2, :, :20].max()) < 0.5 * int(flat[2].max())  # its pause
    assert int(flat[1].max()) == int(close[1].max()) == 0
    assert decibels.limits(torch.zeros(2, 0), -20, "envelope", 8000).shape == (2, 0)
    assert decibels.limits(torch.ones(1, 1), -6, "envelope", 8000).tolist() == [[0]]


def test_the_envelope_of_24_bits_does_not_overflow():
    wide = torch.full((1, 4 * 48000), 2**23 - 1)
    assert set(decibels.limits(wide, -20, "envelope", 48000)[0].tolist()) == {decibels.radius(2**23 - 1, -20)}
    small, large = toned(1).samples[0].long(), toned(1).samples[0].long() * 256
    ratio = decibels.limits(large, -6, "envelope", 8000) / (256 * decibels.limits(small, -6, "envelope", 8000) + 128)
    assert float((ratio - 1).abs().max()) < 0.2


def test_clips_without_lengths_have_limits_to_their_end_and_images_none(tiny):
    data = replace(toned(3), lengths=None)
    assert int(decibels.with_limits(data, -20, "flat").limits.min()) > 0
    change = drawn(data).apply(data).int() - data.samples.int()
    assert 0 < int(change.abs().max()) <= decibels.radius(int(data.samples.int().abs().max()), -20)
    assert decibels.with_limits(tiny.train, 8, "flat") is tiny.train


def test_steps_are_the_nearest_and_never_beyond_the_limit():
    share = torch.arange(-FULL, FULL + 1)
    for limit in (0, 1, 2, 3, 7, 100, 3276, 32767, 2**23):
        found = decibels.steps(share, torch.tensor(limit))
        assert int(found.abs().max()) == limit
        naive = [
            int((Decimal(abs(s)) * limit / FULL).quantize(Decimal(1), "ROUND_HALF_UP")) for s in range(0, FULL, 11)
        ]
        assert found[FULL::11][: len(naive)].tolist() == naive
        assert torch.equal(found, -found.flip(0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_apply_is_clip_of_each_value_and_its_noise(kind, shape):
    data = toned(5, seconds=0.05)
    data.samples[0, 0, :40] = 32767
    data.samples[1, 0, :40] = -32768
    made = drawn(data, kind, shape, -6)
    found, limits = made.apply(data), every_limit(data, -6, shape)
    for number, clip in enumerate(data.samples.tolist()):
        row = made.delta[int(data.labels[number]) if kind == "classwise" else number]
        for place, value in enumerate(clip[0]):
            share, limit = int(row[0, place]), limits[number][0][place]
            moved = (abs(share) * limit * 2 + FULL) // (2 * FULL) * (1 if share >= 0 else -1)
            assert int(found[number, 0, place]) == min(32767, max(-32768, value + moved))
    assert found.dtype == torch.int16
    assert int((found.int() - data.samples.int()).abs().max()) > 1000


def test_silent_and_too_quiet_clips_are_left_alone_and_nothing_follows_a_clip():
    data = toned(6)
    data.samples[0] = 0
    data.samples[1] = data.samples[1].clamp(-9, 9)  # -20 dB of 9 is less than a step
    found = drawn(data).apply(data)
    assert torch.equal(found[:2], data.samples[:2])
    assert bool((found[2:] != data.samples[2:]).any())
    after = torch.arange(data.samples.shape[2]) >= data.lengths[:, None, None]
    assert int(found[after.expand_as(found)].abs().max()) == 0
    chosen = torch.arange(6) == 4
    assert torch.equal((drawn(data).apply(data, chosen) != data.samples).flatten(1).any(1), chosen)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_is_loaded(tmp_path, kind, shape):
    data = toned(6)
    made = drawn(data, kind, shape)
    made.save(tmp_path / FILE_NAME)
    found = Perturbation.load(tmp_path)
    assert torch.equal(found.delta, made.delta)
    assert replace(found, delta=made.delta) == made
    assert found.digest == made.digest
    assert torch.equal(found.apply(data), made.apply(data))


def test_noise_of_another_shape_or_for_other_clips_is_other_noise():
    data = toned(6)
    one, other = drawn(data), drawn(data, shape="envelope")
    assert one.digest != other.digest != drawn(data, epsilon=-21).digest
    shorter = data.lengths.clone()
    shorter[0] -= 1
    for changed in (replace(data, rate=16000), replace(data, lengths=shorter), data.limited(3)):
        with pytest.raises(DataError, match="made for other data"):
            one.apply(changed)


def rewritten(path, **changes):
    """The file with other facts."""
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + size])
    facts = json.loads(header["__metadata__"]["perturbation"]) | changes
    header["__metadata__"]["perturbation"] = json.dumps(facts)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + size :])


@pytest.mark.parametrize("change", [
    {"shape": "round"}, {"shape": 3}, {"shape": ["flat"]}, {"shape": None}, {"epsilon": 8}, {"epsilon": QUIETEST - 1},
    {"epsilon": -1000}, {"epsilon": -30.5}, {"kind": "both"}, {"fingerprint": "0"}, {"surrogate": 5},
    {"space": "image"},
])  # fmt: skip
def test_a_file_with_other_facts_is_refused_in_one_line(tmp_path, change):
    path = drawn(toned(6)).save(tmp_path / FILE_NAME)
    rewritten(path, **change)
    with pytest.raises(DataError, match="is not a noise file of this program") as refused:
        Perturbation.load(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "delta",
    [torch.zeros(6, 1, 4, 4).short(), torch.zeros(6, 1, 99).to(torch.int8), torch.zeros(6, 1, 99),
     torch.zeros(6).short(), torch.full((6, 1, 9), -32768).short()],
)  # fmt: skip
def test_a_file_with_another_tensor_is_refused_in_one_line(tmp_path, delta):
    facts = {"kind": "samplewise", "epsilon": -30, "method": "random", "fingerprint": "0" * 64, "shape": "flat"}
    save_file({"delta": delta}, tmp_path / FILE_NAME, {"perturbation": json.dumps(facts)})
    with pytest.raises(DataError, match="is not a noise file of this program") as refused:
        Perturbation.load(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "words", "said"),
    [
        ("spoken-digits:60", ["--epsilon", "8"], "--budget-db"),
        ("spoken-digits:60", ["--epsilon", "8", "--budget-db", "-30"], "give one of them"),
        ("photo-digits:60", ["--budget-db", "-30"], "--epsilon"),
        ("photo-digits:60", ["--shape", "envelope"], "shape envelope is for sound"),
        ("spoken-digits:60", ["--budget-db", "3"], "-96..-1"),
        ("spoken-digits:60", ["--budget-db", "-97"], "-96"),
        ("spoken-digits:60", ["--begin", "bands"], "begin bands is of colours"),
        ("spoken-digits:60", ["--method", "linear"], "method linear is for image data, not for audio"),
        ("photo-digits:60", ["--method", "tones"], "method tones is for audio data, not for image"),
        ("spoken-digits:60", ["--surrogate", "mlp-w4"], "network mlp-w4 is for image data, not for audio"),
        ("spoken-digits:60", ["--side", "16"], "only images are scaled"),
    ],
)
def test_settings_of_the_other_kind_of_data_are_refused_before_anything_is_made(tmp_path, capsys, data, words, said):
    assert main(["noise", "--data", data, "--device", "cpu", *words, "--out", str(tmp_path / "n")]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert not (tmp_path / "n").exists()


def test_the_library_refuses_the_other_budget_too(tiny):
    with pytest.raises(ConfigError, match="--budget-db"):
        noise.make(NoiseConfig(method="random", device="cpu"), toned(6))
    with pytest.raises(ConfigError, match="--epsilon"):
        noise.make(NoiseConfig(method="random", epsilon=-30, device="cpu"), tiny.train)
    with pytest.raises(ConfigError, match="has no shape 'envelope'"):
        decibels.budget(8, IMAGE, "envelope")
    with pytest.raises(ConfigError, match=r"-96\.\.-1"):
        decibels.budget(-97, AUDIO)


def for_sound():
    for method, entry in METHODS.items():
        if "audio" in entry.spaces:
            names = set(vars(noise.options_of(method))["__dataclass_fields__"])
            yield pytest.param(method, {name: value for name, value in SMALL.items() if name in names}, id=method)


@pytest.mark.parametrize(("kind", "shape"), [*itertools.product(KINDS, SHAPES[:2]), ("samplewise", "masked")])
@pytest.mark.parametrize(("method", "options"), for_sound())
def test_every_method_for_sound_makes_noise_of_both_kinds_within_its_budget(method, options, kind, shape):
    data = toned(30, channels=2)
    data.samples[3] = 0
    asked = NoiseConfig.of(
        method=method, kind=kind, epsilon=-24, shape=shape, surrogate="convnet-w2", device="cpu", **options
    )
    made, facts = noise.make(noise.resolved(asked, "spoken-digits"), data)
    assert made.delta.shape == (3 if kind == "classwise" else 30, *data.samples.shape[1:])
    assert (made.delta.dtype, made.space, made.shape, made.epsilon) == (torch.int16, AUDIO, shape, -24)
    size = (made.apply(data).int() - data.samples.int()).abs()
    assert bool((size <= decibels.with_limits(data, -24, shape).limits).all())
    peaks = data.samples.int().abs().amax((1, 2))
    assert bool((size.amax((1, 2)) <= torch.tensor([decibels.radius(peak, -24) for peak in peaks.tolist()])).all())
    assert int(size.amax((1, 2))[peaks > 3000].min()) > 0.2 * 3000 * 10 ** (-24 / 20)
    assert (facts == {}) == METHODS[method].drawn


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "options"), [
    ("em", {"train_steps": 5, "noise_steps": 3, "stop_error": 0.0, "rounds": 8}), ("em-joint", {"rounds": 12}),
])  # fmt: skip
def test_noise_of_sound_lowers_the_surrogates_error(method, options, kind):
    data = toned(60, seconds=0.1)
    data = replace(data, labels=data.labels[torch.randperm(60, generator=torch.Generator().manual_seed(0))])
    errors = {}
    for epsilon in (-96, -6):
        asked = NoiseConfig.of(
            method=method, kind=kind, epsilon=epsilon, surrogate="convnet-w4", batch_size=20, learning_rate=0.05,
            device="cpu", **options,
        )  # fmt: skip
        errors[epsilon] = run(noise.resolved(asked, "spoken-digits"), data)[1].error
    assert errors[-6] < 0.6 * errors[-96], errors


@pytest.mark.parametrize("shape", ["flat", "envelope"])
def test_limits_of_a_long_recording_are_the_same_in_strips(shape, monkeypatch):
    clip = (torch.randn(2, 5000, generator=torch.Generator().manual_seed(0)) * 4000).int()
    clip[:, 2000:3000] //= 50
    whole = decibels.limits(clip, -20, shape, 8000)
    monkeypatch.setattr(decibels, "STRIP", 700)
    strips = list(decibels.limits_in_strips(clip, -20, shape, 8000))
    assert len(strips) == 8
    assert torch.equal(torch.cat([part for _, part in strips], 1), whole)
