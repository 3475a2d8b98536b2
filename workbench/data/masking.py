"""Which part of a noise lies above the masking threshold of Qin et al. 2019: a model of what a louder sound covers.

The model is generous: it takes every peak of a spectrum for a tone, speech's noisy ones too, and the clip's loudest
cell for 96 dB. So its shares compare noises with each other; they never prove that one cannot be heard.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

WINDOW = 0.047  # seconds: 2,048 samples at 44.1 kHz, as in the paper, and 256 at 8 kHz
MOST_FRAMES = 2048  # windows of one clip: in a longer one they lie further apart, and a share needs no more
BLOCK = 2**19  # values of the maskers' curves worked on at once: all curves of a clip would need gigabytes
LOUDEST = 96.0  # dB, the level of a clip's loudest cell
NOTHING = 1e-200  # power beside which the noise's, up to 1, has no level
APART = 0.5  # Bark: of two maskers closer than this, the louder counts
HEARD = (20.0, 20_000.0)  # Hz
TENTH = np.log(10) / 10  # nepers of power in a decibel


class Bins(NamedTuple):
    """The frequencies of a spectrum, lowest first: their place on the ear's scale in Bark, float64 B.

    heard: bool B, those that count; quiet: power of the threshold in silence, float64 B, infinite where nothing is
    heard; taper: the window, float64 N.
    """

    bark: np.ndarray
    heard: np.ndarray
    quiet: np.ndarray
    taper: np.ndarray


def audible(original: np.ndarray, noise: np.ndarray, rate: int) -> float:
    """Say in which share of the cells of time and frequency a noise lies above the threshold: 0 to 1.

    original, noise: windows of one channel as `windows` cuts them, float64 F×N in one unit that keeps both within ±1.
    Cells: windows × their frequencies between 20 Hz and 20 kHz. 0 without noise; 1 for noise in a clip that has
    nothing to hear itself, so that no level can be said.
    """
    if not noise.any():
        return 0.0
    power, at = spectra(original, rate), bins(rate)
    loudest = power[at.heard].max(initial=0.0)
    if loudest < NOTHING:
        return 1.0
    scale = 10 ** (LOUDEST / 10) / loudest
    above = spectra(noise, rate)[at.heard] * scale > threshold(power * scale, rate)[at.heard]
    return float(above.mean())


def windows(values: np.ndarray, rate: int) -> np.ndarray:
    """Cut one channel into windows of at most 47 ms: numbers T → float64 F×N, with zeros after the clip's end.

    They overlap by three quarters; of a clip longer than 2,048 of them, as many are spread over it.
    """
    length, count = len(bins(rate).taper), len(values)
    hop = max(length // 4, -(-count // MOST_FRAMES))
    places = np.arange(0, max(0, count - length) + hop, hop)[:, None] + np.arange(length)
    if not count:
        return np.zeros((0, length))
    return np.where(places < count, values[np.minimum(places, count - 1)], 0).astype(np.float64)


@lru_cache(maxsize=8)
def bins(rate: int) -> Bins:
    """Describe the frequencies of spectra at a rate in Hz. Zwicker's Bark, Terhardt's threshold less Qin's 12 dB."""
    length = 1 << max(2, int(np.log2(max(1, rate * WINDOW))))
    hertz = np.fft.rfftfreq(length, 1 / rate)
    heard = (hertz >= HEARD[0]) & (hertz <= HEARD[1])
    kilo = hertz[heard] / 1000
    quiet = np.full(len(hertz), np.inf)
    level = 3.64 * kilo**-0.8 - 6.5 * np.exp(-0.6 * (kilo - 3.3) ** 2) + 0.001 * kilo**4 - 12
    quiet[heard] = 10 ** (level / 10)
    bark = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)
    return Bins(bark, heard, quiet, 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


def spectra(frames: np.ndarray, rate: int) -> np.ndarray:
    """Take the power of every window: float64 F×N → float64 B×F, as Qin et al. scale it."""
    at = bins(rate)
    found = np.fft.rfft(frames * at.taper)
    return np.ascontiguousarray((found.real**2 + found.imag**2).T) * (8 / 3 / len(at.taper) ** 2)


def threshold(power: np.ndarray, rate: int) -> np.ndarray:
    """Say up to what power a sound covers others: power, float64 B×F, where 1 is 0 dB, to the same shape.

    Each masker of p dB at z Bark covers p − 6.025 − 0.275·z there, 27 dB less per Bark below it and
    27 − 0.37·max(p − 40, 0) less per Bark above it; the powers of all and the threshold in silence are added.
    """
    at = bins(rate)
    level, kept = maskers(power, rate)
    frame, place = np.nonzero(kept.T)
    found = np.repeat(at.quiet[:, None], power.shape[1], 1)
    decibels = 10 * np.log10(level[place, frame])
    step = max(1, BLOCK // len(at.bark))
    for start in range(0, len(frame), step):
        many = slice(start, start + step)
        mine = decibels[many, None]
        away = at.bark - at.bark[place[many], None]
        slope = np.where(away > 0, 0.37 * np.maximum(mine - 40, 0) - 27, 27.0)
        curve = np.exp(TENTH * (mine - 6.025 - 0.275 * at.bark[place[many], None] + slope * away))
        owner, first = np.unique(frame[many], return_index=True)
        found[:, owner] += np.add.reduceat(curve, first).T  # a frame cut by a block's end gets its rest from the next
    return found


def maskers(power: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the peaks of spectra that cover others: power, float64 B×F → their powers and which count, both B×F.

    A peak is higher than both neighbours and has the power of all three. It counts above the threshold in silence,
    and where no louder one is within half a Bark, walked from low to high.
    """
    at = bins(rate)
    level, kept = np.zeros_like(power), np.zeros(power.shape, dtype=bool)
    middle, below, above = power[1:-1], power[:-2], power[2:]
    peak = (middle > below) & (middle > above)
    level[1:-1][peak] = (below + middle + above)[peak]
    kept[:] = level > at.quiet[:, None]
    level[~kept] = 0
    last = np.zeros(power.shape[1], dtype=np.int64)  # bin of the masker before, the lowest bin being none
    for place in np.flatnonzero(kept.any(1)):
        here = np.flatnonzero(kept[place])
        before = last[here]
        near, louder = at.bark[place] - at.bark[before] < APART, level[place, here] > level[before, here]
        kept[before[near & louder], here[near & louder]] = False
        kept[place, here[near & ~louder]] = False
        moved = here[~near | louder]
        last[moved] = place
    return level, kept
