"""study.json: what a notebook's study rests on, for the report of a sweep. Written and read here only."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.files import atomic, untrusted

FACTS = "study.json"
SHAPE = {"chance": float, "classes": [str], "stages": {str: {"seconds": {str: float}, "versions?": {str: str}}}}


def write(out: Path, chance: float, classes: Sequence[str], stages: dict[str, Any]) -> None:
    """Write out/study.json. Raises DataError when there is another file of this name."""
    if os.path.lexists(out / FACTS):
        atomic.check_no_link(out / FACTS)
        read(out)  # or it is somebody else's
    facts = {"chance": chance, "classes": classes, "stages": stages}
    atomic.write_atomically(out / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def read(out: Path) -> dict[str, Any]:
    """Read what a notebook left in out/study.json: chance, classes, the records of the stages behind its numbers."""
    path = out / FACTS
    with untrusted.reading(path, "what a notebook leaves", "run the notebook again"):
        facts: dict[str, Any] = untrusted.parse(untrusted.read(path), SHAPE)
    return facts
