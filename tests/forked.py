"""The program, learners and kernels, forked from the tests' process, where torch and Lightning are there already.

What they find there is no garbage of theirs: looking through it again and again would copy all its pages.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from workbench import study  # noqa: F401  with all that its children would import anew
from workbench.cli import main
from workbench.judging import worker
from workbench.sweep import kernel

CONTEXT = multiprocessing.get_context("fork")


def call(work: Callable[[], object], said: Path, encoding: str = "utf-8") -> BaseProcess:
    """Start a process that does `work` and ends with its exit code; both streams go to the file `said`."""

    def begin() -> None:
        gc.freeze()
        multiprocessing.current_process()._config["daemon"] = False  # it may have children
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(handle, number)
            stream = os.fdopen(number, "w", encoding=encoding, closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        sys.exit(work())

    process = CONTEXT.Process(target=begin, daemon=True)
    process.start()
    return process


def program(words: Sequence[str], said: Path, before: Callable[[], object] = lambda: None) -> BaseProcess:
    """Start `workbench WORDS`; what it says goes to the file `said`. before: called in its process first."""

    def work() -> int:
        before()
        return main(list(words))

    return call(work, said)


class ForkedWorker:
    """Trains learners for a judgement, as pool.py asks its processes to; what it asks of a Popen."""

    def __init__(self, folder: Path):
        asked, answers = os.pipe(), os.pipe()

        def begin() -> None:
            gc.freeze()
            os.close(asked[1])
            os.close(answers[0])
            os.dup2(asked[0], 0)
            os.dup2(answers[1], 1)
            sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
            worker.serve(folder)

        self._process = CONTEXT.Process(target=begin)
        self._process.start()
        os.close(asked[0])
        os.close(answers[1])
        self.stdin, self.stdout = os.fdopen(asked[1], "w", encoding="utf-8"), os.fdopen(answers[0], encoding="utf-8")

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


class ForkedKernel:
    """Starts the kernel of a command line; what jupyter_client asks of a Popen."""

    stdin = stdout = stderr = None

    def __init__(self, command, env=None, cwd=None, **unused):
        def begin() -> None:
            gc.freeze()
            asyncio._set_running_loop(None)  # the parent's
            asyncio.set_event_loop(asyncio.new_event_loop())
            os.environ.clear()
            os.environ.update(env)
            os.chdir(cwd)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            kernel.start(Path(command[3]))

        assert command[2] == kernel.__file__
        self._process = CONTEXT.Process(target=begin)
        self._process.start()
        self.pid = self._process.pid
        os.setpgid(self.pid, self.pid)  # signals go to the kernel's group

    def poll(self) -> int | None:
        return self._process.exitcode

    returncode = property(poll)

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
