"""What every learner of a judgement reached, on clean and on published data, the best of them on top."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.config import DataError
from workbench.figures.sheet import GUESSING, frame, legend, tell

CEILING, ALONE, HELPED, UNTAUGHT = "#000000", "#D55E00", "#0072B2", "#999999"
GAP = 0.6  # rows between the tiers


def learners(table: pd.DataFrame, chance: float) -> Figure:
    """Mark peak accuracy on clean test data, learner by learner: open of clean data, filled of published data.

    table: judge.csv; whiskers from lowest to highest over seeds. The tiers stand apart; the learner that binds is
    marked, one that learnt nothing from clean data is grey. Raises DataError for an empty table.
    """
    if table.empty:
        raise DataError("there is no learner to draw: judge something first")
    places, height = [], 0.0
    for nth, tier in enumerate(table["tier"]):
        height += GAP if nth and tier != table["tier"].iloc[nth - 1] else 0
        places.append(height)
        height += 1
    figure, (axis,) = frame(9, 1.9 + 0.27 * height)
    axis.set_ylim(height - 0.4, -0.7)
    axis.set_yticks(places, [f"{'▶ ' if row.binding else ''}{row.learner}" for row in table.itertuples()])
    axis.tick_params(axis="y", length=0, labelsize=9)
    numbers = [_of_learner(axis, row, place) for (_, row), place in zip(table.iterrows(), places, strict=True)]
    for label, bound in zip(axis.get_yticklabels(), table["binding"], strict=True):
        label.set_fontweight("bold" if bound else "normal")
    axis.axvline(chance, **GUESSING)
    axis.set(xlim=(0, 1.02), xlabel="peak accuracy on clean test data (dotted: guessing)")
    axis.grid(axis="x", color="#eeeeee", zorder=0)
    mark: dict[str, Any] = {"linestyle": "none", "markersize": 6}
    handles = [
        Line2D([], [], marker="o", color=CEILING, markerfacecolor="white", label="learning from clean data", **mark),
        Line2D([], [], marker="D", color=ALONE, label="from what is published, alone", **mark),
    ]
    if (table["tier"] == "with help").any():
        handles.append(Line2D([], [], marker="D", color=HELPED, label="from what is published, with help", **mark))
    if not table["learnt"].all():
        handles.append(
            Line2D([], [], marker="D", color=UNTAUGHT, label="learns nothing from clean data: no say", **mark)
        )
    legend(figure, 2, handles)
    seeds = int(table["seeds"].min())
    over = f"mean of {seeds} seeds, whiskers: lowest to highest" if seeds > 1 else "one seed"
    return tell(figure, "Dots of peak accuracy by learner", f"what learners get, {over}; ▶ binds", numbers, chance)


def _of_learner(axis: Axes, row: "pd.Series[Any]", place: float) -> str:
    axis.plot([row["protected"], row["ceiling"]], [place, place], color="#cccccc", linewidth=2, zorder=1)
    colour = UNTAUGHT if not row["learnt"] else HELPED if row["tier"] == "with help" else ALONE
    marks: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("ceiling", "ceiling_low", "ceiling_high", {"color": CEILING, "marker": "o", "markerfacecolor": "white"}),
        ("protected", "low", "high", {"color": colour, "marker": "D"}),
    )
    for value, low, high, style in marks:
        ends = np.array([[row[value] - row[low]], [row[high] - row[value]]]).clip(0) if row["seeds"] > 1 else None
        axis.errorbar(row[value], place, xerr=ends, linestyle="none", markersize=6, capsize=2, zorder=2, **style)
    right = max(row["protected"], row["ceiling"], row["high"], row["ceiling_high"])
    text = f"{row['protected']:.2f} of {row['ceiling']:.2f}"
    spot: dict[str, Any] = {"textcoords": "offset points", "va": "center", "size": 8}
    if right > 0.85:  # no room beside it
        left = min(row["protected"], row["low"])
        axis.annotate(text, (left, place), (-8, 0), ha="right", **spot)
    else:
        axis.annotate(text, (right, place), (8, 0), **spot)
    return f"{row['learner']} {text}{', binds' if row['binding'] else ''}"
