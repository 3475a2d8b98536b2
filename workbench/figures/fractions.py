"""What part of the images must carry noise: accuracy against the protected share."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from workbench.figures.lines import lines, needed, over_seeds, overall, percent, said, setting, spread, summarised
from workbench.figures.style import guessing

ALONE = "leave-out"  # the defence of a learner who drops every image that carries noise
ALONE_STYLE = {"color": "#000000", "marker": "o", "linestyle": "--", "markerfacecolor": "white"}


def fractions(rows: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy on clean test images against the share of training images that carry noise.

    A line a method and kind learns from the mixture; "clean part alone" from the rest only. The clean twin is the
    point at 0 of every line: with nothing protected, all are the same training set.
    """
    runs = summarised(rows)
    runs = needed(runs[runs["defence"].isin(("none", ALONE))], "accuracy of a learner without defence")
    twin = runs[(runs["method"] == "clean") & (runs["defence"] == "none")]
    noisy = runs[(runs["defence"] == "none") & (runs["method"] != "clean")]
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axis = figure.subplots()
    told = []
    for line in lines(noisy, but=("protected_fraction",)):
        told.append(_draw(axis, line.rows, _like(twin, line.keys), line.name, line.style))
    alone = runs[runs["defence"] == ALONE]
    if not alone.empty:
        told.append(_draw(axis, alone, twin, "clean part alone (the others left out)", ALONE_STYLE))
    if not twin.empty:
        level = overall(twin, "final")
        axis.plot(0, level["mean"], "ko", markersize=9, label="clean twin (nothing protected)", zorder=5)
        told.append(f"clean twin, nothing protected: {said(level)}")
    guessing(axis, chance)
    axis.set(xlim=(-0.03, 1.03), ylim=(0, 1.02), ylabel="final accuracy on clean test images")
    axis.set_xlabel("share of the training images that carry noise")
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xticks(sorted({0.0, 1.0, *noisy["protected_fraction"], *alone["protected_fraction"]}))
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    but = ("protected_fraction",)
    figure.suptitle(f"{setting(runs, but=but)}; {over_seeds(runs, ['method', 'kind', 'defence'], 'band')}", size=11)
    figure.set_label(
        f"Final accuracy on clean test images by the share of protected images ({figure.get_suptitle()}). "
        f"{'; '.join(told)}. Guessing is {chance:.2f}."
    )
    return figure


def _like(twin: pd.DataFrame, keys: dict) -> pd.DataFrame:
    """The clean runs that belong to a line: of its data and its victim, where there are several."""
    for column in {"data", "victim"} & set(keys):
        twin = twin[twin[column] == keys[column]]
    return twin


def _draw(axis: Axes, runs: pd.DataFrame, twin: pd.DataFrame, name: str, style: dict) -> str:
    points = spread(pd.concat([twin, runs]), "final", ["protected_fraction"])
    axis.plot(points.index, points["mean"], label=name, markersize=6, **style)
    if (points["seeds"] > 1).any():
        axis.fill_between(points.index, points["low"], points["high"], color=style["color"], alpha=0.13)
    return f"{name}: " + ", ".join(f"{said(row)} at {percent(float(str(at)))}" for at, row in points.iterrows())
