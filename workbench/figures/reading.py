"""A table of results by any of its columns: mean, spread and worst case, each beside its clean twin."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.budgets import kind_in_words
from workbench.config import check_choice
from workbench.figures.grouping import summarised
from workbench.figures.style import CONTROLS
from workbench.figures.tables import SETTING, learnt
from workbench.records.table import IDENTITY

COLUMNS = (
    "settings", "seeds", "mean", "lowest", "highest", "worst case", "worst by", "clean twin", "note",
)  # fmt: skip
ACCURACIES = ("peak", "final", "train")  # of a run: at its best and last epoch on clean test data; on its own images
ALIKE = ["data", "victim", "defence"]  # what a clean twin has in common with a run
GROUPABLE = [name for name in IDENTITY if name != "run"]


def compared(rows: pd.DataFrame, by: Sequence[str], metric: str = "peak", chance: float | None = None) -> pd.DataFrame:
    """Summarise a measure, one row per combination of the columns `by`, the largest worst case on top.

    rows: the tidy table; metric: peak, final or train accuracy, or any metric of the table (as it is in the last epoch,
    on test samples where they have it). Columns: `by`; settings and seeds, how many; mean over settings, each the mean
    of its seeds; lowest and highest run; worst case, the largest mean of a setting, and "worst by", what sets it apart;
    clean twin, the mean of the twins' same measure; note, where with `chance` a twin did not learn. Clean and random
    runs are left out unless `by` has the method. Raises ConfigError for an unknown column or metric.
    """
    for name in by:
        check_choice("column", name, GROUPABLE)
    runs = _measured(rows, metric)
    clean = runs[runs["method"] == "clean"]
    own = runs if "method" in by else runs[~runs["method"].isin(CONTROLS)]
    taught = _taught(rows, chance)
    found = []
    for key, part in own.groupby(list(by), sort=False):
        found.append(dict(zip(by, key, strict=True)) | _row(part, clean, taught))
    shown = pd.DataFrame(found, columns=[*by, *COLUMNS])
    if "kind" in by:
        shown["kind"] = shown["kind"].map(kind_in_words)
    return shown.sort_values("worst case", ascending=False, kind="stable", ignore_index=True)


def _measured(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per run with `value`, its measure."""
    check_choice("metric", metric, [*ACCURACIES, *(name for name in rows["metric"].unique() if name != "accuracy")])
    if metric in ACCURACIES:
        return summarised(rows).rename(columns={metric: "value"}).dropna(subset=["value"])
    own = rows[rows["metric"] == metric].sort_values("epoch", kind="stable")
    own = own.sort_values("split", key=lambda split: split == "test", kind="stable")
    return own.groupby(list(IDENTITY), sort=False)["value"].last().reset_index()


def _taught(rows: pd.DataFrame, chance: float | None) -> "pd.Series[Any]":
    """Whether the clean twin learnt, by what it has in common with a run."""
    runs = summarised(rows)
    peaks = runs[runs["method"] == "clean"].groupby(ALIKE)["peak"].mean()
    return peaks.map(lambda peak: chance is None or learnt(peak, chance))


def _row(part: pd.DataFrame, clean: pd.DataFrame, taught: "pd.Series[Any]") -> dict[str, Any]:
    seeds = part.groupby([*SETTING, "seed"], sort=False)["value"].mean()  # a seed that ran twice counts once
    settings = seeds.groupby(level=SETTING, sort=False).mean()
    worst: dict[str, Any] = dict(zip(SETTING, settings.index[int(settings.argmax())], strict=True))
    worst["kind"] = kind_in_words(worst["kind"])
    apart = [str(worst[name]) for name in SETTING if part[name].nunique() > 1]
    same = part[ALIKE].drop_duplicates()
    twins = clean.merge(same, on=ALIKE)
    untaught = same.merge(taught.to_frame("taught").reset_index(), on=ALIKE)
    counts = seeds.groupby(level=SETTING).size()
    return {
        "settings": len(settings), "seeds": int(counts.min()), "mean": settings.mean(), "lowest": seeds.min(),
        "highest": seeds.max(), "worst case": settings.max(), "worst by": ", ".join(apart),
        "clean twin": twins.groupby(ALIKE)["value"].mean().mean() if len(twins) else float("nan"),
        "note": "" if untaught["taught"].all() else "a clean twin did not learn: says nothing",
    }  # fmt: skip
