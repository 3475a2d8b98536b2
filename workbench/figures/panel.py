"""Accuracy row by row, one mark per method and kind: what undoes the noise, and what it does for photos of people."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.figures.grouping import Line, heading, in_words, lines, needed, overall, summarised
from workbench.figures.sheet import GUESSING, frame, legend, tell
from workbench.figures.style import way_of
from workbench.figures.tables import worst_case
from workbench.records.table import OTHERS, PROTECTED

BY = ("method", "kind", "defence")
EARLY = "early stopping"
AFTER, MATCHING = " after ", "matching:"  # in the name of a victim: it went on from a trained one; it is not trained
SCENES = {
    "all": "everybody protects\nall photos",
    "best": "the same, and the learner's\nbest countermeasure tried",
    "protected": "some people protect:\nthese people",
    "others": "some people protect:\neverybody else",
    "after": "the recogniser knew clean\nphotos of them before",
    "matching": "photos matched by a network\nthat learnt from other people",
    "pretrained": "photos matched by a network\npretrained on ImageNet",
}


def panel(rows: pd.DataFrame, chance: float) -> Figure:
    """Mark final and peak accuracy on clean test data by defence and by method and kind; the clean twin in black.

    Filled: last epoch; open: best epoch; whiskers from lowest to highest over seeds. The top row is the learner who
    stops at the best epoch; below it the defences, the largest mean peak of the runs with noise first, none on top.
    """
    runs = summarised(rows)
    runs = needed(runs[runs["method"] != "random"], "accuracy")
    noisy, shown = runs[runs["method"] != "clean"], lines(runs)
    defences = [EARLY, *_order(noisy if not noisy.empty else runs)]
    names = [f"{EARLY} (best epoch)" if defence == EARLY else way_of(defence) for defence in defences]
    figure, axis = _rows(names, 0.16 + 0.13 * len(shown))
    numbers = []
    for place, (defence, name) in enumerate(zip(defences, names, strict=True)):
        marks = [_of_defence(axis, line, _height(place, nth, len(shown)), defence) for nth, line in enumerate(shown)]
        numbers.append(f"{name}: {', '.join(filter(None, marks))}")
    axis.axvline(chance, **GUESSING)
    worst = worst_case(runs)
    if worst:
        text = f"worst case {worst['peak']:.2f}"
        numbers.append(f"{text}, by {worst['way']}")
        axis.axvline(worst["peak"], color="#B22222", linewidth=1.3, linestyle=(0, (8, 3)), zorder=1)
        spot: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom", "size": 9}
        axis.annotate(text, (worst["peak"], 1.004), color="#B22222", **spot)
    axis.set_xlim(0, 1.02)
    axis.set_xlabel("accuracy on clean test data (dotted: guessing; dashed: the most that any learner got)")
    grey: dict[str, Any] = {"color": "#555555", "marker": "o", "linestyle": "none"}
    last = Line2D([], [], **grey, label="filled: after the last epoch")
    best = Line2D([], [], **grey, markerfacecolor="white", label="open: at the best epoch")
    legend(figure, 2 if len(shown) < 7 else 3, [*_marks(shown), last, best])
    title = heading(runs, "whiskers", by=BY, about="what learners try")
    return tell(figure, "Dots of the accuracy on clean test data by defence", title, numbers, chance)


def _order(runs: pd.DataFrame) -> list[str]:
    """The defences, none first, then by their own worst case: the largest mean peak of any setting."""
    settings = ["method", "kind", "epsilon", "surrogate", "victim", "protected_fraction"]
    means = runs.groupby(["defence", *settings])["peak"].mean().groupby("defence").max()
    return sorted(means.index, key=lambda defence: (defence != "none", -means[defence], defence))


def _of_defence(axis: Axes, line: Line, height: float, defence: str) -> str:
    """Draw one line's marks in the row of a defence and say them; "" when it has no such run."""
    own = line.rows[line.rows["defence"] == ("none" if defence == EARLY else defence)]
    if own.empty:
        return ""
    peak, final = overall(own, "peak"), overall(own, "final")
    open_mark = {"markerfacecolor": "white", "markeredgecolor": line.style["color"], "markeredgewidth": 1.1}
    _mark(axis, line, peak, height, elinewidth=0.9, markersize=7, **open_mark)
    if defence == EARLY:
        return f"{line.name} {in_words(peak)}"
    _mark(axis, line, final, height, elinewidth=1.8)
    return f"{line.name} {in_words(final)}, best epoch {in_words(peak)}"


