"""A table that somebody else may have written: read with types, and held to what this program writes."""

import io
import re
import warnings
from collections.abc import Sequence

import pandas as pd

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.names import STEERS

COUNTS, NUMBERS = ("epsilon", "seed", "epoch"), ("protected_fraction", "value")
BOUNDS = (  # a budget in dB is below 0
    ("epsilon", -255, 255),
    ("seed", 0, 2**31 - 1),
    ("epoch", 0, 10**9),
    ("protected_fraction", 0, 1),
)
SPLITS = {"train", "test", "held"}
LONGEST = 1000  # characters of a metric, which names two classes
NAME = re.compile(r"\w[\w .,:;+/()-]{0,999}")  # no formula for a spreadsheet, no markup for a figure or a page


def parsed(content: bytes, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of a CSV file's bytes, checked. Raises DataError, whose text reads after the file's name."""
    words = [name for name in columns if name not in COUNTS + NUMBERS]
    rows = _typed(content, words)
    _check(rows, words)
    return rows


def _typed(content: bytes, words: Sequence[str]) -> pd.DataFrame:
    """The rows, every column of its own type: a run's key may look like a number."""
    types = {**dict.fromkeys(words, "str"), **dict.fromkeys(COUNTS, "int64"), **dict.fromkeys(NUMBERS, "float64")}
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


def _check(rows: pd.DataFrame, words: Sequence[str]) -> None:
    """Raise DataError for what no run of this program writes."""
    if rows.empty:
        raise DataError("has no rows")
    for name in words:
        for text in rows[name].unique():
            good = _is_metric(text) if name == "metric" else NAME.fullmatch(text)
            if not good:
                raise DataError(f"has the {name} {untrusted.one_line(repr(text))}")
    for name, low, high in BOUNDS:
        if not rows[name].between(low, high).all():
            raise DataError(f"has a {name.replace('_', ' ')} outside {low}..{high}")
    if not set(rows["split"]) <= SPLITS:
        raise DataError(f"has a split that is none of {', '.join(sorted(SPLITS))}")
    accuracy = rows.loc[rows["metric"] == "accuracy", "value"]
    if not accuracy.between(0, 1).all():
        raise DataError("has an accuracy outside 0..1")


def _is_metric(text: str) -> bool:
    """Whether it may be a metric: such as confusion/TRUE/PREDICTED, with any names that classes may have."""
    return text[:1].isalpha() and len(text) <= LONGEST and not STEERS.search(text)
