"""How loud a change of a recording is beside the recording, measured on the samples that stand in the two files.

Levels are differences, so they hold at any loudness of playback.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

from workbench.data import masking

SEGMENT = 0.02  # seconds of a frame of the segmental SNR
LEAST_SNR, MOST_SNR = -10.0, 35.0  # dB a frame's SNR is cut to
STRIP = 2**20  # frames worked on at once: half an hour at 44.1 kHz would need gigabytes as float
SHORTEST = 256  # samples of a spectrum: one of a single sample would know of no frequency
QUANTILES = {"5": 0.05, "median": 0.5, "95": 0.95}  # shares of the clips that `summary` cuts at


@dataclass(frozen=True)
class SoundQuality:
    """One recording against its original.

    largest: the largest change in the file's own steps, a float for floating-point files; peak_db: D_x of Carlini and
    Wagner 2018, the largest change in dB of the original's peak; level_db, level_db_a: ΔL, the change's RMS in dB of
    the original's, that is −SNR, plain and A-weighted (IEC 61672-1); segmental_snr: dB, mean over frames of 20 ms,
    each cut to −10 to 35; audible: share of time-frequency cells above the masking threshold of Qin et al. 2019, 0 to
    1, a generous model for comparing noises, never proof that one cannot be heard; changed: share of samples changed.

    Unchanged: levels −inf, segmental SNR 35, audible 0. Changed where the original is silent: levels inf, segmental
    SNR −10, audible 1. Never NaN.
    """

    largest: int | float
    peak_db: float
    level_db: float
    level_db_a: float
    segmental_snr: float
    audible: float
    changed: float


def measure(original: np.ndarray, copy: np.ndarray, rate: int, bits: int) -> SoundQuality:
    """Measure a copy: two arrays frames×channels of one shape, integers of `bits` bits, or floats with 0; rate in Hz.

    All channels count together, except for masking, which is their mean. Raises ValueError for two shapes.
    """
    if original.shape != copy.shape or original.ndim != 2:
        raise ValueError(f"two arrays frames×channels of one shape are needed, not {original.shape} and {copy.shape}")
    wide = np.int64 if bits else np.float64  # the difference of two 32-bit integers needs 33
    peak, largest, changed = wide(0), wide(0), 0
    for start in range(0, len(original), STRIP):
        before, after = (each[start : start + STRIP].astype(wide) for each in (original, copy))
        delta = after - before
        peak, largest = max(peak, np.abs(before).max(initial=0)), max(largest, np.abs(delta).max(initial=0))
        changed += int(np.count_nonzero(delta))
    # Powers of two scale exactly: one sound measures the same in 16 and 24 bits, and no square overflows.
    exponent = int(np.frexp(float(max(peak, largest)))[1])

    def scaled(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        delta = after.astype(wide) - before.astype(wide)
        return np.ldexp(delta.astype(np.float64), -exponent), np.ldexp(before.astype(np.float64), -exponent)

    plain, weighted, snr = _levels(original, copy, rate, scaled)
    shares = []
    for channel in range(original.shape[1]):
        noise, sound = scaled(*(masking.windows(each[:, channel], rate) for each in (original, copy)))
        shares.append(masking.audible(sound, noise, rate))
    return SoundQuality(
        largest=int(largest) if bits else float(largest),
        peak_db=2 * _decibels(*(math.ldexp(float(value), -exponent) for value in (largest, peak))),
        level_db=_decibels(*plain),
        level_db_a=_decibels(*weighted),
        segmental_snr=snr,
        audible=sum(shares) / max(1, len(shares)),
        changed=changed / max(1, original.size),
    )


def a_weighting(hertz: np.ndarray) -> np.ndarray:
    """Weigh frequencies in Hz as the ear does quiet tones: float64 gains of amplitude, 1 at 1 kHz, 0 at 0 Hz.

    The analytic curve of IEC 61672-1, annex E, made to 1 at 1 kHz.
    """
    return _a_curve(np.asarray(hertz, dtype=np.float64)) / _a_curve(np.array(1000.0))


def summary(found: list[SoundQuality]) -> dict[str, float]:
    """Sum up clips: 5 %, median and 95 % of both levels, segmental SNR and audible share, and the largest peak_db.

    The last is what all clips keep. Quantiles lie between two clips in proportion, and on the lower of them where
    either is infinite. Raises ValueError for no clips.
    """
    if not found:
        raise ValueError("a summary needs at least one recording")
    names = ("level_db", "level_db_a", "segmental_snr", "audible")
    columns = {name: sorted(getattr(each, name) for each in found) for name in names}
    cuts = {f"{name}_{cut}": _quantile(columns[name], share) for name in names for cut, share in QUANTILES.items()}
    return cuts | {"peak_db_largest": max(each.peak_db for each in found)}


def _levels(
    original: np.ndarray, copy: np.ndarray, rate: int, scaled: Callable[..., tuple[np.ndarray, np.ndarray]]
) -> tuple[list[float], list[float], float]:
    """Add up the powers of noise and original, plain and A-weighted, and average the SNR of segments, in strips."""
    plain, weighted, ratios, segments = [0.0, 0.0], [0.0, 0.0], 0.0, 0
    segment = max(1, round(rate * SEGMENT))
    strip = -(-STRIP // segment) * segment
    for start in range(0, len(original), strip):
        both = scaled(original[start : start + strip], copy[start : start + strip])
        powers = [np.add.reduceat((each**2).sum(1), range(0, len(each), segment)) for each in both]
        for which, (power, values) in enumerate(zip(powers, both, strict=True)):
            plain[which] += float(power.sum())
            weighted[which] += _a_power(values, rate)
        some = (powers[0] > 0) | (powers[1] > 0)  # a frame of digital silence that stayed so says nothing
        with np.errstate(divide="ignore"):
            snr = 10 * (np.log10(powers[1][some]) - np.log10(powers[0][some]))
        ratios += float(snr.clip(LEAST_SNR, MOST_SNR).sum())
        segments += len(snr)
    return plain, weighted, ratios / segments if segments else MOST_SNR


def _a_power(values: np.ndarray, rate: int) -> float:
    """Add up A-weighted squares, by Parseval: float64 frames×channels; zeros follow up to a length FFTs like."""
    length = next_fast_len(max(SHORTEST, len(values)), real=True)
    found = np.fft.rfft(values, length, axis=0)
    twice = np.full(len(found), 2.0)  # every frequency stands for its negative too, but for 0 and half the rate
    twice[0] = 1
    if length % 2 == 0:
        twice[-1] = 1
    power = (found.real**2 + found.imag**2).sum(1)
    return float((power * twice * a_weighting(np.fft.rfftfreq(length, 1 / rate)) ** 2).sum() / length)


def _a_curve(hertz: np.ndarray) -> np.ndarray:
    square = hertz**2
    low = np.sqrt((square + 107.65265**2) * (square + 737.86223**2))
    return 12194.217**2 * square**2 / ((square + 20.598997**2) * low * (square + 12194.217**2))


def _decibels(noise: float, sound: float) -> float:
    if not noise or not sound:
        return math.inf if noise else -math.inf
    return 10 * (math.log10(noise) - math.log10(sound))


def _quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (place % 1) * (high - low) if math.isfinite(high - low) else low
