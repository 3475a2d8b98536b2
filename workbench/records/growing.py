"""A curve in the making: the rows of a training that is still running."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from workbench.progress import Listener, Step
from workbench.records import table


def growing(identity: table.Identity, drawn: Callable[[pd.DataFrame, int], None]) -> Listener:
    """Lengthen a curve by every epoch that is told; `drawn` gets its rows so far and how many epochs there will be."""
    points: list[dict[str, Any]] = []

    def told(step: Step) -> None:
        for name, value in step.numbers.items():
            split, _, metric = name.partition("_")
            points.append({"epoch": step.done, "split": split, "metric": metric, "value": value})
        drawn(table.table(identity, points), step.total)

    return told
