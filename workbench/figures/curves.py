"""Accuracy by epoch."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.figures.lines import Line, lines, needed, over_seeds, overall, said, setting, spread, undefended
from workbench.figures.style import guessing, titled

SPLITS = {"test": "clean test images", "train": "training images, as published"}


def curves(rows: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on clean test images (left) and on the training images (right) by epoch; a line a method and kind.

    rows: the tidy table; several seeds of one line are drawn as their mean with a band from lowest to highest.
    chance: accuracy of guessing, drawn as a dotted line.
    """
    accuracy = rows[(rows["metric"] == "accuracy") & (rows["defence"] == "none")]
    drawn = lines(needed(accuracy, "accuracy of a learner without defence"))
    longest = max(len(line.name) for line in drawn)
    columns = min(len(drawn), max(1, 135 // (longest + 8)))
    figure = Figure(figsize=(10, 4.4 + 0.2 * -(-len(drawn) // columns)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (split, title) in zip(axes, SPLITS.items(), strict=True):
        for line in drawn:
            _draw(axis, line, split)
        guessing(axis, chance)
        axis.set(title=f"accuracy on {title}", xlabel="epoch", ylim=(0, 1.02))
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=9)
    titled(figure, f"{setting(accuracy)}; {over_seeds(accuracy, ['method', 'kind'], 'band')}")
    figure.set_label(_words(rows, chance, figure.get_suptitle()))
    return figure


def _draw(axis: Axes, line: Line, split: str) -> None:
    by_epoch = spread(line.rows[line.rows["split"] == split], "value", ["epoch"])
    axis.plot(by_epoch.index, by_epoch["mean"], label=line.name, markersize=4, **line.style)
    if line.rows["seed"].nunique() > 1:
        axis.fill_between(by_epoch.index, by_epoch["low"], by_epoch["high"], color=line.style["color"], alpha=0.15)


def _words(rows: pd.DataFrame, chance: float, title: str) -> str:
    ends = [
        f"{line.name} ends at {said(overall(line.rows, 'final'))} after a best epoch of "
        f"{said(overall(line.rows, 'peak'))} on clean test images, and at {overall(line.rows, 'train')['mean']:.2f} "
        "on its training images"
        for line in lines(undefended(rows))
    ]
    return f"Accuracy by epoch ({title}). {'; '.join(ends)}. Guessing is {chance:.2f}."
