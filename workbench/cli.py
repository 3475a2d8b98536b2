"""The command line. It reads arguments, calls one function, prints what came out; no logic of its own."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench import commands as do
from workbench.arguments import BAD_INPUT, Parser, add_command, add_run_folder, add_settings
from workbench.config import DataConfig, NoiseConfig, ProtectConfig, VictimConfig, WorkbenchError
from workbench.files.untrusted import line

INTERRUPTED = 130
MOST_SAID = 2000  # characters of an error's line


def parser() -> Parser:
    """The program's arguments."""
    top = Parser(prog="workbench", description="Can this data still be learnt from? Make, measure and undo noise.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")

    demo = add_command(commands, "demo", do.run_demo, "clean against unlearnable, on your machine", "--out runs/demo")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the run (default: %(default)s)")

    make = add_command(
        commands,
        "noise",
        do.run_noise,
        "search noise for a data set",
        "--data photo-digits --kind classwise --out runs/noise",
    )
    add_settings(make, NoiseConfig)
    add_run_folder(make)

    train = add_command(
        commands,
        "train",
        do.run_train,
        "train a victim, with or without noise; test on clean data",
        "--data photo-digits --noise runs/noise --out runs/victim",
    )
    add_settings(train, VictimConfig)
    train.add_argument("--noise", type=Path, metavar="DIR", help="folder of a `workbench noise` run (default: clean)")
    train.add_argument("--start", type=Path, metavar="DIR", help="go on from the network of this `workbench train` run")
    add_run_folder(train)

    export = add_command(
        commands,
        "export",
        do.run_export,
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

    protect = add_command(
        commands,
        "protect",
        do.run_protect,
        "make copies of people's photos that are harder to learn from",
        "photos photos-to-post --self-test",
    )
    protect.add_argument("input", type=Path, metavar="INPUT", help="a photo, a folder (one folder a person) or a .zip")
    protect.add_argument("output", type=Path, metavar="OUTPUT", help="new folder for the copies; the same goes on")
    add_settings(protect, ProtectConfig)
    protect.add_argument(
        "--self-test", action="store_true", help="then train recognisers on originals and copies and say what they know"
    )
    protect.add_argument("--seeds", type=int, default=3, help="trainings of each kind in the self-test (default: 3)")
    protect.add_argument("--json", action="store_true", help="print the verdicts as JSON")

    verify = add_command(
        commands, "verify", do.run_verify, "measure every protected file against its original", "photos protected"
    )
    verify.add_argument("original", type=Path, metavar="ORIGINAL", help="folder of the originals")
    verify.add_argument("protected", type=Path, metavar="PROTECTED", help="folder of the protected copies")
    verify.add_argument("--epsilon", type=int, help="bound in pixel values of 255 (default: the manifest's, else 8)")
    verify.add_argument("--json", action="store_true", help="print the verdict as JSON")

    run = add_command(
        commands,
        "run",
        do.run_notebook,
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
        do.run_sweep,
        "run an experiment's grid of notebook runs, skipping what is complete",
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

    app = add_command(
        commands, "app", do.run_app, "the application for your own photos, on this machine", "--port 8866"
    )
    app.add_argument("--port", type=int, default=8866, help="port on 127.0.0.1, 0: any free one (default: %(default)s)")
    app.add_argument("--no-browser", action="store_true", help="only print the address")
    return top


@contextmanager
def _interruptible(patient: bool) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM (a cluster that takes its machine back) or SIGHUP (a terminal that is closed) ends the
    work so that it can go on later; the second one ends the process at once, whose files are whole at every moment.
    patient: the second one is as the first.
    """
    came: list[int] = []
    terminals = [handle for handle in (1, 2) if os.isatty(handle)]

    def interrupt(number: int, frame: Any) -> None:
        if came and number == getattr(signal, "SIGHUP", None):  # shell and system both send it, nobody is impatient
            return
        if came and not patient:
            os._exit(INTERRUPTED)
        came.append(number)
        for handle in terminals:
            if not os.isatty(handle):  # any more: it was closed, and a word to it would be an error
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), handle)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        if hasattr(signal, "SIGHUP"):
            usual[signal.SIGHUP] = signal.SIG_DFL
        # What is ignored stays so, as for jobs that a shell runs in the background.
        before = {number: way for number, way in usual.items() if signal.getsignal(number) is way}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, way in before.items():
            signal.signal(number, way)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the answer is no, 2 bad input, 130 interrupted."""
    # OpenMP threads that spin for long make training several times slower on contended cores, threads that never spin
    # half as fast on calm ones; this must be set before torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    arguments = parser().parse_args(words)
    try:
        with _interruptible(patient=arguments.command == "app"):  # which has photos to remove
            return int(arguments.run(arguments))
    except WorkbenchError as error:
        print(f"workbench {arguments.command}: {line(error, MOST_SAID)}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # what no reader or writer has explained better: a name too long, a disk gone
        if error.errno is None:
            raise
        what = f"the system refused {f'{error.filename!r} ' if error.filename else ''}({error.strerror})"
        print(
            f"workbench {arguments.command}: {line(what, MOST_SAID)}: name another, or make it usable", file=sys.stderr
        )
        return BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("workbench"):
            raise
        needs = f"it needs the package {error.name}, which is not here: pip install 'unlearnable-workbench[lab]'"
        print(f"workbench {arguments.command}: {needs}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        how = (
            "the same command"
            if arguments.command in ("demo", "sweep", "protect")
            else "the same command with --resume"
        )
        print(f"\nworkbench {arguments.command}: interrupted; {how} goes on", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
