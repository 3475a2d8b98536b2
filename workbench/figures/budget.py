"""How much noise is enough: accuracy against the budget and the protected share, and how visible the noise is."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

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
from workbench.figures.sheet import GUESSING, accuracy_across, band, frame, legend, tell

# Fewer dB and a smaller SSIM mean more visible: those axes run backwards, so that to the right is always more visible.
VISIBILITY = {
    "psnr": "PSNR in dB (axis reversed: to the right is more visible)",
    "ssim": "SSIM (axis reversed: to the right is more visible)",
}
MEASURES = {
    "psnr": "PSNR in dB (less is more visible)",
    "ssim": "SSIM (less is more visible)",
    "linear_separability": "linear separability, held out",
}
ALONE = "leave-out"  # the defence of a learner who drops every image that carries noise


def budget(rows: pd.DataFrame, chance: float, defence: str = "none") -> Figure:
    """Draw final accuracy on clean test data against ε, and against PSNR and SSIM where the table has them.

    rows: the tidy table; PSNR and SSIM are rows of that metric, for each method, kind and ε. defence: of the learners
    who are drawn.
    """
    runs = of_learner(summarised(rows), defence)
    runs = needed(runs[(runs["method"] == "clean") | (runs["epsilon"] > 0)], "accuracy with noise")
    shown = lines(runs, but=("epsilon",))
    measured = {metric: _measured(rows, metric) for metric in VISIBILITY}
    scales = ["epsilon", *(metric for metric, found in measured.items() if not found.empty)]
    wide = len(scales) > 1
    figure, found = frame(1.2 + 3.9 * len(scales) if wide else 7, 4.8, across=len(scales), sharey=True)
    axes, numbers = dict(zip(scales, found, strict=True)), []
    for line in shown:
        if line.method == "clean":
            numbers.append(f"{line.name} {in_words(_level(found, line))}")
            continue
        points = spread(line.rows, "final", ["epsilon"])
        numbers.append(f"{line.name} " + ", ".join(f"{in_words(row)} at ε = {at}" for at, row in points.iterrows()))
        band(axes["epsilon"], points, line.name, line.style, size=5)
        for metric in scales[1:]:
            seen = points.set_index(_seen(measured[metric], line, points.index))
            band(axes[metric], seen[seen.index.notna()].sort_index(), line.name, line.style, size=5)
    _scales(axes, sorted(set(runs.loc[runs["method"] != "clean", "epsilon"])), chance)
    legend(figure, min(len(shown), 3 if wide else 2))
    about = ", ".join(filter(None, ["final accuracy by noise budget", using(defence)]))
    title = heading(runs, "band", but=("epsilon",), about=about)
    return tell(figure, "Lines of the accuracy on clean test data", title, numbers, chance)


def _measured(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    if "metric" not in rows.columns:
        return rows.iloc[:0]
    return rows[(rows["metric"] == metric) & np.isfinite(rows["value"]) & (rows["method"] != "clean")]


def _seen(measured: pd.DataFrame, line: Line, steps: pd.Index) -> np.ndarray:
    """PSNR or SSIM of a line's noise at each ε, the mean over seeds; NaN where it was not measured."""
    own = measured[(measured["method"] == line.method) & (measured["kind"] == line.kind)]
    for column in ("data", "surrogate"):
        same = own[own[column] == line.keys.get(column)]
        own = own if same.empty else same
    return own.groupby("epsilon")["value"].mean().reindex(steps).to_numpy(float)


def _level(axes: list[Axes], line: Line) -> "pd.Series[Any]":
    """Draw the clean twin, which has no noise: a level across every panel, with its own band."""
    level = overall(line.rows, "final")
    for axis in axes:
        axis.axhline(level["mean"], color=line.style["color"], linestyle=line.style["linestyle"], label=line.name)
        if level["seeds"] > 1:
            axis.axhspan(level["low"], level["high"], color=line.style["color"], alpha=0.12, linewidth=0)
    return level


def _scales(axes: dict[str, Axes], steps: list[int], chance: float) -> None:
    for scale, axis in axes.items():
        accuracy_across(axis, chance)
        axis.set_xlabel(VISIBILITY.get(scale, "ε: largest change, in pixel values of 255"), size=9)
        if scale != "epsilon":
            axis.invert_xaxis()
    first = axes["epsilon"]
    first.set_xscale("log", base=2)
    first.set_xticks(steps, [str(step) for step in steps])
    first.xaxis.set_minor_locator(NullLocator())
    first.set_ylabel("final accuracy on clean test data")


