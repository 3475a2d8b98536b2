"""Tables of numbers in colour: transfer between architectures, and what is taken for what."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from workbench.figures.lines import (
    CONTROLS,
    Line,
    lines,
    needed,
    over_seeds,
    overall,
    percent,
    said,
    setting,
    spread,
    summarised,
    undefended,
)
from workbench.figures.style import ink_on

MAP = matplotlib.colormaps["cividis"]
CLEAN = "clean, no noise"
WRITTEN = 12  # with more classes than this, cells hold no numbers
NAMED = 25  # with more classes than this, axes hold no names
PREFIX = "confusion/"  # of the metric: confusion/<true class>/<predicted class>


def transfer(rows: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy by the surrogate that the noise was made against (rows) and the victim that learns (columns).

    A panel a kind of noise; its top row is the clean twin of each victim. Cells: mean, below it lowest to highest.
    """
    runs = undefended(rows)
    clean = runs[runs["method"] == "clean"]
    noisy = needed(runs[~runs["method"].isin(CONTROLS)], "accuracy with noise from a surrogate")
    surrogates, victims = list(dict.fromkeys(noisy["surrogate"])), list(dict.fromkeys(runs["victim"]))
    panels = lines(noisy, but=("surrogate", "victim"))
    size = (max(4.6, 1.25 * len(victims) + 2.4) * len(panels) + 0.8, 0.75 * len(surrogates) + 3.0)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    told = []
    for axis, panel in zip(axes, panels, strict=True):
        table = _cells(clean, panel).reindex(
            pd.MultiIndex.from_product([[CLEAN, *surrogates], victims], names=["surrogate", "victim"])
        )
        _heat(axis, table["mean"].unstack().loc[[CLEAN, *surrogates], victims].to_numpy(float))
        for (down, across), (_, cell) in zip(
            np.ndindex(len(surrogates) + 1, len(victims)), table.iterrows(), strict=True
        ):
            _write(axis, down, across, cell)
        axis.axhline(0.5, color="white", linewidth=4)
        axis.set_title(panel.name, size=10)
        axis.set_xticks(
            range(len(victims)), victims, rotation=0 if len(max(victims, key=len)) < 13 else 25, ha="center"
        )
        axis.set_yticks(range(len(surrogates) + 1), [CLEAN, *surrogates])
        axis.set_xlabel("victim")
        known = table.dropna(subset=["mean"]).reset_index()
        cells = [f"{row['surrogate']} to {row['victim']} {said(row)}" for _, row in known.iterrows()]
        told.append(f"{panel.name}: {', '.join(cells)}")
    axes[0].set_ylabel("surrogate of the noise")
    bar = figure.colorbar(ScalarMappable(cmap=MAP), ax=list(axes), label="final accuracy on clean test images")
    bar.ax.axhline(chance, color="white", linewidth=2, linestyle=":")
    bar.ax.annotate("guessing ", (0, chance), ha="right", va="center", size=8, color="#333333")
    figure.suptitle(f"{setting(runs, but=('victim',))}; {over_seeds(runs, ['method', 'kind'], 'small type')}", size=11)
    figure.set_label(
        f"Heat map of the final accuracy on clean test images, surrogate to victim ({figure.get_suptitle()}). "
        f"{'; '.join(told)}. Guessing is {chance:.2f}."
    )
    return figure


def _cells(clean: pd.DataFrame, panel: Line) -> pd.DataFrame:
    """The spread of the final accuracy by surrogate and victim, the clean twin of the panel's data included."""
    if "data" in panel.keys:
        clean = clean[clean["data"] == panel.keys["data"]]
    return spread(pd.concat([clean.assign(surrogate=CLEAN), panel.rows]), "final", ["surrogate", "victim"])


