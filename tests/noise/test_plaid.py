"""`plaid` against a naive second writing, pixel by pixel; which frequencies classes get, whose phases are whose."""

import math
from dataclasses import replace

import pytest
import torch
from searches import run

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.noise.plaid import frequencies

CPU = torch.device("cpu")
# Of the first ten classes in the band from 4 to 8: cycles per 32 pixels, down and across; 0 is no wave.
TEN = [(0, 4), (0, 6), (0, 8), (4, 0), (6, 0), (8, 0), (4, 4), (6, 6), (4, 7), (7, 4)]


def config(**given) -> NoiseConfig:
    asked = NoiseConfig.of(method="plaid", device="cpu", **{"kind": "samplewise", "epsilon": 8, **given})
    return noise.resolved(asked, "folder")


def delta(data: Dataset, **given) -> torch.Tensor:
    return run(config(**given), data)[0]


def grey(count: int, classes: int, height: int = 32, width: int = 32, channels: int = 3) -> Dataset:
    labels = torch.arange(count) % classes
    samples = torch.full((count, channels, height, width), 128, dtype=torch.uint8)
    return Dataset(samples, labels, tuple(f"c{k:03d}" for k in range(classes)), tuple(f"{i}.png" for i in range(count)))


def naive(pairs, phases, shape, waveform: str, epsilon: int = 8):
    """The formula, one value at a time, and where it is too near to zero to have a sign."""
    found, unsure = torch.zeros(len(pairs), *shape), torch.zeros(len(pairs), *shape, dtype=torch.bool)
    for row, ((fy, fx), (a, b)) in enumerate(zip(pairs, phases, strict=True)):
        for y in range(shape[1]):
            for x in range(shape[2]):
                down = math.cos(2 * math.pi * fy * y / 32 + a) if fy else 1.0
                across = math.cos(2 * math.pi * fx * x / 32 + b) if fx else 1.0
                value = down * across
                for channel in range(shape[0]):
                    sign = -1 if value < 0 else 1
                    found[row, channel, y, x] = epsilon * (sign if waveform == "sign" else value)
                    unsure[row, channel, y, x] = waveform == "sign" and abs(value) < 1e-4
    return found, unsure


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize("waveform", ["sign", "sine"])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 14)])
def test_it_is_the_formula(kind, waveform, shape):
    data = grey(20, 10, *shape[1:], channels=shape[0])
    found = delta(data, kind=kind, waveform=waveform, seed=3)
    rows = list(range(10)) if kind == "classwise" else data.labels.tolist()
    phases = torch.rand(len(rows), 2, generator=generator(CPU, 3, Stream.PLAID, 0)) * 2 * math.pi
    expected, unsure = naive([TEN[label] for label in rows], phases.tolist(), shape, waveform)
    assert (found.shape, found.dtype) == (expected.shape, torch.float32)
    assert float(unsure.float().mean()) < 0.01
    torch.testing.assert_close(found[~unsure], expected[~unsure], atol=1e-3, rtol=0)
    assert torch.equal(found, found[:, :1].expand_as(found))  # grey


def test_the_first_ten_pairs_are_fixed_and_stay_whoever_follows():
    for count in (2, 5, 10, 11, 60):
        assert frequencies(count, 4, 8).tolist()[:10] == [[float(down), float(across)] for down, across in TEN][:count]
    half = [[down / 2, across / 2] for down, across in TEN]
    assert frequencies(10, 2, 4).tolist() == half


@pytest.mark.parametrize(("low", "high"), [(4.0, 8.0), (2.0, 3.0), (1.0, 16.0)])
def test_every_class_has_a_pair_of_its_own_within_the_band(low, high):
    for count in (*range(2, 26), 50, 99, 100, 101, 200):
        pairs = frequencies(count, low, high)
        assert pairs.shape == (count, 2)
        waves = pairs[pairs > 0]
        assert low <= float(waves.min()) <= float(waves.max()) <= high
        assert bool((pairs > 0).any(1).all())  # nobody's is flat
        apart = torch.cdist(pairs, pairs) + torch.eye(count) * 99
        assert float(apart.min()) > (high - low) / 32


def test_a_class_has_one_pattern_and_no_two_the_same(patterned):
    data = grey(36, 12)
    made, _ = noise.make(config(kind="classwise"), data)
    assert made.delta.shape == (12, 3, 32, 32)
    change = made.apply(data).int() - 128
    for index, label in enumerate(data.labels.tolist()):
        assert torch.equal(change[index], made.delta[label].int())
    flat = made.delta.flatten(1)
    assert len(flat.unique(dim=0)) == 12
    few, _ = noise.make(config(kind="classwise"), patterned(12))
    assert few.delta.shape == (3, 3, 12, 12)


def test_samplewise_phases_are_each_images_own():
    data = grey(100, 5, 16, 16)
    soft = delta(data, waveform="sine")
    assert len(soft.flatten(1).unique(dim=0)) == 100  # of signs some come twice: a period has few places
    for label in range(5):
        mine = delta(grey(100, 5))[label::5].flatten(1)
        apart = (mine[:, None] != mine).float().mean(2)[~torch.eye(20, dtype=torch.bool)]
        assert float((apart > 0.1).float().mean()) > 0.7
        assert float(mine.mean(0).abs().mean()) < 0.4 * 8  # no mean over the class holds it


def test_all_of_the_budget_is_used_by_signs_and_no_more_by_sines():
    data = grey(12, 3)
    for epsilon in (1, 8, 16):
        sharp, soft = (
            noise.make(config(waveform=form, epsilon=epsilon), data)[0].delta.int() for form in ("sign", "sine")
        )
        assert (sharp.abs() == epsilon).all()
        assert int(soft.abs().max()) <= epsilon
        assert len(soft.abs().unique()) > 1
        same = soft != 0
        assert torch.equal(sharp[same].sign(), soft[same].sign())


def test_the_seed_decides_and_nothing_else(patterned):
    one, again, other = (delta(patterned(30), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    data = patterned(30)
    inverted = replace(data, samples=255 - data.samples)
    torch.manual_seed(5)
    assert torch.equal(one, delta(inverted))  # it does not look at the images


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
def test_its_spectrum_is_highest_at_the_pair_of_the_class(kind):
    data = grey(30, 10)
    found = delta(data, kind=kind)
    labels = range(10) if kind == "classwise" else data.labels.tolist()
    for plaid, label in zip(found[:, 0], labels, strict=True):
        power = torch.fft.fft2(plaid).abs()
        down, across = divmod(int(power.argmax()), 32)
        assert (min(down, 32 - down), min(across, 32 - across)) == TEN[label]


@pytest.mark.parametrize("high", [3.0, 4.0])
def test_a_highest_frequency_that_is_not_above_the_lowest_is_refused_in_one_line(patterned, high):
    with pytest.raises(ConfigError, match=f"high is {high:g}, low 4: the highest frequency lies above") as refusal:
        delta(patterned(6), low=4.0, high=high)
    assert "\n" not in str(refusal.value)


def test_what_pixels_cannot_show_is_refused(patterned):
    with pytest.raises(ConfigError, match="high is 17: pixels show no more than 16 cycles"):
        delta(patterned(6), low=4.0, high=17.0)


def test_senseless_options_are_refused():
    with pytest.raises(ConfigError, match="low"):
        config(low=0.5)
    with pytest.raises(ConfigError, match="did you mean 'sine'"):
        config(waveform="sinus")
