"""`workbench demo`, `run`, `sweep`, `lab`: notebooks, run one by one, over a grid, or by hand."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.commands.arguments import add_reuse
from workbench.commands.table import DONE, NO, Parser, Run, command, print_summary
from workbench.files import places

if TYPE_CHECKING:
    from workbench.sweep.experiment import Sweep

LARGEST_MESSAGE = 2**30  # bytes: photos that are given to the lab


@command("clean against unlearnable, on your machine", "--out runs/demo")
def demo(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench demo`"""
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/demo)")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.records import study_file, table
        from workbench.sweep import notebook

        out = arguments.out or places.home() / "runs" / "demo"
        print("2 searches for noise, then 7 trainings: about 2.5 minutes on two calm cores", flush=True)
        notebook.run(places.find("01_clean_vs_unlearnable", "notebooks"), out, {}, resume=True)
        print_summary(table.read(out), study_file.read(out)["chance"])
        print(f"\nthe whole story, for your browser: {_report(out)}")
        return DONE

    return run


def _report(out: Path) -> Path:
    """Write the page of a run; give it, or the executed notebook where there is no table to make it from."""
    from workbench.sweep import notebook, report

    return report.of_run(out) or out / notebook.OUTPUT


def _add_parameters(parser: Parser) -> None:
    parser.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )


@command(
    "run a notebook with checked parameters",
    "notebooks/01_clean_vs_unlearnable.ipynb --out runs/mine -p epsilon 4",
    name="run",
)
def run_notebook(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench run`"""
    parser.add_argument(
        "notebook", type=Path, metavar="NOTEBOOK",
        help="a notebook with a cell tagged `parameters`: a file, or one of this program's by its name",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    _add_parameters(parser)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench.parameters import check_parameters
        from workbench.sweep import notebook

        book, values = places.find(arguments.notebook, "notebooks"), dict(arguments.parameters)
        check_parameters(notebook.identity(book, values))
        notebook.run(book, arguments.out, values, resume=arguments.resume, reuse=arguments.reuse)
        print(f"done: {_report(arguments.out)}")
        return DONE

    return run


@command(
    "run an experiment's grid of notebook runs, skipping what is complete; exit code 1 when jobs failed",
    "experiments/budget_ablation.yml",
)
def sweep(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench sweep`"""
    parser.add_argument("experiment", metavar="EXPERIMENT.yml", help="a file, or one of this program's by its name")
    parser.add_argument("--size", default="quick", help="which of the experiment's sizes (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep (default: runs/EXPERIMENT-SIZE)")
    _add_parameters(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="seeds instead of the experiment's")
    parser.add_argument("--store", type=Path, metavar="DIR", help="noises and victims shared with other sweeps")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler (default: a local cluster)")
    parser.add_argument("--workers", type=int, default=0, help="local workers (default: one per GPU, else processor)")
    parser.add_argument("--threads", type=int, default=1, help="threads of a job on a CPU (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="only list the jobs, and say how long they will take")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench.parameters import check_parameters
        from workbench.sweep import experiment, run

        found = experiment.load(places.find(arguments.experiment, "experiments"))
        jobs = found.jobs(arguments.size, dict(arguments.parameters), arguments.seeds, check_parameters)
        out = arguments.out or places.home() / "runs" / f"{found.name}-{arguments.size}"
        plan = experiment.Sweep(found, arguments.size, jobs, out, arguments.store, reuse=arguments.reuse)
        if arguments.dry_run:
            fixed = {name: value for name, value in jobs[0].values.items() if f"{name}=" not in jobs[0].name}
            print("in all jobs: " + ", ".join(f"{name}={value}" for name, value in fixed.items()))
            for job in jobs:
                print(f"{'complete' if plan.done(job) else 'to run':9}{job.name}")
            print(_estimated(plan))
            return DONE
        try:
            run.run(plan, scheduler=arguments.scheduler, workers=arguments.workers, threads=arguments.threads)
        except run.JobsFailed as failed:
            print(f"workbench sweep: {failed}", file=sys.stderr)
            return NO
        print(f"table, figures and report: {out / 'report.html'}")
        return DONE

    return run


def _estimated(plan: "Sweep") -> str:
    """Say how long the jobs to run will take: as those that are complete did, or, before any is, what is known."""
    from workbench.sweep import notebook

    complete = [record for job in plan.jobs if plan.done(job) and (record := plan.record(job))]
    todo, each = len(plan.jobs) - len(complete), [record.seconds.get("notebook", 0.0) for record in complete]
    if not todo:
        return "nothing is left to run"
    if each:
        mean = sum(each) / len(each)
        took = f"the complete ones took {mean:.0f} s each ({min(each):.0f} to {max(each):.0f} s)"
        return f"{todo} to run: about {mean * todo / 60:.1f} minutes one after the other, as {took}"
    head = re.search(r"^\*(About .+?)\.?\*$", notebook.told(plan.experiment.notebook), re.MULTILINE)
    told = f"; the notebook says of its own settings: {head[1]}" if head else ""
    return f"{todo} to run: how long is known when one of them is complete{told}"


@command("open JupyterLab on the notebooks", "-- --no-browser")
def lab(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench lab`"""
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="what JupyterLab takes, as in: -- --port=8889")

    def run(arguments: argparse.Namespace) -> int:
        from jupyterlab.labapp import LabApp

        first, home = places.copy_notebooks() / places.FIRST, str(places.home().resolve())
        os.environ[places.HOME] = home  # for the kernels, in whatever folder a notebook is copied to
        LabApp.launch_instance([
            f"--ServerApp.root_dir={home}",
            f"--LabApp.default_url=/lab/tree/notebooks/{first.name}",
            "--LabApp.news_url=None",  # no question about news over a student's first screen
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            f"--ServerApp.tornado_settings={{'websocket_max_message_size': {LARGEST_MESSAGE}}}",
            *arguments.options,
        ])  # fmt: skip
        return DONE

    return run
