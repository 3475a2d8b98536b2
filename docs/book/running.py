"""Run the book's notebooks, one after the other, each in a folder of its own; what is complete is read back."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import executed

from workbench.config import ConfigError, WorkbenchError
from workbench.records import run_folder
from workbench.sweep import notebook as notebooks

FOLDER = "executed"  # below the folder of all runs
STORE = "store"  # in it: noises and networks that notebooks share
MINUTES = re.compile(r"^\*About (\d+) minutes?\b", re.MULTILINE)


def wanted(asked: Sequence[str]) -> list[Path]:
    """The notebooks that are meant: all for none asked, else by folder (course, answers, notebooks) or FOLDER/NAME.

    Raises ConfigError for what is neither.
    """
    found = {f"{path.parent.name}/{path.stem}": path for path in executed.all_notebooks()}
    known = {path.parent.name for path in found.values()}
    if unknown := [one for one in asked if one not in known and one not in found]:
        near = [name for name in found if unknown[0].lower() in name.lower()] or [*sorted(known), next(iter(found))]
        raise ConfigError(f"--run {unknown[0]}: there is no such notebook; say {' or '.join(near)}")
    return [path for name, path in found.items() if not asked or {name, path.parent.name} & set(asked)]


def run(paths: Sequence[Path], runs: Path) -> list[str]:
    """Run every notebook that is not complete at its own settings; return a line for each that failed.

    A notebook of other code gets another folder, and code of the program that decides numbers another run.
    """
    folders = {path: runs / FOLDER / path.parent.name / f"{path.stem}-{notebooks.source_hash(path)}" for path in paths}
    todo = [path for path in paths if not _done(folders[path])]
    minutes = {path: _minutes(path) for path in todo}
    _say(f"{len(paths)} notebooks: {len(paths) - len(todo)} complete already, {len(todo)} to run", minutes, 1.0)
    begun, failed = time.monotonic(), []
    for turn, path in enumerate(todo, 1):
        name = f"{path.parent.name}/{path.stem}"
        print(f"{turn}/{len(todo)} {name}: about {minutes[path]} min on two calm cores", flush=True)
        try:
            notebooks.run(path, folders[path], {}, resume=True, store=runs / FOLDER / STORE)
        except WorkbenchError as error:
            failed.append(f"{name}: {error}")
            print(f"failed: {failed[-1]}", file=sys.stderr, flush=True)
        spent = (time.monotonic() - begun) / 60
        told = sum(minutes[one] for one in todo[:turn])
        left = {one: minutes[one] for one in todo[turn:]}
        _say(f"{turn}/{len(todo)} done in {spent:.0f} minutes, {len(failed)} failed", left, spent / told)
    return failed


def _say(done: str, left: dict[Path, int], pace: float) -> None:
    ahead = f", ETA {pace * sum(left.values()):.0f} minutes" if left else ""
    print(f"{done}{ahead}", flush=True)


def _done(folder: Path) -> bool:
    try:
        return run_folder.read(folder).current
    except WorkbenchError:
        return False


def _minutes(path: Path) -> int:
    """What the notebook says of itself; the shortest do not."""
    said = MINUTES.search(notebooks.told(path))
    return int(said[1]) if said else 1
