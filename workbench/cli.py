"""The command line. It reads arguments, calls one function, prints what came out; no logic of its own."""

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.arguments import BAD_INPUT, Parser, add_command, add_run_folder, add_settings
from workbench.config import DataConfig, NoiseConfig, VictimConfig, WorkbenchError, from_mapping

DONE, NO, INTERRUPTED = 0, 1, 130
MOST = 100  # failed jobs that the exit code can tell


def parser() -> Parser:
    """The program's arguments."""
    top = Parser(prog="workbench", description="Can this data still be learnt from? Make, measure and undo noise.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")

    demo = add_command(commands, "demo", run_demo, "clean against unlearnable, on your machine", "--out runs/demo")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run (default: %(default)s)")

    make = add_command(
        commands,
        "noise",
        run_noise,
        "search noise for a data set",
        "--data photo-digits --kind classwise --out runs/noise",
    )
    add_settings(make, NoiseConfig)
    add_run_folder(make)

    train = add_command(
        commands,
        "train",
        run_train,
        "train a victim, with or without noise; test on clean data",
        "--data photo-digits --noise runs/noise --out runs/victim",
    )
    add_settings(train, VictimConfig)
    train.add_argument("--noise", type=Path, metavar="DIR", help="folder of a `workbench noise` run (default: clean)")
    add_run_folder(train)

    export = add_command(
        commands,
        "export",
        run_export,
        "write protected images as PNG files with a manifest",
        "--data photo-digits --noise runs/noise --out protected",
    )
    add_settings(export, DataConfig)
    export.add_argument(
        "--noise", type=Path, metavar="DIR", help="folder of a `workbench noise` run (default: export unchanged)"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder for the images")
    export.add_argument(
        "--official-export", action="store_true", help="one-sided noise, as the 2021 code exported (weaker)"
    )

    verify = add_command(
        commands, "verify", run_verify, "measure every protected file against its original", "photos protected"
    )
    verify.add_argument("original", type=Path, metavar="ORIGINAL", help="folder of the originals")
    verify.add_argument("protected", type=Path, metavar="PROTECTED", help="folder of the protected copies")
    verify.add_argument("--epsilon", type=int, help="bound in pixel values of 255 (default: the manifest's, else 8)")
    verify.add_argument("--json", action="store_true", help="print the verdict as JSON")

    run = add_command(
        commands,
        "run",
        run_notebook,
        "run a notebook with checked parameters",
        "notebooks/01_clean_vs_unlearnable.ipynb --out runs/mine -p epsilon 4",
    )
    run.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="a notebook with a cell tagged `parameters`")
    run.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    run.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    run.add_argument("--resume", action="store_true", help="go on with an interrupted run")

    sweep = add_command(
        commands,
        "sweep",
        run_sweep,
        "run an experiment's grid of notebook runs, skipping what is complete; exit code: the number of failed jobs",
        "experiments/budget_ablation.yml",
    )
    sweep.add_argument("experiment", metavar="EXPERIMENT.yml", help="a file as in experiments/")
    sweep.add_argument("--size", default="quick", help="which of the experiment's sizes (default: %(default)s)")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep (default: runs/EXPERIMENT-SIZE)")
    sweep.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    sweep.add_argument("--seeds", type=int, nargs="+", default=[], help="seeds instead of the experiment's")
    sweep.add_argument("--store", type=Path, metavar="DIR", help="noises and victims shared with other sweeps")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler (default: a local cluster)")
    sweep.add_argument("--workers", type=int, default=0, help="local workers (default: one a GPU, else a processor)")
    sweep.add_argument("--threads", type=int, default=1, help="threads of a job on a CPU (default: %(default)s)")
    sweep.add_argument("--dry-run", action="store_true", help="only list the jobs")
    return top


def _config(kind: type[Any], arguments: argparse.Namespace) -> Any:
    return from_mapping(kind, {entry.name: getattr(arguments, entry.name) for entry in dataclasses.fields(kind)})


def run_demo(arguments: argparse.Namespace) -> int:
    """`workbench demo`"""
    from workbench import notebooks, results

    notebooks.run(notebooks.find("01_clean_vs_unlearnable.ipynb"), arguments.out, {}, resume=True)
    _print_summary(results.read(arguments.out))
    print(f"\nfigures: {arguments.out / 'figures'}; the whole report: {arguments.out / 'notebook.ipynb'}")
    return DONE


