"""From tidy rows to the named lines of a figure: what is averaged, what is told apart, and over how many seeds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.budgets import budget_name
from workbench.figures.style import has_surrogate, name_of, style_of
from workbench.records import table

# Settings that are told apart in names where there are several, in these words.
NAMED = {
    "data": "{}", "epsilon": "{}", "surrogate": "noise from {}", "victim": "victim {}",
    "protected_fraction": "{} protected",
}  # fmt: skip

OWN = {"folder": "images of a folder", "audio": "recordings of a folder", "arrays": "images of one's own"}


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
    """Peak and final accuracy, one row per run, of tidy rows or of such a summary (records/table.summary)."""
    return table.summary(rows) if "metric" in rows.columns else rows


def of_learner(rows: pd.DataFrame, defence: str = "none") -> pd.DataFrame:
    """The rows whose learner uses this against the noise. Raises ValueError without any accuracy among them."""
    what = "without defence" if defence == "none" else f"who uses {defence}"
    return needed(rows[rows["defence"] == defence], f"accuracy of a learner {what}")


def using(defence: str) -> str:
    """Say what a learner uses; "" where that is nothing."""
    return "" if defence == "none" else f"learner uses {defence}"


def needed(rows: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the rows. Raises ValueError when there are none."""
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
        # Methods may share a look (unknown ones do), so lines are counted by look and told apart by marker and dash.
        look = style_of(method, kind)
        before = seen.setdefault((look["color"], look["marker"]), [])
        settings = (method, kind, *(keys[column] for column in several))
        if settings not in before:
            before.append(settings)
        said = [_named(column, keys[column]) for column in several if _has(method, column)]
        name = ", ".join([name_of(method, kind), *said])
        found.append(Line(name, method, kind, keys, style_of(method, kind, before.index(settings)), part))
    return found


def has_several(rows: pd.DataFrame, column: str) -> bool:
    """Whether a setting differs among the runs that have it: a clean twin has no ε, random noise no surrogate."""
    having = [method for method in rows["method"].unique() if _has(method, column)]
    return bool(rows.loc[rows["method"].isin(having), column].nunique() > 1)


def _has(method: str, column: str) -> bool:
    if column == "surrogate":
        return has_surrogate(method)
    return column in ("data", "victim") or method != "clean"


def _named(column: str, value: Any) -> str:
    if column == "data":
        value = OWN.get(value, value)
    if column == "epsilon":
        value = budget_name(int(value))
    return NAMED[column].format(percent(value) if column == "protected_fraction" else value)


def heading(
    rows: pd.DataFrame,
    spread_is: str,
    *,
    by: Sequence[str] = ("method", "kind"),
    but: Collection[str] = (),
    about: str = "",
) -> str:
    """Title a figure: what it is about, what all rows have in common, and over how many seeds it averages.

    by: what is told apart beside the settings; but: settings left out; spread_is: what shows the spread ("": nothing).
    """
    parts = []
    for column in ("data", "victim", "epsilon", "protected_fraction"):
        values = rows.loc[[_has(method, column) for method in rows["method"]], column].unique()
        if column not in but and len(values) == 1 and (column != "protected_fraction" or values[0] != 1):
            parts.append(_named(column, values[0]))
    common = ": ".join(filter(None, [about, ", ".join(parts)]))
    return "; ".join(filter(None, [common, _over_seeds(rows, by, spread_is)]))


def _over_seeds(rows: pd.DataFrame, by: Sequence[str], spread_is: str) -> str:
    counts = rows.groupby([*by, *(column for column in NAMED if column not in by)])["seed"].nunique()
    least, most = int(counts.min()), int(counts.max())
    if most == 1:
        return f"seed {rows['seed'].iloc[0]}" if rows["seed"].nunique() == 1 else "one seed each"
    mean = f"mean of {most if least == most else f'{least} to {most}'} seeds"
    return f"{mean}, {spread_is}: lowest to highest" if spread_is else mean


def spread(rows: pd.DataFrame, value: str, by: Sequence[str]) -> pd.DataFrame:
    """mean, low, high and the number of seeds of a column, one row per group; a seed that ran twice counts once."""
    seeds = rows.dropna(subset=[value]).groupby([*by, "seed"])[value].mean()
    groups = seeds.groupby(level=list(by))
    low, high = groups.min(), groups.max()
    mean = groups.mean().clip(low, high)  # the mean of equal numbers can round to less than each of them
    return pd.DataFrame({"mean": mean, "low": low, "high": high, "seeds": groups.count()})


def overall(rows: pd.DataFrame, value: str) -> "pd.Series[Any]":
    """The `spread` of a column over all rows; NaN and 0 seeds where there are none."""
    found = spread(rows.assign(all=0), value, ["all"])
    return found.reindex([0]).fillna({"seeds": 0}).iloc[0]


def in_words(row: "pd.Series[Any]") -> str:
    """Put a row of `spread` into words."""
    return f"{row['mean']:.2f}" + (f" ({row['low']:.2f} to {row['high']:.2f})" if row["seeds"] > 1 else "")


def percent(share: float) -> str:
    """Write a share as people do: 0.125 is 12.5 %."""
    return f"{100 * float(share):.4g} %"
