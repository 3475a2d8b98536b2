"""Noise kept under a clip's masking threshold: the shape `masked`, of sample-wise noise of sound.

By turns every cell of the noise's spectrogram is turned down to the threshold of data/masking.py, and every value cut
to its limit. The threshold is a model's, and rounding to whole steps adds a little above it in quiet clips.
"""

import numpy as np
import torch
from torch import Tensor

from workbench.budgets import FULL, MASKED
from workbench.data import masking
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO
from workbench.noise import decibels

TURNS = 10
MARGIN = 10 ** (-3 / 20)  # amplitudes stay 3 dB under the threshold, where windows overlap


def kept_under(delta: Tensor, data: Dataset, shape: str) -> Tensor:
    """Return δ, shares of the limits of `data`, N×C×T, so that it lies under each clip's threshold: float32.

    In every other shape of the budget it comes back as it is.
    """
    if shape != MASKED or data.limits is None:
        return delta
    found = torch.zeros(delta.shape)
    for number, length in enumerate(decibels.lengths(data)):
        for channel in range(delta.shape[1]):
            place = number, channel, slice(0, length)
            most = data.limits[place].double().cpu().numpy()
            clip, noise = (part[place].double().cpu().numpy() for part in (data.samples, delta))
            quiet = hidden(clip / AUDIO.high, noise * most / FULL / AUDIO.high, most / AUDIO.high, data.rate)
            found[place] = torch.from_numpy(quiet * AUDIO.high / np.maximum(most, 1) * FULL)
    return found.clamp(-FULL, FULL)


def hidden(clip: np.ndarray, noise: np.ndarray, most: np.ndarray, rate: int) -> np.ndarray:
    """Turn noise down to a clip's threshold: float64 T each, within ±1; most: the largest change of each value."""
    size = len(masking.bins(rate).taper)
    cells = masking.spectra(_windows(clip, size, rate), rate)
    loudest = cells[masking.bins(rate).heard].max(initial=0.0)
    if loudest < masking.NOTHING:
        return np.zeros_like(noise)
    scale = 10 ** (masking.LOUDEST / 10) / loudest
    allowed = masking.threshold(cells * scale, rate) / scale
    for _ in range(TURNS):
        noise = np.clip(_turned_down(noise, allowed, rate), -most, most)
    return noise


def _turned_down(noise: np.ndarray, allowed: np.ndarray, rate: int) -> np.ndarray:
    """One turn: windows, their spectra no louder than `allowed` (power B×F), and the windows laid together again."""
    taper = masking.bins(rate).taper
    frames = _windows(noise, len(taper), rate)
    power = masking.spectra(frames, rate)
    gain = np.minimum(1, MARGIN * np.sqrt(allowed / np.maximum(power, 1e-300))).T
    parts = np.fft.irfft(np.fft.rfft(frames * taper) * gain, len(taper)) * taper
    hop = len(taper) // 4
    total, weight = np.zeros((2, (len(parts) - 1) * hop + len(taper)))
    for number, part in enumerate(parts):
        total[number * hop : number * hop + len(taper)] += part
        weight[number * hop : number * hop + len(taper)] += taper**2
    return (total / np.maximum(weight, 1e-9))[len(taper) : len(taper) + len(noise)]


def _windows(values: np.ndarray, size: int, rate: int) -> np.ndarray:
    """Windows that cover every value as often, with silence before and after: float64 F×size."""
    return masking.windows(np.pad(values, size), rate)
