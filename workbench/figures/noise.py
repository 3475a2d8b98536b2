"""Noise to the eye, by its frequencies, and by its values."""

import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from workbench.figures.sheet import frame, legend, tell
from workbench.figures.style import name_of, style_of, styles

LETTERS = 18  # of a title that is as wide as a picture of the sheet
CHUNK = 256  # images whose spectra are held at once
TICKS = (-0.5, -0.25, 0.0, 0.25)
LOW = 0.25  # cycles per pixel: half of the highest frequency along an axis


def noise_sheet(
    images: Mapping[str, np.ndarray], protected: Mapping[str, Mapping[str, np.ndarray]], epsilon: int
) -> Figure:
    """Show image, magnified noise and protected image, side by side.

    images: uint8 H×W×C by class name; protected: for each kind of noise, the protected images by class name. The noise
    is shown as mid-grey ± noise, magnified so that ±epsilon spans black to white.
    """
    kinds = list(protected)
    across = 1 + 2 * len(kinds)
    figure, axes = frame(1.25 * across + 0.6, 1.25 * len(images) + 1.0, len(images), across)
    magnified = 127 / max(1, epsilon)
    titles, largest = ["original"], dict.fromkeys(kinds, 0)
    for kind in kinds:
        shown = "\n".join(textwrap.fill(part, LETTERS) for part in kind.split(", "))
        titles += [f"{shown}\nnoise ×{magnified:.0f}", f"{shown}\nprotected"]
    for nth, (label, image) in enumerate(images.items()):
        cells, row = [image], axes[across * nth : across * (nth + 1)]
        for kind in kinds:
            copy = protected[kind][label]
            noise = copy.astype(float) - image
            largest[kind] = max(largest[kind], int(np.abs(noise).max()))
            cells += [as_grey(noise, epsilon), copy]
        for axis, cell in zip(row, cells, strict=True):
            axis.imshow(cell.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)
    for axis, title in zip(axes[:across], titles, strict=True):
        axis.set_title(title, size=8)
    what = (
        f"{len(images)} images ({', '.join(images)}), each beside its noise, magnified {magnified:.0f} times, and its "
    )
    numbers = [f"largest change by {kind}: {value}" for kind, value in largest.items()]
    title = f"noise within ±{epsilon} of 255; grey is no change"
    return tell(figure, f"{what}copy with the noise", title, numbers)


