"""Sweeps that are killed: the command itself or one of its Dask workers, at a random moment, in real processes.

The jobs need no torch: each writes a table like any other, after a moment in which it can be killed.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil

from workbench.config import DataError
from workbench.progress import progress
from workbench.records import table

PATIENCE = 1800  # seconds
TRIES = 5
FEW = 3  # jobs, one more than workers
PARAMETERS = 'epsilon = 1\nseed = 0\nout = ""\nstore = ""'
WORK = """
import pathlib, time
from workbench.files import atomic
from workbench.records import table as results
time.sleep(2)
identity = {"run": f"em{epsilon}{seed}", "data": "folder", "method": "em", "kind": "classwise", "epsilon": epsilon,
    "surrogate": "none", "victim": "v", "defence": "none", "protected_fraction": 1.0, "seed": seed}
point = {"epoch": 1, "metric": "accuracy", "value": 1 / (epsilon + seed + 1)}
rows = results.table(results.Identity(**identity), [{**point, "split": split} for split in ("test", "train")])
results.write(rows, pathlib.Path(out))
atomic.write_atomically(pathlib.Path(out) / "study.json", '{"chance": 0.1, "classes": [], "stages": {}}')
"""


def sweep_points(points: int, kills: int, jobs: int, seed: int, root: Path) -> Iterator[dict[str, Any]]:
    """One row a point: `points` sweeps of a few jobs, by turns the command or a worker killed once; and, with `kills`,
    a sweep of `jobs` jobs whose workers are killed that often.
    """
    chance = random.Random(seed)
    if points:
        experiment, out = _write(root, FEW), root / "sweep"
        _start(experiment, out).wait(PATIENCE)
        oracle = _outcome(out, FEW)
        if oracle is None:
            raise SystemExit(f"a sweep without a fault fails: see {out}.log")
        with progress("faults, sweep", points) as shown:
            for number in range(points):
                for again in range(TRIES):  # one that came too late is tried again
                    folder = root / f"{number} sweep {again}"
                    row = _point(experiment, folder, ("command", "worker")[number % 2], oracle, chance)
                    if row["caused"] or row["bad"]:
                        break
                yield row
                shown.advance()
    if kills:
        yield _many(_write(root, jobs), root / "many", kills, jobs, chance)


def _write(root: Path, jobs: int) -> Path:
    """An experiment with so many jobs."""
    first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_code_cell(WORK)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, root / "book.ipynb")
    size = {"parameters": {}, "grid": {"epsilon": list(range(1, jobs + 1))}, "seeds": [0]}
    content = {"title": "Faults", "text": "Tiny.", "notebook": "book.ipynb", "figures": [], "sizes": {"quick": size}}
    path = root / f"jobs{jobs}.yml"
    path.write_text(json.dumps(content))  # which is YAML, too
    return path


def _start(experiment: Path, out: Path) -> subprocess.Popen:
    words = [sys.executable, "-m", "workbench", "sweep", str(experiment), "--out", str(out), "--workers", "2"]
    with open(f"{out}.log", "ab") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)


def _outcome(out: Path, jobs: int) -> str | None:
    """The hash of the table, when there is exactly one result a job; None when not."""
    try:
        rows = table.read(out)
        states = _states(out)
        whole = json.loads((out / "run.json").read_text())["state"] == "complete"
    except (DataError, OSError, ValueError):
        return None
    once = not rows.duplicated(list(table.COLUMNS[:-1])).any() and rows["run"].nunique() == jobs
    if not (whole and once and states == ["complete"] * jobs):
        return None
    return hashlib.sha256((out / "results.csv").read_bytes()).hexdigest()


def _states(out: Path) -> list[str]:
    return [json.loads(path.read_text())["state"] for path in out.glob("jobs/*/run.json")]


def _workers(command: subprocess.Popen) -> list[psutil.Process]:
    """The Dask workers of a sweep: what multiprocessing has spawned."""
    found = []
    for process in psutil.Process(command.pid).children():
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _point(experiment: Path, out: Path, victim: str, oracle: str, chance: random.Random) -> dict[str, Any]:
    """Kill once, go on, compare."""
    row = {"work": "sweep", "fault": f"SIGKILL of {'the command' if victim == 'command' else 'a worker'}", "caused": 0}
    command, moment = _start(experiment, out), chance.choice(("begun", "running", "complete"))

    def ready() -> bool:
        if victim == "command" and moment == "begun":
            return True
        states = _states(out)
        return "running" in states and (moment != "complete" or "complete" in states) and bool(_workers(command))

    if _wait_for(ready, command):
        time.sleep(chance.uniform(0, 2))
    tree: list[psutil.Process] = []
    if command.poll() is None:
        tree = psutil.Process(command.pid).children(recursive=True)
        workers = _workers(command) if victim == "worker" else []
        if victim == "command" or workers:
            os.kill(chance.choice(workers).pid if workers else command.pid, signal.SIGKILL)
            row["caused"] = 1
    code = command.wait(PATIENCE)
    if victim == "command":
        before = _complete(out)
        code = _start(experiment, out).wait(PATIENCE)
        if any((out / "jobs" / name / "run.json").read_bytes() != content for name, content in before.items()):
            return {**row, "bad": "lost"}  # what was complete was done again
    left = psutil.wait_procs(tree, timeout=60)[1]  # nothing may outlive its sweep
    for process in left:
        process.kill()
    found = _outcome(out, FEW)
    return {**row, "bad": "lost" if code or left or found is None else "wrong" if found != oracle else ""}


def _complete(out: Path) -> dict[str, bytes]:
    found = {path.parent.name: path.read_bytes() for path in out.glob("jobs/*/run.json")}
    return {name: content for name, content in found.items() if json.loads(content)["state"] == "complete"}


def _many(experiment: Path, out: Path, kills: int, jobs: int, chance: random.Random) -> dict[str, Any]:
    """Kill workers again and again while a sweep goes on."""
    begun, caused = time.monotonic(), 0
    command = _start(experiment, out)
    for turn in range(kills):
        # Spread over the jobs; a worker is killed when a job of its own is under way.
        def ready(share: float = turn / kills) -> bool:
            states = _states(out)
            return "running" in states and states.count("complete") >= share * (jobs - 1) and bool(_workers(command))

        if _wait_for(ready, command):
            time.sleep(chance.uniform(0, 2))
            if workers := _workers(command):
                os.kill(chance.choice(workers).pid, signal.SIGKILL)
                caused += 1
    code = command.wait(PATIENCE)
    found = _outcome(out, jobs)
    seconds = time.monotonic() - begun
    print(f"sweep of {jobs} jobs, {caused} workers killed: exit code {code}, {len(_complete(out))} results, "
          f"{'each once' if found else 'not each once'} ({seconds:.0f} s)", flush=True)  # fmt: skip
    fault = f"{kills} workers killed, {jobs} jobs"
    return {"work": "sweep", "fault": fault, "caused": caused, "bad": "" if code == 0 and found else "lost"}


def _wait_for(condition: Any, command: subprocess.Popen) -> bool:
    """Wait until the condition holds; False when the command ends before."""
    end = time.monotonic() + PATIENCE
    while command.poll() is None and time.monotonic() < end:
        try:
            if condition():
                return True
        except psutil.NoSuchProcess:
            return False
        time.sleep(0.1)
    return False
