"""Numbers in colour: what the heat maps have in common."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes

MAP = matplotlib.colormaps["cividis"]  # even steps in lightness, the same to the colour-blind


def squares(axis: Axes, values: np.ndarray) -> None:
    """Draw shares, rows × columns in 0..1 with NaN left grey, as coloured squares; the same colours in every figure."""
    axis.imshow(values, cmap=MAP, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axis.tick_params(length=0)
    axis.set_facecolor("#eeeeee")


def ink_on(share: float) -> str:
    """Black or white, whichever reads better on the colour of a share (WCAG's relative luminance)."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in MAP(float(share))[:3]]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"
