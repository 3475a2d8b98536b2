"""The tidy table of results: one row per run, epoch, split and metric. Written and read here only."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.atomic import write_atomically
from workbench.records import foreign_table, run_folder

FILE_NAME = "results.csv"
PROTECTED, OTHERS = "accuracy/protected", "accuracy/others"  # metrics of runs in which only some people protect


@dataclass(frozen=True)
class Identity:
    """The columns that say which run a row is of; what a run does not have is left at its default."""

    run: str
    data: str
    method: str = "clean"
    kind: str = "none"
    epsilon: int = 0
    surrogate: str = "none"
    victim: str = "none"
    defence: str = "none"
    protected_fraction: float = 0.0
    seed: int = 0


IDENTITY = tuple(column.name for column in fields(Identity))
COLUMNS = (*IDENTITY, "epoch", "split", "metric", "value")
HEADER = ",".join(COLUMNS).encode()
MOST_BYTES = 128 * 2**20  # of a table: a million rows


def table(identity: Identity, curve: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of one run: its identity beside each point of its curve (epoch, split, metric, value)."""
    rows = [{**vars(identity), **point} for point in curve]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def merged(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several tables, each point of each run once."""
    rows = pd.concat([part for part in tables if len(part)], ignore_index=True)
    return rows.drop_duplicates(list(COLUMNS[:-1]), ignore_index=True)


def write(rows: pd.DataFrame, folder: Path) -> Path:
    """Write folder/results.csv, atomically. Raises DataError where another table or file of this name lies."""
    path = folder / FILE_NAME
    check_ours(path)
    write_atomically(path, rows.to_csv(index=False, na_rep="nan", lineterminator="\n"))
    return path


def check_ours(path: Path) -> None:
    """Raise DataError when something lies there that is no table of this program; in a run's folder all is its own."""
    if not os.path.lexists(path) or (path.parent / run_folder.RECORD).is_file():
        return
    try:
        begins = untrusted.read_head(path, len(HEADER) + 2, links=False)
    except DataError:
        begins = b""
    if begins.partition(b"\n")[0].strip() != HEADER:
        raise DataError(f"{path} is there already and no table of this program: name another folder")


def read(folder: Path) -> pd.DataFrame:
    """Read folder/results.csv, or this .csv file. Raises DataError when it is missing or no table of this program."""
    path = folder if folder.suffix == ".csv" else folder / FILE_NAME
    with untrusted.reading(path, "a table of this program", "give the folder of a complete run"):
        content = untrusted.read(path, MOST_BYTES)
        if content.partition(b"\n")[0].strip() != HEADER:
            raise DataError(f"has other columns than {', '.join(COLUMNS)}")
        return foreign_table.parsed(content, COLUMNS)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak and final accuracy on clean test data, and final accuracy on the training data: one row per run."""
    accuracy = rows[rows["metric"] == "accuracy"].sort_values("epoch", kind="stable")
    runs = accuracy.groupby(list(IDENTITY), sort=False)
    test = accuracy[accuracy["split"] == "test"].groupby(list(IDENTITY), sort=False)["value"]
    train = accuracy[accuracy["split"] == "train"].groupby(list(IDENTITY), sort=False)["value"]
    columns = {"epochs": runs["epoch"].max(), "train": train.last(), "peak": test.max(), "final": test.last()}
    order = rows.groupby(list(IDENTITY), sort=False).size().index  # pandas would sort runs that lack a split by key
    return pd.DataFrame(columns, index=order[order.isin(columns["epochs"].index)]).reset_index()
