"""experiments/*.yml: one notebook, fixed parameters, a grid and seeds, in several sizes; read, checked, expanded.

title: Budget ablation
text: What the figure is about, for the report.
notebook: ../notebooks/03_budget_ablation.ipynb   # relative to this file
with: [mine.py]                                    # one's own methods and the like (may be left out), beside this file
figures: [budget]                                  # names in figures.FIGURES, drawn from the rows of all jobs
sizes:
  quick:
    parameters: {data: photo-digits, kinds: [classwise, samplewise]}
    grid: {epsilons: [[1], [2], [4]]}              # one job for every combination and seed
    seeds: [0, 1, 2]
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.config import ConfigError, DataError, check_choice, key
from workbench.figures import FIGURES
from workbench.files import places, untrusted
from workbench.records import run_folder
from workbench.records.record import Record
from workbench.sweep import notebook as notebooks

TOP = {"title": str, "text": str, "notebook": str, "figures": list, "sizes": dict}
OWN = {"with": list}  # Python files beside it, run first
SIZE = {"parameters": dict, "grid": dict, "seeds": list}
JOBS = "jobs"  # in a sweep's folder
MOST_BYTES, MOST_JOBS, LONGEST_PATH = 2**16, 10_000, 1000
Check = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """One run of the notebook: its name for people, its parameters, and the key that its run.json must show."""

    name: str
    values: dict[str, Any]
    key: str

    @property
    def folder_name(self) -> str:
        """A name that any file system takes, different for different jobs."""
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.name).strip('-')[:60]}-{self.key}"


@dataclass(frozen=True)
class Experiment:
    """A file of experiments/, checked."""

    name: str
    title: str
    text: str
    notebook: Path
    figures: tuple[str, ...]
    sizes: dict[str, dict[str, Any]]

    def jobs(
        self, size: str, values: Mapping[str, Any], seeds: Sequence[int] = (), check: Check | None = None
    ) -> list[Job]:
        """One job for every combination of the size's grid and seed, in a fixed order, the seed turning fastest.

        values: replace or add to the fixed parameters; seeds: replace the size's. check: raises ConfigError for
        parameters out of range. Raises ConfigError for anything that a job could not be started with.
        """
        check_choice("size", size, self.sizes)
        chosen = self.sizes[size]
        grid: dict[str, list[Any]] = chosen["grid"]
        for name in values:
            if name in grid or name == "seed":
                raise ConfigError(f"parameter {name} is in the grid of {self.name}: edit the file to change it")
        fixed = {**chosen["parameters"], **values}
        found: dict[str, Job] = {}
        for combination in itertools.product(*grid.values()):
            point = dict(zip(grid, combination, strict=True))
            for seed in seeds or chosen["seeds"]:
                job = self._job(fixed, {**point, "seed": seed}, check)
                if job.key in found:
                    raise ConfigError(f"{self.name}: the grid of size {size} has {job.name} twice")
                found[job.key] = job
        return list(found.values())

    def _job(self, fixed: Mapping[str, Any], point: Mapping[str, Any], check: Check | None) -> Job:
        identity = notebooks.identity(self.notebook, {**fixed, **point})
        if check:
            check(identity)
        values = {name: identity[name] for name in (*fixed, *point)}
        return Job(" ".join(f"{name}={_shown(value)}" for name, value in point.items()), values, key(identity))


@dataclass(frozen=True)
class Sweep:
    """A sweep in its folder: out/jobs/NAME-KEY, one a job; the stages that jobs share are in `store` (out/store).

    Several sweeps may name one store: a stage is known by its whole configuration. reuse: jobs and stages that other
    code has made are taken as they are.
    """

    experiment: Experiment
    size: str
    jobs: list[Job]
    out: Path
    store: Path | None = None
    reuse: bool = False

    def folder(self, job: Job) -> Path:
        """The job's folder."""
        return self.out / JOBS / job.folder_name

    def record(self, job: Job) -> Record | None:
        """What the job's run.json says; None when there is none that can be read, or it is another job's."""
        try:
            record = run_folder.peek(self.folder(job))
        except DataError:
            return None
        return record if record and record.key == job.key else None

    def done(self, job: Job) -> bool:
        """Whether the job is complete, by today's code unless other code's jobs are taken too."""
        record = self.record(job)
        return record is not None and record.complete and (self.reuse or run_folder.reuse_asked() or record.current)

    def identity(self) -> dict[str, Any]:
        """What the sweep's folder is known by; its grid may grow."""
        return {"experiment": self.experiment.name, "notebook": self.experiment.notebook.name, "size": self.size}


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def load(path: Path) -> Experiment:
    """Read an experiment's file. Raises ConfigError or DataError, naming the file and the nearest valid name."""
    content = _mapping(_parsed(path), path.name, {**TOP, **OWN})
    for name in TOP:
        if name not in content:
            raise ConfigError(f"{path}: {name} is missing; an experiment has {', '.join(TOP)}")
    own = content.get("with", [])
    if not all(isinstance(name, str) for name in own):
        raise ConfigError(f"{path}: with must be a list of Python files")
    registry.load(path.parent / name for name in own)
    for name in content["figures"]:
        _known("figure", name, FIGURES, str(path))
    sizes = {}
    for name, size in content["sizes"].items():
        where = f"{path}, size {name}"
        sizes[str(name)] = {"parameters": {}, "grid": {}, "seeds": []} | _mapping(size, where, SIZE)
        _check_size(sizes[str(name)], where)
    notebook = path.parent / content["notebook"]
    if str(notebook) != untrusted.one_line(notebook, LONGEST_PATH):
        raise ConfigError(f"{path}: notebook must be a plain path, not {untrusted.one_line(content['notebook'])}")
    if not notebook.is_file() and not os.path.dirname(content["notebook"]):
        notebook = places.find(content["notebook"], "notebooks")  # one of this program's own, by its name
    notebook = Path(os.path.realpath(notebook))
    if not sizes:
        raise ConfigError(f"{path}: sizes has no size, such as quick")
    found = Experiment(path.stem, content["title"], content["text"], notebook, tuple(content["figures"]), sizes)
    _check_parameters(found, path)
    return found


