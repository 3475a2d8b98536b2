"""From tidy rows to the named lines of a figure: what is averaged, what is told apart, and over how many seeds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.figures.style import STYLES, name_of, style_of
from workbench.records import table

CONTROLS = ("clean", "random")
NAMED = ("data", "epsilon", "surrogate", "victim", "protected_fraction")  # told apart in names where there are several


@dataclass(frozen=True)
class Line:
    """The rows that one line, bar or panel stands for. keys: the values that all of its rows share."""

    name: str
    method: str
    kind: str
    keys: dict[str, Any]
    style: dict[str, Any]
    rows: pd.DataFrame


def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak and final accuracy, a row a run (see results.summary), of tidy rows or of a table that is one already."""
    return table.summary(rows) if "metric" in rows.columns else rows


def undefended(rows: pd.DataFrame) -> pd.DataFrame:
    """The summary of the runs whose learner does nothing against the noise. Raises ValueError without any."""
    runs = summarised(rows)
    return needed(runs[runs["defence"] == "none"], "accuracy of a learner without defence")


def needed(rows: pd.DataFrame, what: str) -> pd.DataFrame:
    """The rows, unless there are none: then ValueError."""
    if rows.empty:
        raise ValueError(f"there is nothing to draw: the table has no {what}")
    return rows


def lines(rows: pd.DataFrame, *, by: Sequence[str] = ("method", "kind"), but: Collection[str] = ()) -> list[Line]:
    """Group rows by the columns `by` and by every setting that has several values, which then stands in the name.

    but: settings that are no part of a line's identity, because they are its x axis or are drawn otherwise.
    """
    several = [column for column in NAMED if column not in (*but, *by) and has_several(rows, column)]
    seen: dict[tuple[str, str], list[tuple]] = {}
    found = []
    for values, part in rows.groupby([*by, *several], sort=False):
        keys = dict(zip([*by, *several], values, strict=True))
        method, kind = str(keys["method"]), str(keys["kind"])
        # All unknown methods share one grey, so they are counted together, to be told apart by marker and dash.
        known = (method, kind) in STYLES
        others = tuple(keys[column] for column in several) + (() if known else (method, kind))
        before = seen.setdefault((method, kind) if known else ("", ""), [])
        if others not in before:
            before.append(others)
        name = ", ".join(
            [name_of(method, kind), *(_said(column, keys) for column in several if _applies(column, keys))]
        )
        found.append(Line(name, method, kind, keys, style_of(method, kind, before.index(others)), part))
    return found


def has_several(rows: pd.DataFrame, column: str) -> bool:
    """Whether a setting differs among the runs that have it: a clean twin has no ε, random noise no surrogate."""
    if column in ("epsilon", "protected_fraction"):
        rows = rows[rows["method"] != "clean"]
    elif column == "surrogate":
        rows = rows[~rows["method"].isin(CONTROLS)]
    return bool(rows[column].nunique() > 1)


def _applies(column: str, keys: dict[str, Any]) -> bool:
    if column == "surrogate":
        return keys["method"] not in CONTROLS
    return column in ("data", "victim") or keys["method"] != "clean"


def _said(column: str, keys: dict[str, Any]) -> str:
    value = keys[column]
    if column == "protected_fraction":
        return f"{percent(value)} protected"
    return {"data": "{}", "epsilon": "ε = {}", "surrogate": "noise from {}", "victim": "victim {}"}[column].format(
        value
    )


def setting(rows: pd.DataFrame, *, but: Collection[str] = ()) -> str:
    """What all rows have in common, for a figure's title: data, victim, ε and protected share, where there is one."""
    noisy = rows[rows["method"] != "clean"]
    parts = [str(rows["data"].iloc[0])] if rows["data"].nunique() == 1 and "data" not in but else []
    if rows["victim"].nunique() == 1 and "victim" not in but:
        parts.append(f"victim {rows['victim'].iloc[0]}")
    if noisy["epsilon"].nunique() == 1 and "epsilon" not in but:
        parts.append(f"ε = {noisy['epsilon'].iloc[0]}")
    if noisy["protected_fraction"].nunique() == 1 and "protected_fraction" not in but:
        share = noisy["protected_fraction"].iloc[0]
        parts += [f"{percent(share)} protected"] if share != 1 else []
    return ", ".join(parts)


def spread(rows: pd.DataFrame, value: str, by: Sequence[str]) -> pd.DataFrame:
    """mean, low, high and the number of seeds of a column, a row a group; a seed counts once, however often it ran."""
    seeds = rows.dropna(subset=[value]).groupby([*by, "seed"])[value].mean()
    groups = seeds.groupby(level=list(by))
    low, high = groups.min(), groups.max()
    mean = groups.mean().clip(low, high)  # the mean of equal numbers can round to less than each of them
    return pd.DataFrame({"mean": mean, "low": low, "high": high, "seeds": groups.count()})


def over_seeds(rows: pd.DataFrame, by: Sequence[str], spread_is: str) -> str:
    """Words on what was averaged: the number of seeds of each group of rows, and what shows their spread."""
    counts = rows.groupby([*by, *(column for column in NAMED if column not in by)])["seed"].nunique()
    least, most = int(counts.min()), int(counts.max())
    if most == 1:
        return f"seed {rows['seed'].iloc[0]}" if rows["seed"].nunique() == 1 else "one seed each"
    return f"mean of {most if least == most else f'{least} to {most}'} seeds, {spread_is}: lowest to highest"


def said(row: "pd.Series[Any]") -> str:
    """A row of `spread` in words."""
    return f"{row['mean']:.2f}" + (f" ({row['low']:.2f} to {row['high']:.2f})" if row["seeds"] > 1 else "")


def overall(rows: pd.DataFrame, value: str) -> "pd.Series[Any]":
    """The `spread` of a column over all rows; NaN and 0 seeds where there are none."""
    found = spread(rows.assign(all=0), value, ["all"])
    return found.reindex([0]).fillna({"seeds": 0}).iloc[0]


def percent(share: float) -> str:
    """A share as people write it: 0.125 is 12.5 %."""
    return f"{100 * float(share):.4g} %"
