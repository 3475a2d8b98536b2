"""The tidy table of results: one row a run, epoch, split and metric. Written and read here only."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.config import DataError
from workbench.runs import write_atomically

FILE_NAME = "results.csv"
COLUMNS = (
    "run",
    "data",
    "method",
    "kind",
    "epsilon",
    "surrogate",
    "victim",
    "defence",
    "protected_fraction",
    "seed",
    "epoch",
    "split",
    "metric",
    "value",
)
IDENTITY = COLUMNS[: COLUMNS.index("epoch")]


def table(identity: Mapping[str, Any], curve: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of one run: its identity (the columns up to seed) beside each point of its curve."""
    rows = [{**identity, **point} for point in curve]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def merged(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several tables, each point of each run once."""
    rows = pd.concat([part for part in tables if len(part)], ignore_index=True)
    return rows.drop_duplicates(list(COLUMNS[:-1]), ignore_index=True)


def write(rows: pd.DataFrame, folder: Path) -> Path:
    """Write folder/results.csv, atomically."""
    path = folder / FILE_NAME
    write_atomically(path, rows.to_csv(index=False, na_rep="nan"))
    return path


def read(folder: Path) -> pd.DataFrame:
    """Read folder/results.csv. Raises DataError when it is missing or not a table of this program."""
    path = folder / FILE_NAME
    try:
        rows = pd.read_csv(path, keep_default_na=False, na_values={"value": ["nan"]}, float_precision="round_trip")
    except (OSError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read ({line}): give the folder of a complete run") from error
    if tuple(rows.columns) != COLUMNS:
        raise DataError(f"{path} has other columns than {', '.join(COLUMNS)}: it is not a table of this program")
    return rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak and final accuracy on clean test images, and final accuracy on the training images: one row a run."""
    accuracy = rows[rows["metric"] == "accuracy"].sort_values("epoch", kind="stable")
    runs = accuracy.groupby(list(IDENTITY), sort=False)
    test = accuracy[accuracy["split"] == "test"].groupby(list(IDENTITY), sort=False)["value"]
    train = accuracy[accuracy["split"] == "train"].groupby(list(IDENTITY), sort=False)["value"]
    columns = {"epochs": runs["epoch"].max(), "train": train.last(), "peak": test.max(), "final": test.last()}
    order = rows.groupby(list(IDENTITY), sort=False).size().index  # pandas would sort runs that lack a split by key
    return pd.DataFrame(columns, index=order[order.isin(columns["epochs"].index)]).reset_index()