def people(rows: pd.DataFrame, chance: float) -> Figure:
    """Mark accuracy on clean photos by scene and by method and kind, the clean twin of each scene in black.

    rows: the tidy table of the notebook on faces; a scene without runs is left out. chance: of guessing among all
    people; in the scene of matching half of them are left, and its own dotted mark says so.
    """
    scenes = {name: found for name, found in _scenes(rows).items() if not found.empty}
    needed(pd.concat([pd.DataFrame(), *scenes.values()]), "accuracy on photos of people")
    shown = lines(pd.concat(scenes.values()), but=("victim", "protected_fraction"))
    figure, axis = _rows([SCENES[name] for name in scenes], 0.3 + 0.13 * len(shown))
    numbers = []
    for place, (name, found) in enumerate(scenes.items()):
        guess = _guess(name, chance)
        axis.plot([guess, guess], [place - 0.5, place + 0.5], **GUESSING)
        marks = [_of_scene(axis, line, _height(place, nth, len(shown)), found) for nth, line in enumerate(shown)]
        flat = SCENES[name].replace("\n", " ")
        numbers.append(f"{flat}: {', '.join(filter(None, marks))}, guessing {guess:.2f}")
    axis.set(xlim=(-0.02, 1.24), xticks=np.linspace(0, 1, 6))
    axis.set_xlabel("accuracy on clean photos after the last epoch (dotted: guessing)")
    legend(figure, handles=_marks(shown))
    return tell(
        figure, "Dots of the accuracy on clean photos by scene", heading(whole(rows), "whiskers", by=BY), numbers
    )


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of victims trained from nothing on photos that all carry noise, or none: what `panel` is to draw."""
    plain = _plain(rows)
    return plain[(plain["method"] == "clean") | (plain["protected_fraction"] == 1)]


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of victims trained from nothing, but for those in which only some people protect: for `fractions`."""
    plain = _plain(rows)
    some = plain["run"][(plain["metric"] == PROTECTED) & (plain["method"] != "clean")]
    return plain[~plain["run"].isin(some)]


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["victim"].str.contains(AFTER) & ~rows["victim"].str.startswith(MATCHING)]


def _scenes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs of every scene, one row per run with `value`, the accuracy that is drawn."""
    runs = summarised(rows).rename(columns={"final": "value"})
    plain = runs["defence"] == "none"
    started, matched = runs["victim"].str.contains(AFTER), runs["victim"].str.startswith(MATCHING)
    pretrained = runs["victim"].str.startswith(f"{MATCHING}probe-")
    one_of = runs["run"].isin(whole(rows)["run"])
    return {
        "all": runs[one_of & plain],
        "best": _best(runs[one_of & ~plain]),
        "protected": rows[rows["metric"] == PROTECTED],
        "others": rows[rows["metric"] == OTHERS],
        "after": runs[started & plain],
        "matching": runs[matched & ~pretrained & plain],
        "pretrained": runs[matched & pretrained & plain],
    }


def _best(runs: pd.DataFrame) -> pd.DataFrame:
    """Of each method and kind the runs under the defence with the largest mean over seeds."""
    parts = []
    for _, part in runs.groupby(["method", "kind"], sort=False):
        parts.append(part[part["defence"] == part.groupby("defence")["value"].mean().idxmax()])
    return pd.concat(parts) if parts else runs


def _guess(scene: str, chance: float) -> float:
    count = round(1 / chance)
    return 1 / (count - count // 2) if scene in ("matching", "pretrained") else chance


def _of_scene(axis: Axes, line: Line, height: float, found: pd.DataFrame) -> str:
    """Draw one line's mark in the row of a scene and say it; "" when it has no such run."""
    own = found
    for column in ("method", "kind", "epsilon", "surrogate", "data"):
        own = own[own[column] == line.keys.get(column, line.rows[column].iloc[0])]
    if own.empty:
        return ""
    reached, defence = overall(own, "value"), own["defence"].iloc[0]
    by = "" if defence == "none" else f" by {defence}"
    _mark(axis, line, reached, height)
    text, place = f"{reached['mean']:.2f}{by}", (reached["high"], height)
    axis.annotate(text, place, (7, 0), textcoords="offset points", va="center", size=8)
    return f"{line.name} {in_words(reached)}{by}"


def _rows(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """Open a figure with one named row per defence or scene, the first on top."""
    figure, (axis,) = frame(9, 1.9 + height * len(names))
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    for place in range(len(names)):
        axis.axhline(place + 0.5, color="#dddddd", linewidth=0.8, zorder=0)
    return figure, axis


def _height(place: int, nth: int, count: int) -> float:
    """Where the nth of so many lines stands within a row; together they take three quarters of it."""
    return place + 0.75 * ((nth + 0.5) / count - 0.5)


def _mark(axis: Axes, line: Line, row: "pd.Series[Any]", height: float, **mark: Any) -> None:
    ends = np.array([[row["mean"] - row["low"]], [row["high"] - row["mean"]]]) if row["seeds"] > 1 else None
    style: dict[str, Any] = {**line.style, "linestyle": "none", "capsize": 2, **mark}
    axis.errorbar(row["mean"], height, xerr=ends, **style)


def _marks(shown: Sequence[Line]) -> list[Line2D]:
    return [Line2D([], [], **{**line.style, "linestyle": "none"}, label=line.name) for line in shown]