def side_by_side(columns: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Show the same images in several states, one column each. columns: uint8 H×W×C by image, by the column's title."""
    names = list(next(iter(columns.values())))
    figure, axes = frame(1.5 * len(columns) + 0.6, 1.25 * len(names) + 0.8, len(names), len(columns))
    for nth, name in enumerate(names):
        row = axes[len(columns) * nth : len(columns) * (nth + 1)]
        for axis, (title, images) in zip(row, columns.items(), strict=True):
            axis.imshow(images[name].squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            if nth == 0:
                axis.set_title(title.replace(", ", "\n"), size=8)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", parse_math=False)
    (first, before), *others = columns.items()
    changes = []
    for title, images in others:
        change = np.mean([np.abs(images[name].astype(float) - before[name]) for name in names])
        changes.append(f"{title}: mean change {change:.1f} of 255")
    return tell(
        figure,
        f"{len(names)} images ({', '.join(names)})",
        f"the same images in every column, first the {first}",
        changes,
    )


def as_grey(noise: np.ndarray, epsilon: int) -> np.ndarray:
    """Noise in pixel values as mid-grey ± noise, magnified so that ±epsilon spans black to white: uint8."""
    return np.clip(127.5 + 127 / max(1, epsilon) * noise, 0, 255).astype(np.uint8)


def spectrum(noises: Mapping[str, np.ndarray]) -> Figure:
    """Show how the power of each noise lies over the frequencies: log10, the mean over images and channels.

    noises: by name, N×C×H×W in pixel values of 255. The power is |FFT|² / (H·W), so that its mean over all frequencies
    is the mean square of the noise.
    """
    powers = {name: _power(noise) for name, noise in noises.items()}
    if not powers:
        raise ValueError("there is nothing to draw: give at least one noise")
    shown = {name: np.log10(np.maximum(power, 1e-3)) for name, power in powers.items()}  # no noise has no logarithm
    lowest, highest = min(map(np.min, shown.values())), max(map(np.max, shown.values()))
    figure, axes = frame(2.9 * len(powers) + 1.4, 3.8, across=len(powers))
    numbers = []
    for axis, (name, power) in zip(axes, powers.items(), strict=True):
        down, across = (np.fft.fftshift(np.fft.fftfreq(side)) for side in power.shape)
        extent = (_edge(across)[0], _edge(across)[1], _edge(down)[1], _edge(down)[0])
        picture = axis.imshow(
            shown[name], extent=extent, cmap="cividis", vmin=lowest, vmax=highest, interpolation="nearest"
        )
        slow = np.hypot(*np.meshgrid(down, across, indexing="ij")) < LOW
        share = power[slow].sum() / max(power.sum(), 1e-12)
        axis.set_title(f"{name}\nlow frequencies: {100 * share:.0f} % of the power", size=9, parse_math=False)
        axis.set(xlabel="cycles per pixel, across", xticks=TICKS, yticks=TICKS)
        numbers.append(f"{name}: {100 * share:.0f} %, mean square {power.mean():.1f} pixel values²")
    axes[0].set_ylabel("cycles per pixel, down")
    figure.colorbar(picture, ax=axes, shrink=0.75, label="log10 of power (pixel values²)")
    title = f"power spectrum of the noise, mean of images and channels (low: below {LOW} cycles per pixel)"
    flat = f"Share of the power at low frequencies for noise without structure: {100 * float(slow.mean()):.0f} %"
    return tell(figure, "Power spectra of noise", title, [flat, *numbers])


def _power(noise: np.ndarray) -> np.ndarray:
    count, channels, height, width = noise.shape
    total = np.zeros((height, width))
    for start in range(0, count, CHUNK):
        waves = np.fft.fft2(noise[start : start + CHUNK].astype(np.float32))
        total += (np.abs(waves) ** 2).sum((0, 1))
    return np.fft.fftshift(total) / (max(1, count * channels) * height * width)


def _edge(frequencies: np.ndarray) -> tuple[float, float]:
    half = 0.5 / len(frequencies)
    return float(frequencies[0] - half), float(frequencies[-1] + half)


def histogram(noises: Mapping[str, np.ndarray], epsilon: int) -> Figure:
    """Show the share of the noise at each whole pixel value from -epsilon to epsilon, one line of steps per name.

    noises: by name, N×C×H×W in pixel values of 255. Raises ValueError for noise beyond the budget.
    """
    if not noises:
        raise ValueError("there is nothing to draw: give at least one noise")
    values = np.arange(-epsilon, epsilon + 1)
    figure, (axis,) = frame(7.5, 4.6)
    known = {name_of(*key): style for key, style in styles().items()}
    free = iter([style for name, style in known.items() if name not in ("clean", *noises)])  # for any other name
    numbers = []
    for name, noise in noises.items():
        whole = np.rint(noise).astype(int)
        if np.abs(whole).max(initial=0) > epsilon:
            raise ValueError(f"{name} reaches {np.abs(whole).max()} pixel values, beyond ε = {epsilon}")
        shares = np.bincount((whole + epsilon).ravel(), minlength=len(values)) / max(1, whole.size)
        style = known[name] if name in known else next(free, style_of(name, ""))
        axis.plot(values, shares, drawstyle="steps-mid", label=name, markersize=4, **style)
        numbers.append(
            f"{name}: {100 * shares[0]:.1f} % at -{epsilon}, {100 * shares[epsilon]:.1f} % at 0, "
            f"{100 * shares[-1]:.1f} % at {epsilon}"
        )
    axis.set(xlabel="noise, in pixel values of 255", ylabel="share of all values", ylim=(0, None))
    axis.set_xticks(values if epsilon <= 16 else np.linspace(-epsilon, epsilon, 9).round())
    legend(figure)
    title = f"values of the noise, ε = {epsilon} of 255"
    return tell(figure, "Shares of the values that the noise takes", title, numbers)
