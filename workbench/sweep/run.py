"""`workbench sweep`: run an experiment's jobs on Dask, skip what is complete, gather what there is.

A job is one notebook run in a folder of its own; it counts as done only by that folder's run.json. The task that Dask
carries starts the notebook's kernel as a child of its worker, so a job that dies takes nothing else with it.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.config import ConfigError, WorkbenchError
from workbench.files.atomic import appending, make
from workbench.records import run_folder
from workbench.sweep import cluster, notebook, report
from workbench.sweep.display import Board
from workbench.sweep.experiment import Job, Sweep

STORE = "store"
KERNEL_TRIES = 3


class JobsFailed(WorkbenchError):
    """Some jobs failed; the others are complete and gathered. The command ends with 1, the text says how many."""


def run(sweep: Sweep, *, scheduler: str | None = None, workers: int = 0, threads: int = 1) -> None:
    """Run every job that is not complete, then write results.csv, figures/ and report.html in the sweep's folder.

    scheduler: address of a Dask scheduler whose workers share this file system (None: a local cluster of `workers`,
    0: as many as processors and memory allow, or one a GPU). threads: of each job on a CPU; results depend on it.
    Raises DataError when another sweep uses the folder, JobsFailed when jobs failed.
    """
    if workers < 0 or threads < 1:
        raise ConfigError(f"{workers} workers with {threads} threads: give 0 or more workers, and 1 or more threads")
    with run_folder.opened(sweep.out, "sweep", sweep.identity(), resume=True, again=True) as opened:
        todo = [job for job in sweep.jobs if not sweep.done(job)]
        print(_told(sweep, todo), flush=True)
        errors: dict[str, str] = {}
        if todo:
            with opened.stage("jobs"), cluster.client(scheduler, workers, len(todo)) as (client, gpus):
                errors = _run_all(sweep, todo, client, gpus, threads)
        facts = report.gather(sweep, errors)
        opened.note(**facts)
        failed = [job for job in sweep.jobs if not sweep.done(job)]
        if failed:
            lines = [f"  {job.name}: {errors.get(job.name, 'not complete')}" for job in failed]
            told = f"{len(failed)} of {len(sweep.jobs)} jobs failed; the same command tries them again"
            raise JobsFailed("\n".join([told, *lines]))


def _told(sweep: Sweep, todo: Sequence[Job]) -> str:
    """How many jobs there are to run, and how many of them only because other code has made them."""
    told = f"{len(sweep.jobs)} jobs: {len(sweep.jobs) - len(todo)} complete already, {len(todo)} to run"
    old = sum(record is not None and record.complete for record in map(sweep.record, todo))
    return f"{told}, {old} of them made by other code (--reuse takes those as they are)" if old else told


def _run_all(sweep: Sweep, todo: Sequence[Job], client: Any, gpus: list[str], threads: int) -> dict[str, str]:
    """Run the jobs, show the board, return the error's line of every job that failed."""
    from distributed import TimeoutError as NotYet
    from distributed import wait

    common: dict[str, Any] = {"notebook": str(sweep.experiment.notebook), "gpus": gpus, "threads": threads}
    common["with"] = os.environ.get(registry.VARIABLE, "")
    common["reuse"] = sweep.reuse or run_folder.reuse_asked()
    common |= {"store": str((sweep.store or sweep.out / STORE).resolve()), "cwd": os.getcwd()}
    started = f"{time.time_ns():x}"  # a key of its own for each start: the scheduler remembers failed ones
    waiting = {
        client.submit(
            work,
            {**common, "out": str(sweep.folder(job).resolve()), "values": job.values},
            key=f"{job.folder_name}-{started}",
            priority=-turn,
        ): job
        for turn, job in enumerate(todo)
    }
    errors: dict[str, str] = {}
    with Board(sweep.experiment.name, total=len(sweep.jobs), done=len(sweep.jobs) - len(todo)) as board:
        while waiting:
            try:
                ended = wait(list(waiting), timeout=1, return_when="FIRST_COMPLETED").done
            except NotYet:
                ended = set()
            for future in ended:
                job = waiting.pop(future)
                error = _outcome(future) if not sweep.done(job) else None
                if error or not sweep.done(job):
                    errors[job.name] = error or "its run.json is not complete"
                board.ended(job.name, errors.get(job.name))
            if board.live:
                board.running(_at_work(sweep, client, waiting))
    return errors


def _outcome(future: Any) -> str | None:
    """The line that says why a job failed, as its task returned it or as Dask tells; None when it did not."""
    if future.status == "finished":
        line: str | None = future.result()
        return line
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        return f"{cluster.WORKER_DEATHS} or more workers died under it, perhaps for want of memory"
    return " ".join(f"{type(error).__name__}: {error}".split()) if error else f"it was {future.status}"


def _at_work(sweep: Sweep, client: Any, waiting: Mapping[Any, Job]) -> dict[str, str]:
    """The last line of each job that runs; of the thousands that wait, no file is looked at."""
    given = {key for keys in client.processing().values() for key in keys}  # some may wait at their worker still
    found = {}
    for future, job in waiting.items():
        if future.key in given and (record := sweep.record(job)) and record.state == "running":
            found[job.name] = _last_line(sweep.folder(job))
    return found


def _last_line(folder: Path) -> str:
    """The last line of a job's log."""
    try:
        with open(f"{folder}.log", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 400))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def work(task: Mapping[str, Any]) -> str | None:
    """Run one job, on a Dask worker; return None, or the error's line. A killed kernel is tried again."""
    out = Path(task["out"])
    os.environ[registry.VARIABLE] = task["with"]  # for the job's key and for its kernel
    environment = {"OMP_NUM_THREADS": str(task["threads"])}
    if task["gpus"]:
        from distributed import get_worker

        environment["CUDA_VISIBLE_DEVICES"] = task["gpus"][int(get_worker().name) % len(task["gpus"])]
    make(out.parent)
    for attempt in range(1, KERNEL_TRIES + 1):
        try:
            with appending(Path(f"{out}.log")) as log:
                notebook.run(
                    Path(task["notebook"]),
                    out,
                    task["values"],
                    resume=True,
                    store=Path(task["store"]),
                    log=log,
                    environment=environment,
                    cwd=Path(task["cwd"]),
                    reuse=task["reuse"],
                    wait=True,  # for a worker that was given up for lost and is still at it
                )
            return None
        except notebook.KernelDied as error:
            if attempt == KERNEL_TRIES:
                return f"{error} ({KERNEL_TRIES} times)"
        except WorkbenchError as error:
            return str(error)
    return None
