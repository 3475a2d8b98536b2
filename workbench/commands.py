"""What each command does: read its arguments, call one function, print what came out; no logic of its own.

Imports are made where they are used, so that `--help` and refusals need not wait for torch.
"""

import argparse
import dataclasses
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.config import DataConfig, NoiseConfig, ProtectConfig, VictimConfig, from_mapping

DONE, NO = 0, 1


def _config(kind: type[Any], arguments: argparse.Namespace) -> Any:
    return from_mapping(kind, {entry.name: getattr(arguments, entry.name) for entry in dataclasses.fields(kind)})


def run_demo(arguments: argparse.Namespace) -> int:
    """`workbench demo`"""
    from workbench.records import table
    from workbench.sweep import notebook

    notebook.run(notebook.find("01_clean_vs_unlearnable.ipynb"), arguments.out, {}, resume=True)
    _print_summary(table.read(arguments.out))
    print(f"\nfigures: {arguments.out / 'figures'}; the whole report: {arguments.out / 'notebook.ipynb'}")
    return DONE


def run_noise(arguments: argparse.Namespace) -> int:
    """`workbench noise`"""
    from workbench import tasks
    from workbench.records import run_folder

    found = tasks.make_noise(_config(NoiseConfig, arguments), arguments.out, resume=arguments.resume)
    record = run_folder.read(arguments.out)
    print(f"{found.method} {found.kind} noise within ±{found.epsilon} of 255 in {arguments.out} ", end="")
    print(f"({record.seconds.get('noise', 0):.0f} s, {record.image_passes or 0:,} image passes)")
    print("next: workbench train --noise with the same --data, --limit-train and --seed, beside its clean twin")
    return DONE


def run_train(arguments: argparse.Namespace) -> int:
    """`workbench train`"""
    from workbench import tasks

    config = _config(VictimConfig, arguments)
    done = tasks.train_victim(config, arguments.noise, arguments.out, resume=arguments.resume, start=arguments.start)
    _print_summary(done)
    return DONE


def _print_summary(rows: Any) -> None:
    from workbench.records import table

    shown = table.summary(rows)[["method", "kind", "epsilon", "victim", "defence", "seed", "peak", "final"]]
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


def run_protect(arguments: argparse.Namespace) -> int:
    """`workbench protect`"""
    from workbench.apps.photos import protect, self_test
    from workbench.progress import mode

    if arguments.json and mode() == "lines":
        os.environ["WORKBENCH_PROGRESS"] = "off"  # or its lines would stand before the JSON
    config = _config(ProtectConfig, arguments)
    report = protect.protect(arguments.input, arguments.output, config)
    if not arguments.json:
        print(report.in_words())
    tested = None
    if arguments.self_test:
        tested = self_test.self_test(arguments.input, arguments.output, config, seeds=arguments.seeds)
        if not arguments.json:
            print(f"\nDoes it work on these photos?\n{tested.in_words()}")
    if arguments.json:
        found = asdict(report) | ({"self_test": tested.sentences} if tested else {})
        print(json.dumps(found, indent=2, ensure_ascii=False))
    return DONE


def run_app(arguments: argparse.Namespace) -> int:
    """`workbench app`"""
    from workbench.apps import server

    return server.serve(arguments.port, open_browser=not arguments.no_browser)


def run_verify(arguments: argparse.Namespace) -> int:
    """`workbench verify`"""
    from workbench.export import verify
    from workbench.noise.budget import PerturbationBudget

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
    from workbench import study
    from workbench.sweep import notebook

    values = dict(arguments.parameters)
    study.check_parameters(notebook.identity(arguments.notebook, values))
    notebook.run(arguments.notebook, arguments.out, values, resume=arguments.resume)
    print(f"done: {arguments.out / 'notebook.ipynb'}")
    return DONE


def run_sweep(arguments: argparse.Namespace) -> int:
    """`workbench sweep`"""
    from workbench import study
    from workbench.sweep import experiment as experiments
    from workbench.sweep import run

    experiment = experiments.load(experiments.find(arguments.experiment))
    jobs = experiment.jobs(arguments.size, dict(arguments.parameters), arguments.seeds, study.check_parameters)
    out = arguments.out or Path("runs") / f"{experiment.name}-{arguments.size}"
    sweep = run.Sweep(experiment, arguments.size, jobs, out, arguments.store)
    if arguments.dry_run:
        for job in jobs:
            print(f"{'complete' if sweep.done(job) else 'to run':9}{job.name}")
        return DONE
    try:
        run.run(sweep, scheduler=arguments.scheduler, workers=arguments.workers, threads=arguments.threads)
    except run.JobsFailed as failed:
        print(f"workbench sweep: {failed}", file=sys.stderr)
        return NO
    print(f"table, figures and report: {out / 'report.html'}")
    return DONE
