"""What part of the images must carry noise: accuracy against the protected share."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from workbench.figures.lines import lines, needed, over_seeds, overall, percent, said, setting, spread, summarised
from workbench.figures.style import guessing, titled

ALONE = "leave-out"  # the defence of a learner who drops every image that carries noise


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
        told.append(_draw(axis, line.rows, twin, line.name, line.style))
    # Whoever leaves out what carries noise learns the same from every method, kind and budget.
    alone = runs[runs["defence"] == ALONE].assign(method="clean", kind="none")
    for line in lines(alone, but=("epsilon", "surrogate", "protected_fraction")):
        name = line.name.replace("clean", "clean part alone (the others left out)", 1)
        style = {**line.style, "linestyle": "--", "markerfacecolor": "white"}
        told.append(_draw(axis, line.rows, twin, name, style))
    for line in lines(twin):
        level = overall(line.rows, "final")
        style = {**line.style, "linestyle": "none", "markersize": 9, "zorder": 5}
        axis.plot(0, level["mean"], label=line.name.replace("clean", "clean twin (nothing protected)", 1), **style)
        told.append(f"{line.name.replace('clean', 'clean twin', 1)}, 0 % protected: {said(level)}")
    guessing(axis, chance)
    axis.set(xlim=(-0.03, 1.03), ylim=(0, 1.02), ylabel="final accuracy on clean test images")
    axis.set_xlabel("share of the training images that carry noise")
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    but = ("protected_fraction",)
    titled(figure, f"{setting(runs, but=but)}; {over_seeds(runs, ['method', 'kind', 'defence'], 'band')}")
    figure.set_label(
        f"Final accuracy on clean test images by the share of protected images ({figure.get_suptitle()}). "
        f"{'; '.join(told)}. Guessing is {chance:.2f}."
    )
    return figure


def _draw(axis: Axes, runs: pd.DataFrame, twin: pd.DataFrame, name: str, style: dict) -> str:
    own = twin[twin["data"].isin(runs["data"]) & twin["victim"].isin(runs["victim"])]
    points = spread(pd.concat([own, runs]), "final", ["protected_fraction"])
    axis.plot(points.index, points["mean"], label=name, markersize=6, **style)
    if (points["seeds"] > 1).any():
        axis.fill_between(points.index, points["low"], points["high"], color=style["color"], alpha=0.13)
    return f"{name}: " + ", ".join(f"{said(row)} at {percent(float(str(at)))}" for at, row in points.iterrows())
