"""Kernels that are forked from the tests' process, where torch and Lightning are there already."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

from workbench import study  # noqa: F401  with all that its children would import anew
from workbench.sweep import kernel


class ForkedKernel:
    """Starts the kernel of a command line; what jupyter_client asks of a Popen."""

    stdin = stdout = stderr = None

    def __init__(self, command, env=None, cwd=None, **unused):
        def begin() -> None:
            asyncio._set_running_loop(None)  # the parent's
            asyncio.set_event_loop(asyncio.new_event_loop())
            os.environ.clear()
            os.environ.update(env)
            os.chdir(cwd)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            kernel.start(Path(command[3]))

        assert command[2] == kernel.__file__
        self._process = multiprocessing.get_context("fork").Process(target=begin)
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
