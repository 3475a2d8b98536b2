"""Heat maps: whether noise made against one architecture holds against another, and what is taken for what."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from workbench.figures.grouping import (
    Line,
    heading,
    in_words,
    lines,
    needed,
    of_learner,
    overall,
    percent,
    spread,
    summarised,
    using,
)
from workbench.figures.sheet import frame, tell
from workbench.figures.style import is_drawn
from workbench.records.table import IDENTITY

MAP = matplotlib.colormaps["cividis"]  # even steps in lightness, the same to the colour-blind
CLEAN = "clean, no noise"
WRITTEN = 12  # with more classes than this, cells hold no numbers
NAMED = 25  # with more classes than this, axes hold no names
PREFIX = "confusion/"  # of the metric: confusion/<true class>/<predicted class>
BY = ("method", "kind", "protected_fraction", "defence")


def transfer(rows: pd.DataFrame, chance: float, defence: str = "none") -> Figure:
    """Show final accuracy by the surrogate that the noise was made against (rows) and the victim that learns (columns).

    One panel per kind of noise; its top row is the clean twin of each victim. Cells: mean, below it lowest to highest.
    defence: of the learners who are shown.
    """
    runs = of_learner(summarised(rows), defence)
    clean = runs[runs["method"] == "clean"]
    noisy = runs[[method != "clean" and not is_drawn(method) for method in runs["method"]]]
    panels = lines(needed(noisy, "accuracy with noise from a surrogate"), but=("surrogate", "victim"))
    down, across = [CLEAN, *dict.fromkeys(noisy["surrogate"])], list(dict.fromkeys(runs["victim"]))
    width = max(4.6, 1.25 * len(across) + 2.4) * len(panels) + 0.8
    figure, axes = frame(width, 0.75 * len(down) + 2.25, across=len(panels), sharey=True)
    numbers = []
    for axis, panel in zip(axes, panels, strict=True):
        own = pd.concat([clean[clean["data"].isin(panel.rows["data"])].assign(surrogate=CLEAN), panel.rows])
        cells = spread(own, "final", ["surrogate", "victim"])
        cells = cells.reindex(pd.MultiIndex.from_product([down, across], names=cells.index.names))
        rotation = 0 if len(max(across, key=len)) < 13 else 25
        _squares(axis, cells["mean"].to_numpy(float).reshape(len(down), -1), down, across, rotation=rotation)
        for place, (_, cell) in zip(np.ndindex(len(down), len(across)), cells.iterrows(), strict=True):
            _write_cell(axis, place, cell)
        axis.axhline(0.5, color="white", linewidth=4)
        axis.set_title(panel.name, size=10)
        axis.set_xlabel("victim")
        known = cells.dropna(subset=["mean"]).reset_index()
        words = [f"{cell['surrogate']} to {cell['victim']} {in_words(cell)}" for _, cell in known.iterrows()]
        numbers.append(f"{panel.name}: {', '.join(words)}")
    axes[0].set_ylabel("surrogate of the noise")
    bar = figure.colorbar(ScalarMappable(cmap=MAP), ax=axes, pad=0.02, label="final accuracy (dotted: guessing)")
    bar.ax.axhline(chance, color="white", linewidth=2, linestyle=":")
    what = "Heat map of the final accuracy on clean test data, surrogate to victim"
    title = heading(runs, "small type", but=("victim",), about=using(defence))
    return tell(figure, what, title, numbers, chance)


def _write_cell(axis: Axes, place: tuple[int, ...], cell: "pd.Series[Any]") -> None:
    several = cell["seeds"] > 1
    if not np.isfinite(cell["mean"]):
        _write(axis, place, "not run", "#444444", size=8)
        return
    _write(axis, place, f"{cell['mean']:.2f}", ink_on(cell["mean"]), size=11, lower=-0.1 * several)
    if several:
        _write(axis, place, f"{cell['low']:.2f} to {cell['high']:.2f}", ink_on(cell["mean"]), size=7.5, lower=0.24)


def confusion(rows: pd.DataFrame) -> Figure:
    """Show which class is taken for which: shares of each true class's clean test data, one panel per training set.

    rows: the tidy table with the metric confusion/<true class>/<predicted class>; the last epoch is drawn. No class
    name holds a slash, as no folder does.
    """
    found, runs = _last(rows), summarised(rows)
    classes, panels = list(dict.fromkeys(found["true"])), _panels(found)
    across = 2 if len(panels) == 4 else min(3, len(panels))
    down = -(-len(panels) // across)
    side = 1.2 + min(3.4, max(1.6, 0.36 * len(classes)))
    figure, grid = frame(max(6.5, side * across + 1.0), (side + 0.5) * down + 0.4, down, across)
    numbers = []
    for axis, panel in zip(grid, panels, strict=False):
        shares = _shares(panel, classes)
        _draw(axis, shares, classes)
        name, reached = _name(panel), _reached(runs, panel, shares)
        axis.set_title(f"{name}\naccuracy {reached}", size=9)
        numbers.append(f"{name.replace(chr(10), ', ')}: accuracy {reached}, {_mistakes(shares, classes)}")
    for axis in grid[len(panels) :]:
        axis.set_axis_off()
    figure.colorbar(ScalarMappable(cmap=MAP), ax=grid, shrink=0.6, label="share of the true class")
    title = heading(found, "in brackets", by=BY, but=("protected_fraction",))
    return tell(figure, "Confusion matrices on clean test data", title, numbers)


def confusion_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The numbers of the figure: one row per training set and true class, one column per predicted class."""
    found = _last(rows)
    classes = list(dict.fromkeys(found["true"]))
    tables = []
    for panel in _panels(found):
        shares = pd.DataFrame(_shares(panel, classes), columns=[f"taken for {name}" for name in classes]).round(3)
        shares.insert(0, "true class", classes)
        shares.insert(0, "learnt from", _name(panel).replace("\n", ", "))
        tables.append(shares)
    return pd.concat(tables, ignore_index=True)


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    """The confusion rows of each run's last epoch, with the columns true and predicted. ValueError without any."""
    found = rows[rows["metric"].str.startswith(PREFIX) & (rows["split"] == "test")]
    found = needed(found, f"metric {PREFIX}<true class>/<predicted class>")
    names = found["metric"].str.split("/", n=2, expand=True)
    found = found.assign(true=names[1], predicted=names[2])
    if not set(found["predicted"]) <= set(found["true"]):
        raise ValueError("confusion: a predicted class is no true class; class names must hold no slash")
    return found[found["epoch"] == found.groupby(list(IDENTITY))["epoch"].transform("max")]


