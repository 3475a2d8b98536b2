"""Loudness of a change: tables of the standard, cases worked by hand, and the masking model written out slowly."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.data import masking, sound_measures
from workbench.data.sound_measures import a_weighting, measure, summary
from workbench.noise.decibels import limits

pytestmark = pytest.mark.filterwarnings("error")

RATE = 8000
WINDOW = 256


def tone(hertz, size=1.0, count=4096):
    """On a multiple of 31.25 Hz a tone fills three cells of a spectrum and no more."""
    return (size * np.sin(2 * np.pi * hertz * np.arange(count) / RATE))[:, None]


def word(count=4000, seed=0):
    """Twelve harmonics that come and go, with almost-silence on both sides: int16 T×1."""
    place = np.arange(count) / RATE
    loudness = np.exp(-(((place - place.mean()) / 0.07) ** 2))
    voice = sum(np.sin(2 * np.pi * 150 * k * place + k * k) / k for k in range(1, 13))
    hiss = np.random.default_rng(seed).normal(0, 5, count)
    return (4000 * loudness * voice + hiss).astype(np.int16)[:, None]


def signs(shape, seed=1):
    return np.random.default_rng(seed).choice([-1, 1], shape)


@pytest.mark.parametrize(("hertz", "decibels"), [(31.5, -39.4), (100, -19.1), (1000, 0.0), (4000, 1.0), (10000, -2.5)])
def test_a_weighting_is_the_standards_table(hertz, decibels):
    assert 20 * math.log10(a_weighting(np.array(hertz))) == pytest.approx(decibels, abs=0.2)


def test_levels_of_two_tones_are_the_ratio_of_their_sizes():
    sound = tone(1000)
    same, low = (measure(sound, sound + tone(hertz, 0.01), RATE, 0) for hertz in (1000, 125))
    assert (same.level_db, same.level_db_a) == (pytest.approx(-40, abs=1e-9), pytest.approx(-40, abs=1e-6))
    assert low.level_db_a == pytest.approx(-40 - 16.1, abs=0.2)  # the standard's table says -16.1 at 125 Hz


def test_a_level_counts_every_part_of_a_spectrum_once():
    """Where the weights are all one, the A-weighted level is the plain one, for lengths of either kind."""
    for count in (999, 1000, 4093):
        sound, copy = word(count), word(count) + 100 * signs((count, 1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sound_measures, "a_weighting", np.ones_like)
            found = measure(sound, copy, RATE, 16)
        assert found.level_db_a == pytest.approx(found.level_db, abs=1e-9)


def test_peak_and_share_of_whole_steps():
    sound = np.full((1000, 1), 100, dtype=np.int16)
    sound[0] = -2000
    copy = sound.copy()
    copy[:250] += 20
    found = measure(sound, copy, RATE, 16)
    assert (found.largest, found.changed, type(found.largest)) == (20, 0.25, int)
    assert found.peak_db == pytest.approx(-40, abs=1e-12)


def test_segmental_snr_of_a_case_worked_by_hand():
    sound = np.repeat([100, 100, 100, 0, 0], 20)[:, None].astype(np.int16)  # frames of 20 samples at 1 kHz
    noise = np.repeat([10, 0, 2000, 0, 7], 20)[:, None].astype(np.int16)
    assert measure(sound, sound + noise, 1000, 16).segmental_snr == (20 + 35 - 10 - 10) / 4  # silence kept: left out


def test_a_tone_beside_a_masker_is_covered_and_one_far_away_is_not():
    sound = tone(1000)
    near, far = (measure(sound, sound + tone(hertz, 0.1), RATE, 0) for hertz in (1062.5, 3500))
    assert near.level_db == pytest.approx(far.level_db)
    assert near.audible == 0
    assert far.audible == 3 / 128
    assert measure(sound, sound + tone(1062.5, 0.9), RATE, 0).audible > 0  # the cover is not boundless


def test_the_threshold_covers_more_above_a_masker_than_below():
    power = np.full((129, 1), 1e-30)
    power[32] = 10**8
    cover = 10 * np.log10(masking.threshold(power, RATE)[:, 0])
    bark = masking.bins(RATE).bark
    assert cover[32] == pytest.approx(80 - 6.025 - 0.275 * bark[32], abs=0.01)
    assert cover[40] == pytest.approx(cover[32] - (27 - 0.37 * 40) * (bark[40] - bark[32]), abs=0.01)
    assert cover[28] == pytest.approx(cover[32] - 27 * (bark[32] - bark[28]), abs=0.01)


def test_of_two_maskers_within_half_a_bark_the_louder_counts():
    power = np.full((129, 2), 1e-30)
    power[32], power[34], power[60] = (10**6, 10**7), (10**7, 10**6), 10**3
    _, kept = masking.maskers(power, RATE)
    assert [np.flatnonzero(each).tolist() for each in kept.T] == [[34, 60], [32, 60]]


def slow_share(sound, noise):
    """The model of `masking`, one window and one masker at a time, in decibels."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)[1:]
    bark = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)
    kilo = hertz / 1000
    quiet = 3.64 * kilo**-0.8 - 6.5 * np.exp(-0.6 * (kilo - 3.3) ** 2) + 0.001 * kilo**4 - 12
    taper = np.sin(np.pi * np.arange(WINDOW) / WINDOW) ** 2
    frames = [
        [20 * np.log10(np.abs(np.fft.rfft(each[at : at + WINDOW] * taper)) + 1e-30) for each in (sound, noise)]
        for at in range(0, len(sound) - WINDOW + 1, WINDOW // 4)
    ]
    shift = 96 - max(before[1:].max() for before, _ in frames)
    found = []
    for before, change in frames:
        level, change = before + shift, change[1:] + shift
        maskers = []
        for k in range(1, len(level) - 1):
            if level[k] <= max(level[k - 1], level[k + 1]):
                continue
            mine = 10 * np.log10((10 ** (level[k - 1 : k + 2] / 10)).sum())
            if mine <= quiet[k - 1]:
                continue
            if maskers and bark[k - 1] - maskers[-1][0] < 0.5:
                if mine <= maskers[-1][1]:
                    continue
                maskers.pop()
            maskers.append((bark[k - 1], mine))
        total = 10 ** (quiet / 10)
        for at, mine in maskers:
            away = bark - at
            spread = np.where(away > 0, (0.37 * max(mine - 40, 0) - 27) * away, 27 * away)
            total += 10 ** ((mine - 6.025 - 0.275 * at + spread) / 10)
        found.append(change > 10 * np.log10(total))
    return np.mean(found)


@pytest.mark.parametrize("size", [300, 30, 3])
def test_audible_share_is_the_models_written_out(size, monkeypatch):
    sound = word(WINDOW + 64 * 40)
    copy = sound + size * signs(sound.shape)
    found = measure(sound, copy, RATE, 16).audible
    assert 0 < found < 1
    assert found == pytest.approx(slow_share(sound[:, 0].astype(float), (copy - sound)[:, 0].astype(float)), abs=1e-12)
    monkeypatch.setattr(masking, "BLOCK", 1000)  # seven maskers at a time, so that windows are cut
    assert measure(sound, copy, RATE, 16).audible == found


def test_noise_that_follows_the_envelope_is_less_audible_than_flat_noise():
    sound = word()
    both = [limits(torch.from_numpy(sound.T.copy()), -30, shape, RATE).numpy().T for shape in ("flat", "envelope")]
    flat, shaped = (measure(sound, sound + most * signs(sound.shape), RATE, 16) for most in both)
    assert flat.largest >= shaped.largest > 0
    assert shaped.audible < 0.6 * flat.audible
    assert shaped.segmental_snr > flat.segmental_snr + 10


def test_one_sound_measures_the_same_in_16_and_24_bits_and_in_floating_point():
    sound, copy = word(), (word() + 150 * signs((4000, 1))).astype(np.int16)
    short = measure(sound, copy, RATE, 16)
    long = measure(sound.astype(np.int32) * 256, copy.astype(np.int32) * 256, RATE, 24)
    real = measure(sound.astype(np.float32) / 32768, copy.astype(np.float32) / 32768, RATE, 0)
    assert (short.largest, long.largest, real.largest) == (150, 150 * 256, 150 / 32768)
    assert replace(long, largest=150) == replace(real, largest=150) == short


def test_channels_count_together_and_the_audible_share_is_their_mean():
    sound, copy = word(), word() + 100 * signs((4000, 1))
    one = measure(sound, copy, RATE, 16)
    two = measure(np.hstack([sound, sound]), np.hstack([copy, sound]), RATE, 16)
    assert (two.audible, two.changed) == (one.audible / 2, one.changed / 2)
    assert two.level_db == pytest.approx(one.level_db - 10 * math.log10(2))


@pytest.mark.parametrize("count", [0, 1, 7, 4000])
@pytest.mark.parametrize("level", [0, 500])
@pytest.mark.parametrize("change", [0, 3])
def test_unchanged_silent_and_shortest_clips_have_defined_values(count, level, change):
    sound = np.full((count, 1), level, dtype=np.int16)
    found = measure(sound, (sound + change).astype(np.int16), RATE, 16)
    assert not any(math.isnan(value) for value in vars(found).values())
    if not count or not change:
        assert vars(found) == {
            "largest": 0, "peak_db": -math.inf, "level_db": -math.inf, "level_db_a": -math.inf, "segmental_snr": 35,
            "audible": 0, "changed": 0,
        }  # fmt: skip
    elif not level:
        assert (found.peak_db, found.level_db, found.level_db_a) == (math.inf,) * 3
        assert (found.segmental_snr, found.audible, found.changed) == (-10, 1, 1)
    else:
        assert found.level_db == pytest.approx(20 * math.log10(3 / 500))


@pytest.mark.parametrize(("kind", "bits", "low", "high"), [
    (np.int16, 16, -(2**15), 2**15 - 1), (np.int32, 32, -(2**31), 2**31 - 1), (np.float64, 0, -1e200, 1e200),
    (np.float64, 0, 0.0, 5e-324), (np.float64, 0, 1e-300, 1.0),
])  # fmt: skip
def test_no_number_is_too_large_or_small(kind, bits, low, high):
    sound, copy = np.full((300, 1), low, dtype=kind), np.full((300, 1), high, dtype=kind)
    found = measure(sound, copy, RATE, bits)
    assert found.largest == high - low
    assert not any(math.isnan(value) for value in vars(found).values())


@pytest.mark.parametrize("rate", [1, 100, 8000, 44100, 192000, 768000])
def test_any_rate_is_measured(rate):
    sound = word()
    assert 0 <= measure(sound, sound + 100 * signs(sound.shape), rate, 16).audible <= 1


def test_a_long_clip_is_measured_in_strips_and_by_windows_spread_over_it(monkeypatch):
    sound = np.tile(word(), (6, 1))
    copy = sound + 100 * signs(sound.shape)
    whole = measure(sound, copy, RATE, 16)
    monkeypatch.setattr(sound_measures, "STRIP", 5000)
    monkeypatch.setattr(masking, "MOST_FRAMES", 50)
    parts = measure(sound, copy, RATE, 16)
    assert len(masking.windows(sound[:, 0], RATE)) <= 51
    assert (parts.largest, parts.peak_db, parts.changed) == (whole.largest, whole.peak_db, whole.changed)
    assert (parts.level_db, parts.segmental_snr) == pytest.approx((whole.level_db, whole.segmental_snr))
    assert parts.level_db_a == pytest.approx(whole.level_db_a, abs=0.01)
    assert parts.audible == pytest.approx(whole.audible, abs=0.05)


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        measure(word(100), word(101), RATE, 16)


def test_a_summary_has_the_quantiles_and_the_loosest_peak():
    base = measure(word(), word() + 100 * signs((4000, 1)), RATE, 16)
    clips = [replace(base, level_db=-20.0 - k, audible=k / 20, peak_db=-30.0 - k) for k in range(21)]
    found = summary(clips)
    assert (found["level_db_5"], found["level_db_median"], found["level_db_95"]) == pytest.approx((-39, -30, -21))
    assert (found["audible_5"], found["audible_median"], found["audible_95"]) == pytest.approx((0.05, 0.5, 0.95))
    assert found["segmental_snr_median"] == base.segmental_snr
    assert found["peak_db_largest"] == -30
    assert summary(clips[:2])["level_db_median"] == -20.5
    assert len(found) == 13


def test_a_summary_keeps_unchanged_clips_and_makes_no_nan_of_them():
    loud = measure(word(), word() + 100 * signs((4000, 1)), RATE, 16)
    still = measure(word(), word(), RATE, 16)
    found = summary([loud, still])
    assert found["level_db_median"] == -math.inf
    assert found["peak_db_largest"] == loud.peak_db
    assert not any(math.isnan(value) for value in found.values())
    with pytest.raises(ValueError, match="at least one"):
        summary([])
