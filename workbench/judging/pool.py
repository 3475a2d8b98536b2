"""Several learners at once: processes of one thread each, which on a CPU share the cores better than threads do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import torch

from workbench import device
from workbench.config import DataError
from workbench.judging.trial import Trial

MEMORY = 3 << 29  # bytes that a learner is expected to need
# A trial, the share of it that is done, at its end its peak, and before that the accuracy on test samples now.
Told = Callable[[Trial, float, float | None, float | None], None]


def workers_for(name: str, trials: int, asked: int) -> int:
    """How many learners train at once. asked: 0 for as many as PyTorch has threads and memory bears; on a GPU one."""
    import psutil

    if asked or device.pick(name).type != "cpu":
        return min(trials, asked or 1)
    return max(1, min(trials, torch.get_num_threads(), psutil.virtual_memory().available // MEMORY))


def run(trials: Sequence[Trial], folder: Path, workers: int, told: Told) -> None:
    """Do all trials in so many processes, on the case in `folder`; tell of every epoch.

    Raises DataError with the first refusal; the others end with what they have on disk.
    """
    waiting: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        waiting.put(trial)
    started = [_start(folder) for _ in range(workers)]
    try:
        with ThreadPoolExecutor(workers) as threads:
            try:
                serving = [threads.submit(copy_context().run, _serve, process, waiting, told) for process in started]
                for done in serving:
                    done.result()
            except BaseException:
                _stop(started)  # or the threads would wait for them
                raise
    finally:
        _stop(started)


def _start(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WORKBENCH_PROGRESS": "off"}
    command = [sys.executable, "-P", "-m", "workbench.judging.worker", str(folder.resolve())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment)


def _serve(process: "subprocess.Popen[str]", waiting: "SimpleQueue[Trial]", told: Told) -> None:
    assert process.stdin
    assert process.stdout
    while True:
        try:
            trial = waiting.get_nowait()
        except Empty:
            return
        try:
            print(_line(trial), file=process.stdin, flush=True)
            _follow(process.stdout, trial, told)
        except (OSError, EOFError) as error:
            line = f"the process that trained {trial.learner.name} ended (code {process.wait()}): start again"
            raise DataError(line) from error


def _follow(answers: IO[str], trial: Trial, told: Told) -> None:
    """Tell what a worker says of a trial, until that is done. Raises DataError for a refusal, EOFError at the end."""
    for line in answers:
        said = json.loads(line)
        if "error" in said:
            raise DataError(f"learner {trial.learner.name}: {said['error']}")
        told(trial, said["share"], said.get("peak"), said.get("now"))
        if "peak" in said:
            return
    raise EOFError


def _line(trial: Trial) -> str:
    said: dict[str, Any] = {
        "learner": asdict(trial.learner), "side": trial.side, "config": asdict(trial.config), "data": trial.data,
        "where": str(trial.where.resolve()),
    }  # fmt: skip
    return json.dumps(said)


def _stop(processes: Sequence["subprocess.Popen[str]"]) -> None:
    for process in processes:
        if process.stdin:
            process.stdin.close()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
