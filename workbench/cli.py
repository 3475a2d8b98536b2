"""The command line: one command is run, what goes wrong is one line, what is interrupted can go on."""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import Any

from workbench import installation, registry
from workbench.commands import COMMANDS
from workbench.commands.arguments import BAD_INPUT, Parser, add_with
from workbench.config import WorkbenchError, check_choice
from workbench.files.untrusted import one_line
from workbench.progress import MODES
from workbench.records.run_folder import REUSE

GUIDE = """\
Unlearnable Workbench {version}: can this data still be learnt from?

  see it happen on your machine, in minutes:
      {program} demo
  play: move the budget, see the noise, watch two networks learn:
      {program} lab
  make copies of your photos that are harder to learn from, and measure whether they are:
      {program} protect PHOTOS COPIES --self-test
  make noise for your own images, train on them with it and without:
      {program} noise --data folder:PATH --out runs/noise
      {program} train --data folder:PATH --noise runs/noise --out runs/victim
      {program} train --data folder:PATH --out runs/clean
  measure a figure over seeds:
      {program} sweep budget_ablation

All commands: {program} --help. What has a name: {program} methods, defences, networks or datasets."""
VARIABLES = {"WORKBENCH_PROGRESS": MODES, REUSE: ("0", "1")}  # environment variables, and what they may say
INTERRUPTED = 130
GOING_ON = ("demo", "sweep", "protect", "class-board")  # what goes on without being told to
MOST_SAID = 2000  # characters of an error's line


def parser(words: Sequence[str] = ()) -> Parser:
    """The program's arguments; words: those of the command line, of which a method's own options depend."""
    top = Parser(prog="workbench", description="Can this data still be learnt from? Make, measure and undo noise.")
    top.add_argument("--version", action="version", version=_version() if "--version" in words else "")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    for name, (text, example, add) in COMMANDS.items():
        described = text[0].upper() + text[1:] + "."
        epilog = f"example: workbench {name} {example}"
        made = commands.add_parser(name, help=text, description=described, epilog=epilog)
        made.set_defaults(run=add(made, words if name in words[:1] else ["--help"]))
        add_with(made)
    return top


def _version() -> str:
    return f"workbench {installation.version()}, commit {installation.commit() or 'unknown'}"


def _guide() -> str:
    """The five things one can do, each with a line to copy that starts as this program was started."""
    program = sys.argv[0] if os.sep in sys.argv[0] and not sys.argv[0].endswith(".py") else "workbench"
    if Path(program).is_relative_to(Path.cwd()):
        program = str(Path(program).relative_to(Path.cwd()))
    return GUIDE.format(version=installation.version(), program=program)


class Outlet(FileIO):
    """A standard stream of whose reader no work depends: once it cannot be written to (a reader that has enough, a
    terminal that was closed, a full disk), what is said goes nowhere, in the processes that were started too.
    """

    def write(self, content: Any) -> int:
        """Write, or let everything from here on go nowhere; wait where the reader set the pipe not to."""
        try:
            while (written := super().write(content)) is None:
                select.select([], [self], [])
            return written
        except OSError:
            _to_nowhere(self.fileno())
            return memoryview(content).nbytes


def _to_nowhere(handle: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != handle:
        os.dup2(nowhere, handle)  # which, unlike the first, is handed down to the processes that are started
        os.close(nowhere)
    os.set_inheritable(handle, True)


def _open_streams() -> None:
    """Make the standard streams such that saying something never fails, so that an exit code tells of the work alone.

    What an encoding lacks is escaped. A stream that is missing is opened to nowhere, before a file of ours gets its
    number and everybody's complaints.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            _to_nowhere(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # as under pythonw
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for the rest of the process)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            raw = getattr(stream.buffer, "raw", stream.buffer)  # the latter under PYTHONUNBUFFERED
            if stream is getattr(sys, f"__{name}__") and type(raw) is FileIO:
                stream.flush()
                outlet = BufferedWriter(Outlet(raw.fileno(), "wb", closefd=False))
                lines = stream.line_buffering or stream.write_through
                setattr(sys, name, TextIOWrapper(outlet, stream.encoding, "backslashreplace", line_buffering=lines))


@contextmanager
def _interruptible(patient: bool) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM (a cluster that takes its machine back) or SIGHUP (a terminal that is closed) ends the
    work so that it can go on later; the second one ends the process at once, whose files are whole at every moment.
    patient: the second one is as the first.
    """
    came: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        if came and number == getattr(signal, "SIGHUP", None):  # shell and system both send it, nobody is impatient
            return
        if came and not patient:
            os._exit(INTERRUPTED)
        came.append(number)
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
    # Set before torch loads: OpenMP threads that spin for long make training several times slower on contended cores,
    # threads that never spin half as fast on calm ones. What Apple's GPU lacks is done on the CPU.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    _open_streams()
    words = list(sys.argv[1:] if words is None else words)
    command = words[0] if words else ""
    try:
        installation.check()
        for name, known in VARIABLES.items():
            if asked := os.environ.get(name):
                check_choice(name, asked, known)
        if not words:
            print(_guide())
            return 0
        with _interruptible(patient=command == "app"):  # which has photos to remove
            arguments = parser(words).parse_args(words)
            registry.load([*registry.named_files(), *arguments.own_files])
            return int(arguments.run(arguments))
    except WorkbenchError as error:
        print(f"workbench {command}: {one_line(error, MOST_SAID)}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # what no reader or writer has explained better: a name too long, a disk gone
        if error.errno is None:
            raise
        what = f"the system refused {f'{error.filename!r} ' if error.filename else ''}({error.strerror})"
        print(f"workbench {command}: {one_line(what, MOST_SAID)}: name another, or make it usable", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("workbench"):
            raise
        print(f"workbench {command}: {installation.missing(error.name)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        how = "the same command" + " with --resume" * (command not in GOING_ON)
        print(f"\nworkbench {command}: interrupted; {how} goes on", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
