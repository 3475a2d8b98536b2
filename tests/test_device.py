"""Which device is taken, and Apple's GPU as far as it can be tested where there is none."""

import platform

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from workbench import device, noise
from workbench.config import ConfigError, DataError, NoiseConfig, VictimConfig
from workbench.models.pooling import AveragePool
from workbench.victim import train
from workbench.victim.defence import Defence
from workbench.victim.module import Victim


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine have the devices that are named, in PyTorch's eyes and in Lightning's."""

    def has(*kinds):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return has


@pytest.mark.parametrize(
    ("there", "taken"), [((), "cpu"), (("mps",), "mps"), (("cuda",), "cuda"), (("cuda", "mps"), "cuda")]
)
def test_auto_takes_the_first_of_cuda_mps_and_cpu(machine, there, taken):
    machine(*there)
    assert device.pick("auto") == torch.device(taken)
    assert device.pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(machine, name):
    machine()
    with pytest.raises(ConfigError, match=f"^device {name}: PyTorch sees no {name.upper()} device here; use --device"):
        device.pick(name)


@pytest.mark.parametrize("setting", [{"devices": 2}, {"num_nodes": 2}, {"precision": "bf16"}])
@pytest.mark.parametrize("kind", [NoiseConfig, VictimConfig])
def test_apples_gpu_works_alone_and_in_float32(setting, kind):
    refused = "bf16 needs a CUDA device" if "precision" in setting else "Apple's GPU works alone"
    device.check_group(torch.device("mps"), kind())
    with pytest.raises(ConfigError, match=refused):
        device.check_group(torch.device("mps"), kind(**setting))


def test_apples_gpu_out_of_memory_is_one_line():
    with pytest.raises(DataError, match="--batch-size 12"), device.enough_memory(24):
        raise RuntimeError("MPS backend out of memory (MPS allocated: 18.05 GB, other allocations: 1 GB)")


def test_apples_gpu_is_described(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert device.describe(torch.device("mps")) == "mps: Apple GPU, arm64"


class Asked(Exception):
    """What Lightning was asked for."""


@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps"])
def test_lightning_is_asked_for_the_device(machine, monkeypatch, tiny, kind):
    def asked(**settings):
        raise Asked(settings["accelerator"])

    machine(kind)
    monkeypatch.setattr("workbench.victim.train.Trainer", asked)
    monkeypatch.setattr("workbench.noise.Fabric", asked)
    with pytest.raises(Asked, match=f"^{kind}$"):
        train._trainer(VictimConfig())
    with pytest.raises(Asked, match=f"^{kind}$"):
        noise.make(NoiseConfig(), tiny.train)


def test_lightning_takes_mps_where_it_is(machine, monkeypatch):
    """Lightning's own words for the device, which it looks for by itself."""
    from lightning.fabric.accelerators.mps import MPSAccelerator

    machine("mps")
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    assert Fabric(accelerator="mps", devices=1).device == torch.device("mps", 0)


@pytest.mark.parametrize(("kind", "exact"), [("cpu", torch.float64), ("mps", torch.float32)])
def test_a_victims_means_are_of_a_type_that_the_device_has(machine, tiny, kind, exact):
    machine(kind)
    config = VictimConfig(epochs=1, batch_size=8, confusion=True)
    victim = Victim(nn.Linear(1, 1), config, tiny.train, tiny.test, Defence(), 0.0)
    assert {metric.dtype for metric in victim.means.values()} == {exact}
    assert {part.dtype for metric in victim.means.values() for part in metric.metric_state.values()} == {exact}
    assert torch.float64 not in {
        value.dtype for value in victim.state_dict().values() if isinstance(value, torch.Tensor)
    }


@pytest.mark.parametrize("size", [(32, 32), (28, 20), (8, 40)])
def test_average_pooling_is_pytorchs(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(AveragePool(16)(x), nn.AdaptiveAvgPool2d(16)(x))
