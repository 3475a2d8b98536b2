"""study.json: what a notebook's study rests on, for the report of a sweep. Written and read here only."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.config import DataError
from workbench.files import atomic, untrusted
from workbench.files.untrusted import one_line
from workbench.records import run_folder, table

FACTS = "study.json"
SHAPE = {"chance": float, "classes": [str], "stages": {str: {"seconds": {str: float}, "versions?": {str: str}}}}


def check_ours(out: Path) -> None:
    """Raise DataError for a folder that is no place for a study's table and facts: what lies there is not a study's."""
    record = run_folder.peek(out)
    if record is not None and record.state != "running":  # as it is while the kernel of this very run is at work
        raise DataError(f"{out} holds a run of `workbench {one_line(record.command, 40)}`: name another folder")
    if os.path.lexists(out / FACTS):
        atomic.check_no_link(out / FACTS)
        read(out)
        table.check_ours(out / table.FILE_NAME)
    elif os.path.lexists(out / table.FILE_NAME):
        raise DataError(f"{out / table.FILE_NAME} is there already and no study has left it: name another folder")


def write(out: Path, chance: float, classes: Sequence[str], stages: dict[str, Any]) -> None:
    """Write out/study.json, in a folder that is `check_ours`."""
    facts = {"chance": chance, "classes": classes, "stages": stages}
    atomic.write_atomically(out / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def read(out: Path) -> dict[str, Any]:
    """Read what a notebook left in out/study.json: chance, classes, the records of the stages behind its numbers."""
    path = out / FACTS
    with untrusted.reading(path, "what a notebook leaves", "run the notebook again"):
        facts: dict[str, Any] = untrusted.parse(untrusted.read(path), SHAPE)
    return facts
