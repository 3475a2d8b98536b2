"""Too little memory or disk is one line that names a batch size to try, or how much room is needed."""

import shutil
import subprocess
import sys

import pytest
import torch

from workbench import device, noise
from workbench.config import DataError, NoiseConfig
from workbench.files import mapped
from workbench.noise.surrogate import Surrogate

CONFIG = NoiseConfig.of(data="photo-digits", surrogate="mlp-w4", device="cpu", batch_size=24, rounds=1)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory.\nmore lines"), MemoryError()])
def test_no_memory_is_one_line_with_half_the_batch(error):
    with pytest.raises(DataError) as refusal, device.enough_memory(24):
        raise error
    assert str(refusal.value) == "no memory for batches of 24 images: try --batch-size 12, a smaller network"


@pytest.mark.parametrize("size", [0, 1])
def test_there_is_no_smaller_batch_than_one(size):
    with pytest.raises(DataError, match=r"no memory .*: try a smaller network") as refusal, device.enough_memory(size):
        raise MemoryError
    assert "--batch-size" not in str(refusal.value)


def test_enough_memory_changes_nothing():
    with device.enough_memory(24):
        pass


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("no")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)), device.enough_memory(24):
        raise error


def test_a_search_without_memory_names_the_batch_to_try(tiny, monkeypatch):
    def train_step(self, samples, labels):
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(Surrogate, "train_step", train_step)
    with pytest.raises(DataError, match="batches of 24 images: try --batch-size 12"):
        noise.make(noise.resolved(CONFIG, "photo-digits"), tiny.train)


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


def test_a_disk_too_small_for_a_search_is_told_with_both_numbers(tiny, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    needed = noise.bytes_on_disk(noise.resolved(CONFIG, "photo-digits"), tiny.train)
    assert needed == 48 * 3 * 12 * 12 * (2 + 12)
    with pytest.raises(DataError, match=f"the search needs {needed:,} bytes in .*run, where 1,000 are free: advice"):
        mapped.check_room(tmp_path / "run", needed, "the search", "advice")
    assert not (tmp_path / "run").exists()