def fractions(rows: pd.DataFrame, chance: float) -> Figure:
    """Draw final accuracy on clean test data against the share of training images that carry noise.

    One line per method and kind learns from the mixture; "clean part alone" from the rest only. The clean twin is the
    point at 0 of every line: with nothing protected, all are the same training set.
    """
    runs = summarised(rows)
    runs = needed(runs[runs["defence"].isin(("none", ALONE))], "accuracy of a learner without defence")
    twin = runs[(runs["method"] == "clean") & (runs["defence"] == "none")]
    noisy = runs[(runs["defence"] == "none") & (runs["method"] != "clean")]
    # Whoever leaves out what carries noise learns the same from every method, kind and budget.
    alone = runs[runs["defence"] == ALONE].assign(method="clean", kind="none")
    figure, (axis,) = frame(7.5, 5)
    shown = [(line, line.name, line.style) for line in lines(noisy, but=("protected_fraction",))]
    for line in lines(alone, but=("epsilon", "surrogate", "protected_fraction")):
        name = line.name.replace("clean", "clean part alone (the others left out)", 1)
        shown.append((line, name, {**line.style, "linestyle": "--", "markerfacecolor": "white"}))
    numbers = []
    for line, name, style in shown:
        own = twin[twin["data"].isin(line.rows["data"]) & twin["victim"].isin(line.rows["victim"])]
        points = spread(pd.concat([own, line.rows]), "final", ["protected_fraction"])
        band(axis, points, name, style, size=6)
        shares = [f"{in_words(row)} at {percent(float(str(at)))}" for at, row in points.iterrows()]
        numbers.append(f"{name}: {', '.join(shares)}")
    for line in lines(twin):
        level = overall(line.rows, "final")
        style = {**line.style, "linestyle": "none", "markersize": 9, "zorder": 5}
        axis.plot(0, level["mean"], label=line.name.replace("clean", "clean twin (nothing protected)", 1), **style)
        numbers.append(f"{line.name.replace('clean', 'clean twin', 1)}, 0 % protected: {in_words(level)}")
    accuracy_across(axis, chance)
    axis.set(xlim=(-0.03, 1.03), ylabel="final accuracy on clean test data")
    axis.set_xlabel("share of the training data that carries noise")
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    legend(figure)
    title = heading(runs, "band", by=("method", "kind", "defence"), but=("protected_fraction",))
    what = "Final accuracy on clean test data by the share of protected data"
    return tell(figure, what, title, numbers, chance)


def looks(rows: pd.DataFrame, chance: float) -> Figure:
    """Mark how visible and how easily read every kind of noise is, in three panels, whiskers from lowest to highest.

    rows: tidy rows of the metrics psnr, ssim and linear_separability; chance: accuracy of guessing the class.
    """
    rows = needed(rows[rows["metric"].isin(MEASURES) & np.isfinite(rows["value"])], "measure of noise")
    shown = lines(rows)
    figure, axes = frame(12, 0.42 * len(shown) + 2, across=len(MEASURES), sharey=True)
    where, places = dict(zip(MEASURES, axes, strict=True)), np.arange(len(shown))[::-1]
    numbers = []
    for line, place in zip(shown, places, strict=True):
        words, colour = [], line.style["color"]
        for metric, row in spread(line.rows, "value", ["metric"]).iterrows():
            axis = where[str(metric)]
            axis.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2)
            axis.plot(row["mean"], place, color=colour, marker=line.style["marker"], markersize=8)
            digits = 3 if metric == "ssim" else 2  # most noise within a budget differs in the third
            axis.annotate(
                f"{row['mean']:.{digits}f}", (row["mean"], place), (0, 8), textcoords="offset points", ha="center"
            )
            words.append(f"{str(metric).replace('_', ' ')} {in_words(row)}")
        numbers.append(f"{line.name}: {', '.join(words)}")
    for axis, label in zip(axes, MEASURES.values(), strict=True):
        axis.set(xlabel=label, ylim=(-0.6, len(shown) - 0.2))
        axis.margins(x=0.15)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(places, [line.name for line in shown])
    axes[2].axvline(chance, **GUESSING)
    axes[2].set_xlim(0, 1.08)
    title = heading(rows, "whiskers", but=("victim",), about="visibility of noise")
    return tell(figure, "Dots of what was measured on the noise", title, numbers, chance)
