"""What learners reach epoch by epoch, one panel per learner: from what is published, beside the clean twin."""

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.figures.grouping import heading, lines, needed, spread
from workbench.figures.sheet import accuracy_across, band, frame, legend, tell

ACROSS = 4  # panels beside each other


def learning(rows: pd.DataFrame, chance: float) -> Figure:
    """Draw accuracy on clean test data by epoch, a panel for every learner of a judgement, finished or not.

    rows: tidy, `defence` the learner's name; several seeds are a mean with a band from lowest to highest. Raises
    ValueError for a table without accuracy.
    """
    accuracy = needed(rows[(rows["metric"] == "accuracy") & (rows["split"] == "test")], "accuracy")
    names = list(accuracy["defence"].unique())
    across = min(len(names), ACROSS)
    down = math.ceil(len(names) / across)
    figure, axes = frame(1.2 + 2.9 * across, 1.3 + 2.2 * down, down, across, sharey=True)
    numbers = []
    handles: dict[str, Any] = {}
    for axis, name in zip(axes, names, strict=False):
        for line in lines(accuracy[accuracy["defence"] == name]):
            points = spread(line.rows, "value", ["epoch"])
            band(axis, points, line.name, line.style, size=4)
            numbers.append(f"{name}, {line.name}: peak {points['mean'].max():.2f}, final {points['mean'].iloc[-1]:.2f}")
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        accuracy_across(axis, chance)
        axis.set(title=name, xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    axes[0].set_ylabel("accuracy on clean test data")
    legend(figure, 2 if across > 1 else 1, list(handles.values()))
    title = heading(accuracy, "band", by=("method", "kind", "defence"), but=("victim",), about="learner by learner")
    return tell(figure, "Accuracy by epoch and learner", title, numbers, chance)
