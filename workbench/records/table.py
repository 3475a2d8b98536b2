"""The tidy table of results: one row per run, epoch, split and metric. Written and read here only."""

import io
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.atomic import write_atomically
from workbench.records import run_folder

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
COUNTS, NUMBERS = ("epsilon", "seed", "epoch"), ("protected_fraction", "value")
WORDS = tuple(name for name in COLUMNS if name not in COUNTS + NUMBERS)
BOUNDS = (  # a budget in dB is below 0
    ("epsilon", -255, 255),
    ("seed", 0, 2**31 - 1),
    ("epoch", 0, 10**9),
    ("protected_fraction", 0, 1),
)
SPLITS = {"train", "test"}
MOST_BYTES = 128 * 2**20  # of a table: a million rows
LONGEST = 1000  # characters of a cell
NAME = re.compile(r"\w[\w .,:;+/()-]*")  # no formula for a spreadsheet, no markup for a figure or a page


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
    write_atomically(path, rows.to_csv(index=False, na_rep="nan"))
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
    """Read folder/results.csv. Raises DataError when it is missing or not a table of this program."""
    path = folder / FILE_NAME
    with untrusted.reading(path, "a table of this program", "give the folder of a complete run"):
        content = untrusted.read(path, MOST_BYTES)
        if content.partition(b"\n")[0].strip() != HEADER:
            raise DataError(f"has other columns than {', '.join(COLUMNS)}")
        rows = _parsed(content)
        _check(rows)
    return rows


def _parsed(content: bytes) -> pd.DataFrame:
    """The rows, every column of its own type: a run's key may look like a number."""
    types = {**dict.fromkeys(WORDS, "str"), **dict.fromkeys(COUNTS, "int64"), **dict.fromkeys(NUMBERS, "float64")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the header, for one
            return pd.read_csv(
                io.BytesIO(content),
                dtype=types,
                keep_default_na=False,
                na_values={"value": ["nan"]},
                float_precision="round_trip",
            )
    except (ValueError, OverflowError, MemoryError, Warning) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"cannot be read ({untrusted.one_line(error)})") from error


def _check(rows: pd.DataFrame) -> None:
    """Raise DataError for what no run of this program writes."""
    if rows.empty:
        raise DataError("has no rows")
    for name in WORDS:
        for text in rows[name].unique():
            good = text[:1].isalpha() if name == "metric" else NAME.fullmatch(text)  # a metric may name classes
            if not good or not text.isprintable() or len(text) > LONGEST:
                raise DataError(f"has the {name} {untrusted.one_line(repr(text))}")
    for name, low, high in BOUNDS:
        if not rows[name].between(low, high).all():
            raise DataError(f"has a {name.replace('_', ' ')} outside {low}..{high}")
    if not set(rows["split"]) <= SPLITS:
        raise DataError(f"has a split that is none of {', '.join(sorted(SPLITS))}")
    accuracy = rows.loc[rows["metric"] == "accuracy", "value"]
    if not accuracy.between(0, 1).all():
        raise DataError("has an accuracy outside 0..1")


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak and final accuracy on clean test images, and final accuracy on the training images: one row per run."""
    accuracy = rows[rows["metric"] == "accuracy"].sort_values("epoch", kind="stable")
    runs = accuracy.groupby(list(IDENTITY), sort=False)
    test = accuracy[accuracy["split"] == "test"].groupby(list(IDENTITY), sort=False)["value"]
    train = accuracy[accuracy["split"] == "train"].groupby(list(IDENTITY), sort=False)["value"]
    columns = {"epochs": runs["epoch"].max(), "train": train.last(), "peak": test.max(), "final": test.last()}
    order = rows.groupby(list(IDENTITY), sort=False).size().index  # pandas would sort runs that lack a split by key
    return pd.DataFrame(columns, index=order[order.isin(columns["epochs"].index)]).reset_index()
