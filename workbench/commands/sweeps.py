"""`workbench demo`, `run`, `sweep`: notebooks, run one by one or over a grid."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.commands.arguments import add_reuse
from workbench.commands.table import DONE, NO, Parser, Run, command, print_summary


@command("clean against unlearnable, on your machine", "--out runs/demo")
def demo(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench demo`"""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run (default: %(default)s)")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.records import table
        from workbench.sweep import notebook

        notebook.run(notebook.find("01_clean_vs_unlearnable.ipynb"), arguments.out, {}, resume=True)
        print_summary(table.read(arguments.out))
        print(f"\nfigures: {arguments.out / 'figures'}; the whole report: {arguments.out / 'notebook.ipynb'}")
        return DONE

    return run


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
    parser.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="a notebook with a cell tagged `parameters`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    _add_parameters(parser)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench import study
        from workbench.sweep import notebook

        values = dict(arguments.parameters)
        study.check_parameters(notebook.identity(arguments.notebook, values))
        notebook.run(arguments.notebook, arguments.out, values, resume=arguments.resume, reuse=arguments.reuse)
        print(f"done: {arguments.out / 'notebook.ipynb'}")
        return DONE

    return run


@command(
    "run an experiment's grid of notebook runs, skipping what is complete; exit code 1 when jobs failed",
    "experiments/budget_ablation.yml",
)
def sweep(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench sweep`"""
    parser.add_argument("experiment", metavar="EXPERIMENT.yml", help="a file as in experiments/")
    parser.add_argument("--size", default="quick", help="which of the experiment's sizes (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep (default: runs/EXPERIMENT-SIZE)")
    _add_parameters(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="seeds instead of the experiment's")
    parser.add_argument("--store", type=Path, metavar="DIR", help="noises and victims shared with other sweeps")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler (default: a local cluster)")
    parser.add_argument("--workers", type=int, default=0, help="local workers (default: one per GPU, else processor)")
    parser.add_argument("--threads", type=int, default=1, help="threads of a job on a CPU (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="only list the jobs")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench import study
        from workbench.sweep import experiment, run

        found = experiment.load(experiment.find(arguments.experiment))
        jobs = found.jobs(arguments.size, dict(arguments.parameters), arguments.seeds, study.check_parameters)
        out = arguments.out or Path("runs") / f"{found.name}-{arguments.size}"
        plan = experiment.Sweep(found, arguments.size, jobs, out, arguments.store, reuse=arguments.reuse)
        if arguments.dry_run:
            for job in jobs:
                print(f"{'complete' if plan.done(job) else 'to run':9}{job.name}")
            return DONE
        try:
            run.run(plan, scheduler=arguments.scheduler, workers=arguments.workers, threads=arguments.threads)
        except run.JobsFailed as failed:
            print(f"workbench sweep: {failed}", file=sys.stderr)
            return NO
        print(f"table, figures and report: {out / 'report.html'}")
        return DONE

    return run
