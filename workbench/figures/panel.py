"""What undoes the noise: every defence beside the others, the best for the learner first."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.figures.lines import Line, lines, needed, over_seeds, overall, said, setting, summarised
from workbench.figures.numbers import worst_case
from workbench.figures.style import GUESSING, titled
from workbench.figures.ways import way_of

EARLY = "early stopping"
ROW = 0.8  # of the distance between two defences is taken by the lines of one


def panel(rows: pd.DataFrame, chance: float) -> Figure:
    """Final and peak accuracy on clean test images by defence, a mark a method and kind; the clean twin in black.

    Filled: last epoch; open: best epoch; whiskers from lowest to highest over seeds. The top row is the learner who
    stops at the best epoch; below it the defences, the largest mean peak of the runs with noise first, none on top.
    """
    runs = summarised(rows)
    runs = needed(runs[runs["method"] != "random"], "accuracy")
    noisy, drawn = runs[runs["method"] != "clean"], lines(runs)
    defences = _order(noisy if not noisy.empty else runs)
    figure = Figure(figsize=(9, 1.9 + (0.16 + 0.13 * len(drawn)) * (len(defences) + 1)), layout="constrained")
    axis = figure.subplots()
    told = []
    for place, defence in enumerate([EARLY, *defences]):
        shown = [_draw(axis, line, nth, len(drawn), place, defence) for nth, line in enumerate(drawn)]
        told.append(f"{_label(defence)}: {', '.join(filter(None, shown))}")
        axis.axhline(place + 0.5, color="#dddddd", linewidth=0.8, zorder=0)
    axis.axvline(chance, **GUESSING)
    worst = worst_case(runs)
    if worst:
        text = f"worst case {worst['peak']:.2f}"
        told.append(f"{text}, by {worst['way']}")
        axis.axvline(worst["peak"], color="#B22222", linewidth=1.3, linestyle=(0, (8, 3)), zorder=1)
        spot: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom", "size": 9}
        axis.annotate(text, (worst["peak"], 1.004), color="#B22222", **spot)
    axis.set(xlim=(0, 1.02), ylim=(len(defences) + 0.5, -0.5))
    axis.set_xlabel("accuracy on clean test images (dotted: guessing; dashed: the most that any learner got)")
    axis.set_yticks(range(len(defences) + 1), [_label(defence) for defence in [EARLY, *defences]])
    axis.tick_params(axis="y", length=0)
    figure.legend(handles=_legend(drawn), loc="outside lower center", ncols=2 if len(drawn) < 7 else 3, fontsize=9)
    by = ["method", "kind", "defence"]
    titled(figure, f"what learners try: {setting(runs)}; {over_seeds(runs, by, 'whiskers')}")
    figure.set_label(
        f"Dots of the accuracy on clean test images by defence ({figure.get_suptitle()}). {'; '.join(told)}. "
        f"Guessing is {chance:.2f}."
    )
    return figure


def _order(runs: pd.DataFrame) -> list[str]:
    """The defences, none first, then by their own worst case: the largest mean peak of any setting."""
    settings = ["method", "kind", "epsilon", "surrogate", "victim", "protected_fraction"]
    means = runs.groupby(["defence", *settings])["peak"].mean().groupby("defence").max()
    return sorted(means.index, key=lambda defence: (defence != "none", -means[defence], defence))


def _label(defence: str) -> str:
    return f"{EARLY} (best epoch)" if defence == EARLY else way_of(defence)


def _draw(axis: Axes, line: Line, nth: int, count: int, place: int, defence: str) -> str:
    """Draw one line's marks in the row of a defence and say them; "" when it has no such run."""
    own = line.rows[line.rows["defence"] == ("none" if defence == EARLY else defence)]
    if own.empty:
        return ""
    height = place + ROW * ((nth + 0.5) / count - 0.5)
    colour, marker = line.style["color"], line.style["marker"]
    peak, final = overall(own, "peak"), overall(own, "final")
    open_mark = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 1.1}
    _mark(axis, peak, height, colour, 0.9, marker=marker, markersize=7, **open_mark)
    if defence == EARLY:
        return f"{line.name} {said(peak)}"
    _mark(axis, final, height, colour, 1.8, marker=marker, markersize=6)
    return f"{line.name} {said(final)}, best epoch {said(peak)}"


def _mark(axis: Axes, row: "pd.Series[Any]", height: float, colour: str, width: float, **mark: Any) -> None:
    ends = np.array([[row["mean"] - row["low"]], [row["high"] - row["mean"]]]) if row["seeds"] > 1 else None
    axis.errorbar(row["mean"], height, xerr=ends, color=colour, elinewidth=width, capsize=2, linestyle="none", **mark)


def _legend(drawn: list[Line]) -> list[Line2D]:
    named = [
        Line2D([], [], color=line.style["color"], marker=line.style["marker"], linestyle="none", label=line.name)
        for line in drawn
    ]
    grey: dict[str, Any] = {"color": "#555555", "marker": "o", "linestyle": "none"}
    last = Line2D([], [], **grey, label="filled: after the last epoch")
    return [*named, last, Line2D([], [], **grey, markerfacecolor="white", label="open: at the best epoch")]
