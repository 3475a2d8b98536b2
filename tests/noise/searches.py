"""A method run by itself: its noise as it leaves the loop, and the task with what the loop counted."""

from dataclasses import replace

import pytest
import torch
from lightning.fabric import Fabric

from workbench import noise, progress, registry
from workbench.data.dataset import Dataset
from workbench.noise.search import CHECKPOINT, Search


def plain() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def double() -> Fabric:
    """Double precision: no sign of a gradient hangs on the order of a sum."""
    return Fabric(accelerator="cpu", devices=1, precision="64-true")


def images(count: int, classes: int, channels: int, height: int, width: int, seed: int = 0) -> Dataset:
    """Random images of any shape, the classes in turn."""
    draw = torch.Generator().manual_seed(seed)
    samples = torch.randint(0, 256, (count, channels, height, width), generator=draw, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    return Dataset(samples, labels, tuple(f"c{k:03d}" for k in range(classes)), tuple(f"{i}.png" for i in range(count)))


def options(config):
    """The options of the configuration's method, as an object."""
    return noise.options_of(config.method)(**config.options)


def task_of(config, data, fabric=None, folder=None) -> Search:
    return Search(config, data, fabric or plain(), folder)


def run(config, data, fabric=None, folder=None):
    """The noise before it is brought to whole steps, and the task."""
    with task_of(config, data, fabric, folder) as task:
        return registry.look_up("method", config.method).search(task, options(config)), task


def changed(config, **options):
    """The configuration with other options of its method."""
    return replace(config, options={**config.options, **options})


def stopped(asked, data, folder, rounds: int, monkeypatch) -> None:
    """Make noise in a folder, broken off after so many rounds."""
    advance, done = progress.Progress.advance, []

    def stop(self, *steps, **numbers):
        advance(self, *steps, **numbers)
        done.append(numbers)
        if len(done) == rounds:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(progress.Progress, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            noise.make(asked, data, folder=folder)


def check_goes_on(asked, data, folder, stop: int, monkeypatch) -> None:
    """A search that is stopped after so many rounds goes on to the very same noise, with the same facts."""
    whole, facts = noise.make(asked, data)
    stopped(asked, data, folder, stop, monkeypatch)
    assert (folder / CHECKPOINT).is_file()
    found, same = noise.make(asked, data, folder=folder)
    assert torch.equal(found.delta, whole.delta)
    assert same == facts
