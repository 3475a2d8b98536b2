"""Accuracy by epoch, and final and peak accuracy of every run."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.figures.grouping import (
    Line,
    heading,
    in_words,
    lines,
    needed,
    of_learner,
    overall,
    spread,
    summarised,
    using,
)
from workbench.figures.sheet import GUESSING, accuracy_across, band, frame, legend, tell
from workbench.figures.tables import clean_twin, learnt

SPLITS = {"test": "clean test data", "train": "training data, as published"}
UNTAUGHT = "says nothing: the clean twin did not learn"
BY = ("method", "kind", "defence")


def curves(rows: pd.DataFrame, chance: float, defence: str = "none", longest: int = 0) -> Figure:
    """Draw accuracy by epoch on clean test data (left) and on the training data (right), per method and kind.

    rows: the tidy table; several seeds of one line are drawn as their mean with a band from lowest to highest.
    chance: accuracy of guessing, drawn as a dotted line. defence: of the learners who are drawn. longest: epochs
    that the axis has room for (0: as many as there are).
    """
    accuracy = of_learner(rows[rows["metric"] == "accuracy"], defence)
    shown = lines(accuracy)
    widest = max(len(line.name) for line in shown)
    columns = min(len(shown), max(1, 135 // (widest + 8)))
    figure, axes = frame(10, 4.4 + 0.2 * -(-len(shown) // columns), across=2, sharey=True)
    for axis, (split, title) in zip(axes, SPLITS.items(), strict=True):
        for line in shown:
            points = spread(line.rows[line.rows["split"] == split], "value", ["epoch"])
            band(axis, points, line.name, line.style, size=4)
        accuracy_across(axis, chance)
        axis.set(title=f"accuracy on {title}", xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        if longest:
            axis.set_xlim(0.8, longest + 0.2)
    axes[0].set_ylabel("accuracy")
    legend(figure, columns)
    numbers = [_ends(line) for line in lines(summarised(accuracy))]
    return tell(figure, "Accuracy by epoch", heading(accuracy, "band", about=using(defence)), numbers, chance)


def _ends(line: Line) -> str:
    final, peak, train = (overall(line.rows, column) for column in ("final", "peak", "train"))
    return (
        f"{line.name} ends at {in_words(final)} after a best epoch of {in_words(peak)} on clean test data, "
        f"and at {train['mean']:.2f} on its training data"
    )


def _is_untaught(line: Line, runs: pd.DataFrame, chance: float) -> bool:
    """Whether there is a clean twin of the same defence, and it did not learn."""
    one = line.rows.iloc[0]  # all have one data set, victim and defence
    reached = overall(clean_twin(runs, dict(one), str(one["defence"])), "peak")
    return bool(reached["seeds"]) and not learnt(reached["mean"], chance)


def bars(summary: pd.DataFrame, chance: float) -> Figure:
    """Draw final accuracy (bar) and peak accuracy (mark) on clean test data, one bar per run and defence.

    summary: as records/table.summary returns it, or the tidy rows; several seeds are averaged, whiskers from lowest to
    highest. A run whose clean twin of the same defence did not learn is marked: it says nothing about the noise.
    """
    summary = needed(summarised(summary), "accuracy")
    shown = lines(summary, by=BY)
    defences = [str(line.keys["defence"]) for line in shown]
    names = [
        "\n".join(filter(None, [line.name, using(defence), UNTAUGHT * _is_untaught(line, summary, chance)]))
        for line, defence in zip(shown, defences, strict=True)
    ]
    final = pd.DataFrame([overall(line.rows, "final") for line in shown])
    peak = pd.DataFrame([overall(line.rows, "peak") for line in shown])
    figure, (axis,) = frame(8, 0.5 * len(names) + 1.9)
    places = np.arange(len(names))[::-1]
    several = bool((final["seeds"] > 1).any())
    axis.barh(
        places,
        final["mean"],
        color=[line.style["color"] for line in shown],
        hatch=["" if defence == "none" else "//" for defence in defences],
        edgecolor="white",
        alpha=0.5,  # so that the whiskers can be seen on the black bars
        label="final",
        xerr=np.stack([final["mean"] - final["low"], final["high"] - final["mean"]]) if several else None,
    )
    axis.plot(peak["mean"], places, "k|", markersize=16, markeredgewidth=2, label="peak of all epochs")
    axis.axvline(chance, **GUESSING)
    ends = np.fmax(final["high"], peak["mean"])
    for place, value, best, end in zip(places, final["mean"], peak["mean"], ends, strict=True):
        # Beyond whisker and mark, so that the numbers hide neither.
        text = f"{value:.2f}, peak {best:.2f}"
        axis.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center", size=9)
    axis.set(xlim=(0, 1.22), ylim=(-0.6, len(names) - 0.4), xticks=np.linspace(0, 1, 6))
    axis.set_xlabel("accuracy on clean test data (dotted: guessing)")
    axis.set_yticks(places, names)
    legend(figure)
    numbers = [
        f"{name.replace(chr(10), ', ')} ends at {in_words(last)}, best epoch {in_words(top)}"
        for name, (_, last), (_, top) in zip(names, final.iterrows(), peak.iterrows(), strict=True)
    ]
    title = heading(summary, "whiskers", by=BY)
    return tell(figure, "Bars of the accuracy on clean test data", title, numbers, chance)
