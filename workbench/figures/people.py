"""Photos of people: how a recogniser does on clean ones, scene by scene of who protects and what it knew before."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.figures.lines import Line, lines, needed, over_seeds, overall, said, setting, summarised
from workbench.figures.style import GUESSING, titled
from workbench.records.table import OTHERS, PROTECTED

AFTER, MATCHING = " after ", "matching:"  # in the name of a victim: it went on from a trained one; it is not trained
ROW = 0.7  # of the distance between two scenes is taken by the marks of one
SCENES = {
    "all": "everybody protects\nall photos",
    "best": "the same, and the learner's\nbest countermeasure tried",
    "protected": "some people protect:\nthese people",
    "others": "some people protect:\neverybody else",
    "after": "the recogniser knew clean\nphotos of them before",
    "matching": "photos matched by a network\nthat learnt from other people",
    "pretrained": "photos matched by a network\npretrained on ImageNet",
}


def people(rows: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on clean photos, a row a scene, a mark a method and kind, the clean twin of each scene in black.

    rows: the tidy table of the notebook on faces; a scene without runs is left out. chance: of guessing among all
    people; in the scene of matching half of them are left, and its own dotted mark says so.
    """
    scenes = {name: found for name, found in _scenes(rows).items() if not found.empty}
    needed(pd.concat([pd.DataFrame(), *scenes.values()]), "accuracy on photos of people")
    drawn = lines(pd.concat(scenes.values()), but=("victim", "protected_fraction"))
    figure = Figure(figsize=(9, 1.9 + (0.3 + 0.13 * len(drawn)) * len(scenes)), layout="constrained")
    axis = figure.subplots()
    told = []
    for place, (name, found) in enumerate(scenes.items()):
        guess = _guess(name, chance)
        axis.plot([guess, guess], [place - 0.5, place + 0.5], **GUESSING)
        shown = [_mark(axis, line, nth, len(drawn), place, found) for nth, line in enumerate(drawn)]
        told.append(f"{_flat(name)}: {', '.join(filter(None, shown))}, guessing {guess:.2f}")
        axis.axhline(place + 0.5, color="#dddddd", linewidth=0.8, zorder=0)
    for line in drawn:
        axis.plot([], [], label=line.name, **{**line.style, "linestyle": "none"})
    axis.set(xlim=(-0.02, 1.24), xticks=np.linspace(0, 1, 6), ylim=(len(scenes) - 0.5, -0.5))
    axis.set_xlabel("accuracy on clean photos after the last epoch (dotted: guessing)")
    axis.set_yticks(range(len(scenes)), [SCENES[name] for name in scenes])
    axis.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    runs = whole(rows)
    titled(figure, f"{setting(runs)}; {over_seeds(runs, ['method', 'kind', 'defence'], 'whiskers')}")
    figure.set_label(f"Dots of the accuracy on clean photos by scene ({figure.get_suptitle()}). {'. '.join(told)}.")
    return figure


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
    """The runs of every scene, each a row with `value`, the accuracy that is drawn."""
    runs = summarised(rows).rename(columns={"final": "value"})
    started, matched = runs["victim"].str.contains(AFTER), runs["victim"].str.startswith(MATCHING)
    pretrained = runs["victim"].str.startswith(f"{MATCHING}probe-")
    one_of = runs["run"].isin(whole(rows)["run"])
    groups = rows[rows["metric"].isin((PROTECTED, OTHERS))]
    return {
        "all": runs[one_of & (runs["defence"] == "none")],
        "best": _best(runs[one_of & (runs["defence"] != "none")]),
        "protected": groups[groups["metric"] == PROTECTED],
        "others": groups[groups["metric"] == OTHERS],
        "after": runs[started & (runs["defence"] == "none")],
        "matching": runs[matched & ~pretrained & (runs["defence"] == "none")],
        "pretrained": runs[matched & pretrained & (runs["defence"] == "none")],
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


def _flat(scene: str) -> str:
    return SCENES[scene].replace("\n", " ")


def _mark(axis: Axes, line: Line, nth: int, count: int, place: int, found: pd.DataFrame) -> str:
    """Draw one line's mark in the row of a scene and say it; "" when it has no such run."""
    own = found
    for column in ("method", "kind", "epsilon", "surrogate", "data"):
        own = own[own[column] == line.keys.get(column, line.rows[column].iloc[0])]
    if own.empty:
        return ""
    reached, height = overall(own, "value"), place + ROW * ((nth + 0.5) / count - 0.5)
    ends = np.array([[reached["mean"] - reached["low"]], [reached["high"] - reached["mean"]]])
    style: dict[str, Any] = {"color": line.style["color"], "marker": line.style["marker"], "linestyle": "none"}
    axis.errorbar(reached["mean"], height, xerr=ends if reached["seeds"] > 1 else None, capsize=2, **style)
    defence = own["defence"].iloc[0]
    by = "" if defence == "none" else f" by {defence}"
    axis.annotate(f"{reached['mean']:.2f}{by}", (reached["high"], height), (7, 0), textcoords="offset points",
                  va="center", size=8)  # fmt: skip
    return f"{line.name} {said(reached)}{by}"
