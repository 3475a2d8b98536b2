"""Sound to the eye: a clip as a wave beside how far it may move, and by its frequencies over time."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.figures.sheet import frame, legend, tell

ACROSS = 3  # panels side by side
COLUMNS = 400  # of a panel: more samples than that are drawn as the lowest and highest of each
WAVE, MAY = "#0072B2", "#D55E00"
FULL_SCALE = 2**15  # of 16 bits
WINDOW, HOP = 0.032, 0.008  # seconds, of a spectrum and between two of them
DEPTH = 80.0  # dB below the loudest that are told apart


def waveform(clips: Mapping[str, np.ndarray], limits: Mapping[str, np.ndarray], rate: int) -> Figure:
    """Show clips as waves, each on a scale of its own, between the lines within which a budget lets them move.

    clips: whole steps of 16 bits, T or C×T, by name; limits: of those that are shown with a budget, its largest
    change of each value, of the same shape; rate: samples a second.
    """
    figure, axes = _panels(clips, 2.5)
    numbers = []
    for axis, (name, clip) in zip(axes, clips.items(), strict=True):
        wave, may = _deep(clip), _deep(limits[name]) if name in limits else None
        size, most = _largest(wave), _largest(may)
        top = 1.08 * max(size, most, 1)
        _stretch(axis, wave.min(0), wave.max(0), rate, color=WAVE, linewidth=0.6)
        said = f"peak {size:,}"
        if may is not None:
            times = np.arange(may.shape[1]) / rate
            for bound in (may.max(0), -may.max(0)):
                axis.plot(times, bound, color="white", linewidth=2.2)  # or it would not stand out of the wave
                axis.plot(times, bound, color=MAY, linewidth=1.2)
            said += f", may move by ±{most:,}"
        _title(axis, name, said)
        axis.set(xlim=(0, wave.shape[1] / rate), ylim=(-top, top), xlabel="seconds")
        axis.ticklabel_format(axis="y", style="plain", useOffset=False)
        axis.tick_params(labelsize=8)
        numbers.append(f"{name}: {wave.shape[1] / rate:.2f} s, {said}")
    _first(axes, "value, steps of 16 bits")
    if limits:
        drawn = {"the clip": WAVE, "what the budget allows": MAY}
        legend(figure, 2, [Line2D([], [], color=color, linewidth=3, label=name) for name, color in drawn.items()])
    title = "waves, each on a scale of its own" if len(clips) > 1 else "wave"
    return tell(figure, "Waveforms of clips of sound", title, numbers)


def spectrograms(clips: Mapping[str, np.ndarray], rate: int) -> Figure:
    """Show how the power of clips lies over time and frequencies, in dB below the loudest place of all of them.

    clips: whole steps of 16 bits, T or C×T, by name, the first the one that the others' loudness is compared with;
    rate: samples a second. Channels are added up.
    """
    figure, axes = _panels(clips, 2.7)
    powers = {name: _power(_deep(clip), rate) for name, clip in clips.items()}
    loudest = max(float(power.max(initial=0)) for power in powers.values()) or 1.0
    loudness = {name: float(np.sqrt(np.mean(_deep(clip).astype(float) ** 2))) for name, clip in clips.items()}
    first, base = next(iter(loudness.items()))
    numbers = []
    for axis, (name, power) in zip(axes, powers.items(), strict=True):
        shown = 10 * np.log10(np.maximum(power / loudest, 10 ** (-DEPTH / 10)))
        ends = (0, _deep(clips[name]).shape[1] / rate, 0, rate / 2000)
        picture = axis.imshow(
            shown, extent=ends, origin="lower", aspect="auto", cmap="cividis", vmin=-DEPTH, vmax=0,
            interpolation="nearest",
        )  # fmt: skip
        said = _beside(loudness[name], base, name == first, first)
        _title(axis, name, said)
        axis.set_xlabel("seconds")
        axis.tick_params(labelsize=8)
        numbers.append(f"{name}: {said}, {_frequencies(power, rate)}")
    _first(axes, "kHz")
    figure.colorbar(picture, ax=axes, shrink=0.85, label="dB below the loudest")
    return tell(figure, "Spectrograms of clips of sound", "power over time and frequency", numbers)


def _panels(clips: Mapping[str, np.ndarray], height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each clip, a few in a row."""
    if not clips or any(not clip.size for clip in clips.values()):
        raise ValueError("there is nothing to draw: give at least one clip, and none of no samples")
    across = min(ACROSS, len(clips))
    down = -(-len(clips) // across)
    figure, axes = frame(3.2 * across + 1.2, height * down + 0.7, down, across)
    for axis in axes[len(clips) :]:
        axis.remove()
    return figure, axes[: len(clips)]


def _title(axis: Axes, name: str, said: str) -> None:
    axis.set_title("\n".join([*textwrap.wrap(name, 40), said]), size=9, parse_math=False)


def _first(axes: Sequence[Axes], label: str) -> None:
    """Label the y axes that are first in their row."""
    for axis in axes[::ACROSS]:
        axis.set_ylabel(label)


def _deep(clip: np.ndarray) -> np.ndarray:
    """A clip as whole numbers C×T, with room for sums and squares."""
    return np.atleast_2d(np.asarray(clip)).astype(np.int64)


def _largest(clip: np.ndarray | None) -> int:
    return 0 if clip is None else int(np.abs(clip).max())


def _stretch(axis: Axes, low: np.ndarray, high: np.ndarray, rate: int, **style: Any) -> None:
    """Fill from the lowest to the highest of every few samples, so that a long clip is no heavier than a short one."""
    each = max(1, len(low) // COLUMNS)
    starts = np.arange(0, len(low), each)
    lowest, highest = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    axis.fill_between(starts / rate, lowest, highest, **style)


def _decibels(share: float) -> float:
    return 20 * float(np.log10(share))


def _beside(loudness: float, base: float, alone: bool, first: str) -> str:
    """How loud a clip is: below full scale for the first, against it for the others."""
    if not loudness:
        return "silent"
    if alone or not base:
        return f"{_decibels(loudness / FULL_SCALE):.1f} dB of full scale"
    return f"{_decibels(loudness / base):+.1f} dB against {first}"


def _power(clip: np.ndarray, rate: int) -> np.ndarray:
    """|STFT|² under a Hann window, frequencies × times, summed over channels."""
    size, hop = max(8, 2 * round(WINDOW * rate / 2)), max(1, round(HOP * rate))
    padded = np.pad(clip.astype(float), ((0, 0), (size // 2, size // 2 + hop)))
    cut = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::hop]
    return (np.abs(np.fft.rfft(cut * np.hanning(size), axis=2)) ** 2).sum(0).T


def _frequencies(power: np.ndarray, rate: int) -> str:
    """Where the power lies: the frequencies below which a tenth, half and nine tenths of it are."""
    total = power.sum(1)
    if not total.sum():
        return "no power at any frequency"
    below = np.cumsum(total) / total.sum()
    steps = np.linspace(0, rate / 2, len(total))
    tenth, half, most = (f"{steps[int(np.searchsorted(below, share))]:,.0f} Hz" for share in (0.1, 0.5, 0.9))
    return f"a tenth, half and nine tenths of the power up to {tenth}, {half} and {most}"