def _parsed(path: Path) -> Any:
    with untrusted.reading(path, "an experiment", "see the files in experiments/", ConfigError):
        return untrusted.parse_yaml(untrusted.read(path, MOST_BYTES))


def _mapping(value: Any, where: str, schema: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping with {', '.join(schema)}")
    for name, entry in value.items():
        _known("key", name, schema, where)
        if not isinstance(entry, schema[name]):
            shown = untrusted.one_line(repr(entry))
            raise ConfigError(f"{where}: {name} must be a {schema[name].__name__}, not {shown}")
    return dict(value)


def _known(what: str, name: Any, choices: Any, where: str) -> None:
    try:
        check_choice(what, untrusted.one_line(name, 40), choices)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_size(size: Mapping[str, Any], where: str) -> None:
    for name, values in size["grid"].items():
        if not isinstance(values, list) or not values:
            shown = untrusted.one_line(repr(values))
            raise ConfigError(f"{where}: the grid's {name} must be a list of values, not {shown}")
    if not size["seeds"] or any(type(seed) is not int for seed in size["seeds"]):
        shown = untrusted.one_line(repr(size["seeds"]))
        raise ConfigError(f"{where}: seeds must be a list of one or more whole numbers, not {shown}")
    jobs = math.prod(map(len, size["grid"].values())) * len(size["seeds"])
    if jobs > MOST_JOBS:
        raise ConfigError(f"{where}: the grid and its seeds make {jobs:,} jobs, more than {MOST_JOBS:,}: split it")
    both = [name for name in size["grid"] if name in size["parameters"] or name == "seed"]
    if both:
        raise ConfigError(f"{where}: {both[0]} is given twice, in the grid and beside it")


def _check_parameters(experiment: Experiment, path: Path) -> None:
    """Every parameter of every size must be one of the notebook's, of the right type."""
    for name in experiment.sizes:
        try:
            experiment.jobs(name, {})
        except ConfigError as error:
            raise ConfigError(f"{path}, size {name}: {error}") from error
