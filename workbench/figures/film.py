"""Noise in the making: how it looked after every round."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from workbench.figures.noise import as_grey
from workbench.figures.sheet import frame, tell


def film(stages: Mapping[str, np.ndarray], epsilon: int, names: Sequence[str], total: int = 0) -> Figure:
    """Show noise by row and, from left to right, by the time at which it looked so.

    stages: by caption, first to last, float or whole N×C×H×W in pixel values of 255, of which one row per name is
    shown, magnified so that ±epsilon spans black to white; names: what the rows are; total: columns, of which those to
    come stay empty (0: as many as there are stages).
    """
    if not stages:
        raise ValueError("there is nothing to draw: give at least one stage")
    across = max(total, len(stages))
    figure, axes = frame(1.15 * across + 0.9, 1.2 * len(names) + 0.9, len(names), across)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    numbers = []
    for column, (caption, noise) in enumerate(stages.items()):
        axes[column].set_title(caption, size=8, parse_math=False)
        numbers.append(f"{caption.replace(chr(10), ', ')}: largest change {np.abs(noise).max(initial=0):.1f}")
        for row in range(len(names)):
            picture = as_grey(np.moveaxis(noise[row].astype(float), 0, -1), epsilon)
            axes[row * across + column].imshow(
                picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest"
            )
    for axis in [axis for row in range(len(names)) for axis in axes[row * across + len(stages) : (row + 1) * across]]:
        axis.set_frame_on(False)
    for row, name in enumerate(names):
        axes[row * across].set_ylabel(name, rotation=0, ha="right", va="center", parse_math=False)
    title = f"the noise as it grows, within ±{epsilon} of 255; grey is no change"
    return tell(figure, f"Noise of {', '.join(names)} from its beginning to its end", title, numbers)
