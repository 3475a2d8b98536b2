"""What is taken for what."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from workbench.figures.heat import MAP, ink_on, squares
from workbench.figures.lines import Line, lines, needed, over_seeds, overall, percent, said, setting, summarised
from workbench.figures.style import titled
from workbench.records.table import IDENTITY

WRITTEN = 12  # with more classes than this, cells hold no numbers
NAMED = 25  # with more classes than this, axes hold no names
PREFIX = "confusion/"  # of the metric: confusion/<true class>/<predicted class>
BY = ("method", "kind", "protected_fraction", "defence")


def confusion(rows: pd.DataFrame) -> Figure:
    """Which class is taken for which: shares of each true class's clean test images, a panel a training set.

    rows: the tidy table with the metric confusion/<true class>/<predicted class>; the last epoch is drawn. No class
    name holds a slash, as no folder does.
    """
    found, runs = _last(rows), summarised(rows)
    classes, panels = list(dict.fromkeys(found["true"])), _panels(found)
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    side = 1.2 + min(3.4, max(1.6, 0.36 * len(classes)))
    down = -(-len(panels) // columns)
    figure = Figure(figsize=(max(6.5, side * columns + 1.0), (side + 0.5) * down + 0.4), layout="constrained")
    grid = figure.subplots(down, columns, squeeze=False).ravel()
    told = []
    for axis, panel in zip(grid, panels, strict=False):
        shares = _shares(panel, classes)
        _draw(axis, shares, classes)
        heading, reached = _heading(panel), _reached(runs, panel, shares)
        axis.set_title(f"{heading}\naccuracy {reached}", size=9)
        told.append(f"{heading.replace(chr(10), ', ')}: accuracy {reached}; {_mistakes(shares, classes)}")
    for axis in grid[len(panels) :]:
        axis.set_axis_off()
    figure.colorbar(ScalarMappable(cmap=MAP), ax=list(grid), shrink=0.6, label="share of the true class")
    titled(figure, f"{setting(found, but=('protected_fraction',))}; {over_seeds(found, BY, 'in brackets')}")
    figure.set_label(f"Confusion matrices on clean test images ({figure.get_suptitle()}). {'. '.join(told)}.")
    return figure


def confusion_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The numbers of the figure for people: a row a training set and true class, a column a predicted class."""
    found = _last(rows)
    classes = list(dict.fromkeys(found["true"]))
    tables = []
    for panel in _panels(found):
        shares = pd.DataFrame(_shares(panel, classes), columns=[f"taken for {name}" for name in classes]).round(3)
        shares.insert(0, "true class", classes)
        shares.insert(0, "learnt from", _heading(panel).replace("\n", ", "))
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


def _heading(panel: Line) -> str:
    share, defence = panel.keys["protected_fraction"], panel.keys["defence"]
    carries = "nothing protected" if panel.method == "clean" else f"{percent(share)} of the images protected"
    return f"{panel.name}\n{carries}" + ("" if defence == "none" else f", learner uses {defence}")


def _reached(runs: pd.DataFrame, panel: Line, shares: np.ndarray) -> str:
    """The final accuracy of the panel's runs; without their curves, the mean of the diagonal."""
    own = runs
    for column, value in panel.keys.items():
        own = own[own[column] == value]
    return f"{np.nanmean(np.diag(shares)):.2f} (mean of classes)" if own.empty else said(overall(own, "final"))


def _draw(axis: Axes, shares: np.ndarray, classes: list[str]) -> None:
    squares(axis, shares)
    axis.set_aspect("equal")
    if len(classes) <= WRITTEN:
        for (down, across), share in np.ndenumerate(shares):
            if np.isfinite(share) and share >= 0.005:
                colour = ink_on(share)
                axis.text(across, down, f"{100 * share:.0f}", ha="center", va="center", size=7, color=colour)
    places = range(len(classes)) if len(classes) <= NAMED else []
    upright = len(max(classes, key=len)) > 2
    axis.set_xticks(places, classes if places else [], rotation=90 if upright else 0, size=8, parse_math=False)
    axis.set_yticks(places, classes if places else [], size=8, parse_math=False)
    axis.set_xlabel("predicted class" + (" (cells in %)" if len(classes) <= WRITTEN else ""), size=9)
    axis.set_ylabel("true class", size=9)


def _mistakes(shares: np.ndarray, classes: list[str]) -> str:
    wrong = np.where(np.eye(len(classes), dtype=bool), -1.0, np.nan_to_num(shares))
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return (
        f"most common mistake: {100 * wrong[true, predicted]:.0f} % of {classes[true]} taken for {classes[predicted]}"
    )
