"""How a line looks and what it is called: one colour, marker and dash a method and kind, the same in every figure."""

import textwrap
from typing import Any

import matplotlib.colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which the colour-blind can tell apart, then greys and dark tones: it has eight colours only.
# Every line also has its own marker and dash.
STYLES: dict[tuple[str, str], dict[str, Any]] = {
    ("clean", "none"): {"color": "#000000", "marker": "o", "linestyle": "-"},
    ("random", "classwise"): {"color": "#56B4E9", "marker": "v", "linestyle": ":"},
    ("random", "samplewise"): {"color": "#0072B2", "marker": "^", "linestyle": "--"},
    ("em-joint", "classwise"): {"color": "#D55E00", "marker": "s", "linestyle": "-."},
    ("em-joint", "samplewise"): {"color": "#009E73", "marker": "D", "linestyle": "-"},
    ("em", "classwise"): {"color": "#E69F00", "marker": "P", "linestyle": "-."},
    ("em", "samplewise"): {"color": "#CC79A7", "marker": "X", "linestyle": "--"},
    ("em-max", "classwise"): {"color": "#999999", "marker": "<", "linestyle": "-."},
    ("em-max", "samplewise"): {"color": "#666666", "marker": ">", "linestyle": "--"},
    ("targeted", "classwise"): {"color": "#7F3C10", "marker": "p", "linestyle": "-."},
    ("targeted", "samplewise"): {"color": "#5E3C99", "marker": "h", "linestyle": "--"},
    ("linear", "classwise"): {"color": "#4D4D00", "marker": "*", "linestyle": "-."},
    ("linear", "samplewise"): {"color": "#003C30", "marker": "d", "linestyle": "--"},
}
UNKNOWN: dict[str, Any] = {"color": "#7A7A7A", "marker": "4", "linestyle": (0, (5, 1, 1, 1, 1, 1))}
# For the second, third, ... line of one method and kind: its colour grows paler and the rest changes.
MARKERS = (".", "H", "8")  # only those that can be filled and open
DASHES = ("--", ":", "-.", (0, (5, 5)), (0, (1, 4)), "-")
PALER = 0.45  # how far the palest goes towards white

WORDS = {"none": "", "classwise": ", class-wise", "samplewise": ", sample-wise"}
GUESSING: dict[str, Any] = {"color": "#767676", "linewidth": 1.2, "linestyle": (0, (1, 3))}


def name_of(method: str, kind: str) -> str:
    """A run's name in legends and tables."""
    return f"{method}{WORDS.get(kind, f', {kind}')}"


def style_of(method: str, kind: str, nth: int = 0) -> dict[str, Any]:
    """Colour, marker and dash of the `nth` line (from 0) of a method and kind; grey where neither is known."""
    style = dict(STYLES.get((method, kind), UNKNOWN))
    if nth:
        amount = min(PALER, 0.2 * nth)
        red, green, blue = (part + amount * (1 - part) for part in matplotlib.colors.to_rgb(style["color"]))
        style["color"] = matplotlib.colors.to_hex((red, green, blue))
        style["marker"] = MARKERS[(nth - 1) % len(MARKERS)]
        style["linestyle"] = DASHES[(nth - 1) % len(DASHES)]
    return style


def titled(figure: Figure, text: str) -> None:
    """Give a figure its title, on as many lines as its width asks for."""
    figure.suptitle(textwrap.fill(text, int(13 * figure.get_figwidth())), size=11)


def guessing(axis: Axes, chance: float) -> None:
    """Draw the accuracy of guessing as a dotted line across an axis whose y is accuracy."""
    axis.axhline(chance, **GUESSING)
    side = "top" if chance > 0.06 else "bottom"  # below the line run few others, if there is room for the word
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": side, "size": 8}
    axis.annotate("guessing", (0.99, chance), color="#555555", **place)
