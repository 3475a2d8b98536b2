"""Small data that several tests share."""

import errno
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from workbench.config import DataConfig
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.sweep import formats

with formats.light():  # many tests import it
    import nbformat  # noqa: F401

torch.set_num_threads(1)  # the tests' shapes are tiny: threads would only wait for each other
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C and so would all that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # under nohup, in the same way
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _patterned(count: int, seed: int = 0, side: int = 12, channels: int = 3) -> Dataset:
    classes = ("ant", "bee", "cat")
    labels = torch.arange(count) % len(classes)
    patterns = _integers(60, 196, (len(classes), channels, side, side), seed=99)
    change = _integers(-70, 71, (count, channels, side, side), seed)
    pixels = (patterns[labels] + change).clamp(0, 255).to(torch.uint8)
    return Dataset(pixels, labels, classes, tuple(f"{classes[k]}/{i:04d}.png" for i, k in enumerate(labels.tolist())))


def _integers(low: int, high: int, shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def patterned() -> Callable[..., Dataset]:
    """Makes (count, seed=0, side=12, channels=3) images of three classes in turn: the pattern of the class, the same
    for every seed, under random noise. Some pixels lie at 0 and at 255.
    """
    return _patterned


@pytest.fixture(scope="session")
def tiny() -> DataPair:
    """48 training and 24 test images of 12×12 pixels in three classes; called photo-digits, so that it has a recipe."""
    return DataPair(_patterned(48, seed=1), _patterned(24, seed=2), "photo-digits")


@pytest.fixture(scope="session")
def digits() -> DataPair:
    """600 training and 200 test images of photo-digits."""
    return sources.load(DataConfig(data="photo-digits:600", limit_test=200))


@pytest.fixture
def learners_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The learners of a judgement train in this process, one after another: where its processes are not the matter."""
    from workbench.figures import peak
    from workbench.judging import case_file, pool, trial

    def run(trials: Sequence[trial.Trial], folder: Path, workers: int, told: pool.Told) -> None:
        case = case_file.read(folder)
        for one in trials:
            told(one, 1.0, peak(trial.learn(one, case)), None)

    monkeypatch.setattr(pool, "run", run)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes fit on any machine; they are forked, which saves them the imports: what they do together is the
    same.
    """
    start = torch.multiprocessing.start_processes

    def forked(*given: Any, **named: Any) -> Any:
        return start(*given, **{**named, "start_method": "fork"})

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(torch.multiprocessing, "start_processes", forked)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, what this process puts safely on disk finds no room."""

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(os, "fsync", no_room)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests print no progress."""
    monkeypatch.setenv("WORKBENCH_PROGRESS", "off")