def _heat(axis: Axes, values: np.ndarray) -> None:
    axis.imshow(values, cmap=MAP, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axis.tick_params(length=0)
    axis.set_facecolor("#eeeeee")


def _write(axis: Axes, down: int, across: int, cell: "pd.Series[Any]") -> None:
    if not np.isfinite(cell["mean"]):
        axis.text(across, down, "not run", ha="center", va="center", size=8, color="#444444")
        return
    colour = ink_on(MAP(float(cell["mean"])))
    several = cell["seeds"] > 1
    axis.text(across, down - 0.1 * several, f"{cell['mean']:.2f}", ha="center", va="center", size=11, color=colour)
    if several:
        text = f"{cell['low']:.2f} to {cell['high']:.2f}"
        axis.text(across, down + 0.24, text, ha="center", va="center", size=7.5, color=colour)


def confusion(rows: pd.DataFrame) -> Figure:
    """Which class is taken for which: shares of each true class's clean test images, a panel a training set.

    rows: the tidy table with the metric confusion/<true class>/<predicted class>; the last epoch is drawn.
    """
    found = rows[rows["metric"].str.startswith(PREFIX) & (rows["split"] == "test")]
    found = needed(found, "confusion/<true class>/<predicted class>")
    names = found["metric"].str.split("/", n=2, expand=True)
    found = found.assign(true=names[1], predicted=names[2])
    found = found[found["epoch"] == found.groupby("run")["epoch"].transform("max")]
    classes = list(dict.fromkeys(found["true"]))
    by = ("method", "kind", "protected_fraction", "defence")
    panels = sorted(lines(found, by=by), key=lambda panel: panel.method != "clean")
    runs = summarised(rows)
    columns = min(3, len(panels))
    side = 1.6 + min(3.4, max(1.6, 0.36 * len(classes)))
    down = -(-len(panels) // columns)
    figure = Figure(figsize=(side * columns + 1.0, (side + 0.55) * down + 0.7), layout="constrained")
    grid = figure.subplots(down, columns, squeeze=False).ravel()
    told = []
    for axis, panel in zip(grid, panels, strict=False):
        means = panel.rows.groupby(["true", "predicted"])["value"].mean().unstack()
        shares = means.reindex(index=classes, columns=classes).to_numpy(float)
        _squares(axis, shares, classes)
        heading, reached = _heading(panel), _reached(runs, panel, shares)
        axis.set_title(f"{heading}\naccuracy {reached}", size=9)
        told.append(f"{heading}: accuracy {reached}; {_mistakes(shares, classes)}")
    for axis in grid[len(panels) :]:
        axis.set_axis_off()
    figure.colorbar(ScalarMappable(cmap=MAP), ax=list(grid), shrink=0.6, label="share of the true class")
    figure.suptitle(f"{setting(found, but=('protected_fraction',))}; {over_seeds(found, by, 'in brackets')}", size=11)
    figure.set_label(f"Confusion matrices on clean test images ({figure.get_suptitle()}). {'. '.join(told)}.")
    return figure


def _heading(panel: Line) -> str:
    share, defence = panel.keys["protected_fraction"], panel.keys["defence"]
    carries = "nothing protected" if panel.method == "clean" else f"{percent(share)} of the images protected"
    return f"{panel.name}\n{carries}" + ("" if defence == "none" else f", learner uses {defence}")


def _reached(runs: pd.DataFrame, panel: Line, shares: np.ndarray) -> str:
    """The final accuracy of the panel's runs; without their curves, the mean of the diagonal."""
    own = runs[runs["run"].isin(set(panel.rows["run"]))]
    return f"{np.nanmean(np.diag(shares)):.2f} (mean of classes)" if own.empty else said(overall(own, "final"))


def _squares(axis: Axes, shares: np.ndarray, classes: list[str]) -> None:
    _heat(axis, shares)
    axis.set_aspect("equal")
    if len(classes) <= WRITTEN:
        for (down, across), share in np.ndenumerate(shares):
            if np.isfinite(share) and share >= 0.005:
                colour = ink_on(MAP(float(share)))
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
