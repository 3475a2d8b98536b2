"""What all figures have in common: frame, legend, title, alternative text; saved and shown as PNG and SVG."""

import base64
import io
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from workbench.files.atomic import make, replacing
from workbench.files.names import STEERS

DPI = 110
READABLE = 0.65  # of its own size, at which letters of 9 points are 9 CSS pixels high
_drawn: WeakKeyDictionary[Figure, bytes] = WeakKeyDictionary()  # as PNG, since its last change
GUESSING: dict[str, Any] = {"color": "#767676", "linewidth": 1.2, "linestyle": (0, (1, 3))}


def frame(width: float, height: float, down: int = 1, across: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """Open a figure, in inches, with its axes row by row. shared: sharex, sharey."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(down, across, squeeze=False, **shared).ravel())


def legend(figure: Figure, columns: int = 2, handles: Sequence[Line2D] | None = None) -> None:
    """Put a legend below a figure: of `handles`, or else of what its first axes show."""
    shown = handles or figure.axes[0].get_legend_handles_labels()[0]
    for text in figure.legend(handles=shown, loc="outside lower center", ncols=columns, fontsize=9).get_texts():
        text.set_parse_math(False)  # names are names


def tell(figure: Figure, what: str, title: str, numbers: Sequence[str], chance: float | None = None) -> Figure:
    """Give a figure its title, on as many lines as its width asks for, and its alternative text; return it.

    what: the kind of figure, for those who cannot see it; numbers: all that it shows, as text.
    """
    figure.suptitle(textwrap.fill(title, int(13 * figure.get_figwidth())), size=11)
    guessing = "" if chance is None else f" Guessing is {chance:.2f}."
    figure.set_label(f"{what} ({title}). {'; '.join(numbers)}.{guessing}")
    return figure


def accuracy_across(axis: Axes, chance: float) -> None:
    """Let the y axis show accuracies, and draw that of guessing as a dotted line."""
    axis.set_ylim(0, 1.02)
    axis.axhline(chance, **GUESSING)
    side = "top" if chance > 0.06 else "bottom"  # below the line run few others, if there is room for the word
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": side, "size": 8}
    axis.annotate("guessing", (0.99, chance), color="#555555", **place)


def band(axis: Axes, points: pd.DataFrame, name: str, style: dict[str, Any], size: int) -> None:
    """Draw a line through the means, with a band from lowest to highest. points: of grouping.spread, by its x."""
    axis.plot(points.index, points["mean"], label=name, markersize=size, **style)
    if (points["seeds"] > 1).any():
        axis.fill_between(points.index, points["low"], points["high"], color=style["color"], alpha=0.15)


def words_of(figure: Figure) -> str:
    """The alternative text of a figure, on one line and fit for XML."""
    return STEERS.sub(" ", str(figure.get_label()))


def settle(figure: Figure) -> None:
    """Fix where everything stands. Each drawing would move it a little, and then no two files would be the same."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.draw_without_rendering()  # a second time, for what depends on the first: square axes, wrapped titles
        with matplotlib.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)  # "none" would keep an engine that does nothing, for one more drawing each


def png(figure: Figure) -> bytes:
    """The figure as PNG, with its alternative text inside; the same bytes for the same figure."""
    if figure.stale or figure not in _drawn:  # most are saved and then shown
        settle(figure)
        picture = io.BytesIO()
        metadata = {"Software": None, "Description": words_of(figure) or None}
        figure.savefig(picture, format="png", dpi=DPI, metadata=metadata)
        _drawn[figure] = picture.getvalue()
        figure.stale = False  # saving only sets colours and takes them back; any other change makes it stale again
    return _drawn[figure]


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write folder/name.png and .svg, the same bytes for the same figure; return the paths."""
    make(folder)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with replacing(paths[0]) as file:
        file.write(png(figure))
    with replacing(paths[1]) as file, matplotlib.rc_context({"svg.hashsalt": name}):
        text = {"Title": name, "Description": words_of(figure)}
        figure.savefig(
            file, format="svg", metadata={"Date": None, **{key: value for key, value in text.items() if value}}
        )
    figure.stale = False
    return paths


def show(figure: Figure, text: str = "", **how: Any) -> None:
    """Show a figure in a notebook, with `text` (or else its own alternative text) for readers who cannot see it.

    how: as IPython's display takes it (display_id=…, update=True puts the figure in the place of an earlier one).
    """
    from IPython.display import display

    display(output(figure, text), raw=True, **how)


def output(figure: Figure, text: str = "") -> dict[str, str]:
    """What a notebook's cell holds of a figure, by kind; text: instead of its own alternative text.

    As HTML: JupyterLab, nbconvert and MyST show no alternative text of a plain picture.
    """
    words, picture = text or words_of(figure), base64.b64encode(png(figure)).decode("ascii")
    image = f'<img src="data:image/png;base64,{picture}" alt="{escape(words)}" style="{look_of(figure)}">'
    return {"text/html": f'<div style="overflow-x: auto">{image}</div>', "text/plain": words}


def look_of(figure: Figure) -> str:
    """The CSS of a figure that fits its place, but never so small that its letters cannot be read: it scrolls then."""
    return f"max-width: 100%; min-width: {READABLE * DPI * figure.get_figwidth():.0f}px"


def say(*sentences: str) -> None:
    """Show sentences in a notebook as a list."""
    from IPython.display import display

    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    display({"text/html": f"<ul>{items}</ul>", "text/plain": "\n".join(sentences)}, raw=True)