def _panels(found: pd.DataFrame) -> list[Line]:
    return sorted(lines(found, by=BY), key=lambda panel: panel.method != "clean")


def _shares(panel: Line, classes: list[str]) -> np.ndarray:
    """The mean over seeds, true × predicted; NaN where the table has no number."""
    means = panel.rows.groupby(["true", "predicted"])["value"].mean().unstack()
    return means.reindex(index=classes, columns=classes).to_numpy(float)


def _name(panel: Line) -> str:
    share, defence = panel.keys["protected_fraction"], panel.keys["defence"]
    carries = "nothing protected" if panel.method == "clean" else f"{percent(share)} of the data protected"
    return f"{panel.name}\n" + ", ".join(filter(None, [carries, using(defence)]))


def _reached(runs: pd.DataFrame, panel: Line, shares: np.ndarray) -> str:
    """The final accuracy of the panel's runs; without their curves, the mean of the diagonal."""
    own = runs
    for column, value in panel.keys.items():
        own = own[own[column] == value]
    return f"{np.nanmean(np.diag(shares)):.2f} (mean of classes)" if own.empty else in_words(overall(own, "final"))


def _draw(axis: Axes, shares: np.ndarray, classes: list[str]) -> None:
    written, names = len(classes) <= WRITTEN, classes if len(classes) <= NAMED else []
    _squares(axis, shares, names, names, rotation=90 if len(max(classes, key=len)) > 2 else 0, size=8)
    axis.set_aspect("equal")
    for place, share in np.ndenumerate(shares if written else np.empty((0, 0))):
        if np.isfinite(share) and share >= 0.005:
            _write(axis, place, f"{100 * share:.0f}", ink_on(share), size=7)
    axis.set_xlabel("predicted class" + (" (cells in %)" if written else ""), size=9)
    axis.set_ylabel("true class", size=9)


def _mistakes(shares: np.ndarray, classes: list[str]) -> str:
    wrong = np.where(np.eye(len(classes), dtype=bool), -1.0, np.nan_to_num(shares))
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return (
        f"most common mistake: {100 * wrong[true, predicted]:.0f} % of {classes[true]} taken for {classes[predicted]}"
    )


def _squares(
    axis: Axes, values: np.ndarray, down: Sequence[str], across: Sequence[str], *, rotation: int, size: int = 10
) -> None:
    """Draw shares in 0..1, rows × columns with NaN left grey, as coloured squares with the names beside them."""
    axis.imshow(values, cmap=MAP, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axis.tick_params(length=0)
    axis.set_facecolor("#eeeeee")
    axis.set_xticks(range(len(across)), across, rotation=rotation, size=size, parse_math=False)
    axis.set_yticks(range(len(down)), down, size=size, parse_math=False)


def _write(axis: Axes, place: tuple[int, ...], text: str, colour: str, *, size: float, lower: float = 0) -> None:
    axis.text(place[1], place[0] + lower, text, ha="center", va="center", size=size, color=colour)


def ink_on(share: float) -> str:
    """Black or white, whichever reads better on the colour of a share (WCAG's relative luminance)."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in MAP(float(share))[:3]]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"