def run_noise(arguments: argparse.Namespace) -> int:
    """`workbench noise`"""
    from workbench import runs, tasks

    found = tasks.make_noise(_config(NoiseConfig, arguments), arguments.out, resume=arguments.resume)
    record = runs.read(arguments.out)
    print(f"{found.method} {found.kind} noise within ±{found.epsilon} of 255 in {arguments.out} ", end="")
    print(f"({record['seconds'].get('noise', 0):.0f} s, {record.get('image_passes', 0):,} image passes)")
    print("next: workbench train --noise with the same --data, --limit-train and --seed, beside its clean twin")
    return DONE


def run_train(arguments: argparse.Namespace) -> int:
    """`workbench train`"""
    from workbench import tasks

    config = _config(VictimConfig, arguments)
    _print_summary(tasks.train_victim(config, arguments.noise, arguments.out, resume=arguments.resume))
    return DONE


def _print_summary(rows: Any) -> None:
    from workbench import results

    shown = results.summary(rows)[["method", "kind", "epsilon", "victim", "defence", "seed", "peak", "final"]]
    print("\naccuracy on clean test images:")
    print(shown.to_string(index=False, formatters={"peak": "{:.3f}".format, "final": "{:.3f}".format}))


def run_export(arguments: argparse.Namespace) -> int:
    """`workbench export`"""
    from workbench import tasks

    config = _config(DataConfig, arguments)
    manifest = tasks.export(config, arguments.noise, arguments.out, official=arguments.official_export)
    largest = max(entry["linf"] for entry in manifest["files"])
    print(f"{len(manifest['files'])} images in {arguments.out}, changed by at most {largest} of 255 as decoded")
    return DONE


def run_verify(arguments: argparse.Namespace) -> int:
    """`workbench verify`"""
    from workbench import verify
    from workbench.budget import PerturbationBudget

    if arguments.epsilon is not None:
        PerturbationBudget(arguments.epsilon)
    verdict = verify.verify(arguments.original, arguments.protected, arguments.epsilon)
    if arguments.json:
        print(json.dumps({"kept": verdict.kept, **asdict(verdict)}, indent=2, ensure_ascii=False))
    else:
        print(verify.in_words(verdict))
    return DONE if verdict.kept else NO


def run_notebook(arguments: argparse.Namespace) -> int:
    """`workbench run`"""
    from workbench import notebooks, study

    values = dict(arguments.parameters)
    study.check_parameters(notebooks.identity(arguments.notebook, values))
    notebooks.run(arguments.notebook, arguments.out, values, resume=arguments.resume)
    print(f"done: {arguments.out / 'notebook.ipynb'}")
    return DONE


def run_sweep(arguments: argparse.Namespace) -> int:
    """`workbench sweep`"""
    from workbench import experiments, study, sweeps

    experiment = experiments.load(experiments.find(arguments.experiment))
    jobs = experiment.jobs(arguments.size, dict(arguments.parameters), arguments.seeds, study.check_parameters)
    out = arguments.out or Path("runs") / f"{experiment.name}-{arguments.size}"
    sweep = sweeps.Sweep(experiment, arguments.size, jobs, out, arguments.store)
    if arguments.dry_run:
        for job in jobs:
            print(f"{'complete' if sweep.done(job) else 'to run':9}{job.name}")
        return DONE
    try:
        sweeps.run(sweep, scheduler=arguments.scheduler, workers=arguments.workers, threads=arguments.threads)
    except sweeps.JobsFailed as failed:
        print(f"workbench sweep: {failed}", file=sys.stderr)
        return min(failed.count, MOST)
    print(f"table, figures and report: {out / 'report.html'}")
    return DONE


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the answer is no, 2 bad input, 130 interrupted."""
    # OpenMP threads that spin for long make training several times slower on contended cores, threads that never spin
    # half as fast on calm ones; this must be set before torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # a cluster that takes its machine back: as resumable as Ctrl-C
    arguments = parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except WorkbenchError as error:
        print(f"workbench {arguments.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("workbench"):
            raise
        needs = f"it needs the package {error.name}, which is not here: pip install 'unlearnable-workbench[lab]'"
        print(f"workbench {arguments.command}: {needs}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        how = "the same command" if arguments.command in ("demo", "sweep") else "the same command with --resume"
        print(f"\nworkbench {arguments.command}: interrupted; {how} goes on", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
