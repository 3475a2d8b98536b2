"""A device that has too little memory: smaller batches once, then one line."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from workbench import device, noise, tasks
from workbench.config import DataError, NoiseConfig

CONFIG = NoiseConfig(data="photo-digits", batch_size=24)


def holds(largest, tried):
    """Work that needs more memory the larger its batches are."""

    def work(config):
        tried.append(config.batch_size)
        if config.batch_size > largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nmore lines")
        return "done"

    return work


def test_half_the_batch_is_tried_once_and_recorded(capsys):
    tried = []
    assert device.within_memory(holds(12, tried), CONFIG) == ("done", {"batch_size": 12})
    assert tried == [24, 12]
    assert "no memory for batches of 24 images: once more with 12" in capsys.readouterr().err


def test_enough_memory_changes_nothing():
    assert device.within_memory(holds(24, []), CONFIG) == ("done", {})


def test_the_second_time_is_one_line():
    tried = []
    with pytest.raises(DataError, match="no memory for batches of 24 images, nor of 12: name a smaller") as refusal:
        device.within_memory(holds(3, tried), CONFIG)
    assert tried == [24, 12]
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("no")])
def test_other_errors_pass(error):
    def work(config):
        raise error

    with pytest.raises(type(error), match=str(error)):
        device.within_memory(work, CONFIG)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_processor_out_of_memory_is_known_by_what_torch_says():
    """A process whose memory is really limited: what torch raises there is taken for what it is."""
    script = (
        "import resource, torch\n"
        "from workbench import device\n"
        "torch.zeros(1)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))\n"
        "try:\n"
        "    torch.empty(2**30)\n"
        "except RuntimeError as error:\n"
        "    print(device._of_memory(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.strip() == "True", done.stderr


def test_smaller_batches_are_in_the_record(tiny, tmp_path, monkeypatch):
    searched = noise.search

    def search(config, data, folder):
        if config.batch_size > 12:
            raise torch.OutOfMemoryError("no")
        return searched(config, data, folder=folder)

    monkeypatch.setattr(noise, "search", search)
    tasks.make_noise(replace(CONFIG, surrogate="mlp-w4", rounds=1), tmp_path / "run", data=tiny)
    from workbench.records import run_folder

    record = run_folder.read(tmp_path / "run")
    assert record["batch_size"] == 12
    assert record["config"]["batch_size"] == 24


def test_a_disk_too_small_is_told_before_the_search(tiny, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    monkeypatch.setattr(noise, "search", pytest.fail)
    needed = 48 * 3 * 12 * 12 * (2 + 12)
    with pytest.raises(DataError, match=f"the search needs {needed:,} bytes in .*run, where 1,000 are free"):
        tasks.make_noise(CONFIG, tmp_path / "run", data=tiny)
    assert not (tmp_path / "run").exists()
