"""A search by two processes against the same search by one, and its refusals."""

import socket
from dataclasses import replace

import pytest
import torch
from clips import toned
from forked import program
from searches import changed, run

from workbench import noise
from workbench.config import ConfigError, DataError, NoiseConfig
from workbench.noise import search
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import Perturbation
from workbench.noise.run import whole_steps

# A network without batch statistics, which each process takes over its own images.
CONFIG = NoiseConfig.of(
    method="em-joint",
    surrogate="mlp-w16",
    batch_size=12,
    step=2.0,
    shared_step=1.5,
    rounds=3,
    begin="bands",
    learning_rate=0.05,
    device="cpu",
)


@pytest.fixture
def spawned(monkeypatch):
    """Two processes fit on any machine."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def by_one(monkeypatch, data, config):
    """The search of one process that takes both processes' batches together."""
    alone = search.share_of_batches

    def both(count, size, seed, number, rank, world, on):
        shares = [alone(count, size, seed, number, which, 2, on) for which in range(2)]
        return [torch.cat(batches) for batches in zip(*shares, strict=True)]

    monkeypatch.setattr(search, "share_of_batches", both)
    found, task = run(config, data)
    return whole_steps(PerturbationBudget(config.epsilon), found), task


@pytest.mark.parametrize(("kind", "begun"), [("classwise", "two"), ("samplewise", "spawned")])
def test_two_processes_find_what_one_finds(patterned, monkeypatch, request, kind, begun):
    request.getfixturevalue(begun)
    data, config = patterned(48), replace(CONFIG, kind=kind)
    together, facts = noise.make(replace(config, devices=2), data)
    expected, task = by_one(monkeypatch, data, config)
    assert facts["image_passes"] == task.passes == 48 * 3
    assert facts["surrogate_error"] == pytest.approx(task.error, abs=1 / 48)
    # Sums over two processes round differently, and a gradient of nearly zero may then turn its sign.
    assert (together.delta != expected).float().mean() < 0.005
    assert together.fingerprint == data.fingerprint


def test_two_processes_search_for_clips_too(two):
    data, config = toned(12), changed(replace(CONFIG, surrogate="convnet-w2", epsilon=-20, shape="envelope"), rounds=2)
    config = changed(config, begin="zero", step=8000.0, shared_step=8000.0)
    made, facts = noise.make(replace(config, devices=2), data)
    assert facts["image_passes"] == 24
    assert (made.delta.dtype, made.shape, made.epsilon) == (torch.int16, "envelope", -20)
    assert int(made.delta.abs().amax((1, 2)).min()) > 0
    assert int((made.apply(data) - data.samples).abs().max()) > 0


def test_shares_are_disjoint_and_whole():
    for count, world in ((48, 2), (49, 2), (10, 3)):
        shares = [search.share_of_batches(count, 12, 0, 0, rank, world, torch.device("cpu")) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        assert sorted(set(torch.cat([torch.cat(share) for share in shares]).tolist())) == list(range(count))
        for rank, share in enumerate(shares):
            assert (torch.cat(share) % world == rank).all()


def test_one_process_has_all_batches():
    order = search.share_of_batches(50, 12, 0, 1, 0, 1, torch.device("cpu"))
    assert sorted(torch.cat(order).tolist()) == list(range(50))
    assert len(order[0]) == 12


@pytest.mark.parametrize("sides", [(1, 2), (2, 1)])
def test_more_than_one_needs_a_method_that_can(two, sides):
    devices, nodes = sides
    with pytest.raises(ConfigError, match="method em searches on one device only: use em-joint"):
        noise.resolved(NoiseConfig(method="em", devices=devices, num_nodes=nodes), "photo-digits")


def test_more_devices_than_there_are(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(ConfigError, match="devices 3: there are 2 processors here; use --devices 2 or fewer"):
        noise.resolved(NoiseConfig(devices=3, device="cpu"), "photo-digits")


def test_bf16_is_refused_on_a_cpu():
    with pytest.raises(ConfigError, match="bf16 needs a CUDA device"):
        noise.resolved(NoiseConfig(precision="bf16", device="cpu"), "photo-digits")


def test_a_failing_process_is_one_line(patterned, two):
    data = replace(patterned(12, side=12), classes=("ant",))  # labels that no output stands for
    with pytest.raises(DataError, match="one of 2 processes failed") as refusal:
        noise.make(replace(CONFIG, devices=2), data)
    assert "\n" not in str(refusal.value)


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def test_two_machines_are_two_commands(two, tmp_path, monkeypatch):
    """On one machine here: each runs the same command with its number, and both end with the same noise."""
    words = ["noise", "--data", "photo-digits:60", "--surrogate", "mlp-w8", "--rounds", "1"]
    words += ["--num-nodes", "2", "--device", "cpu", "--batch-size", "20"]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", free_port())
    processes = []
    for node in range(2):
        monkeypatch.setenv("NODE_RANK", str(node))
        processes.append(program([*words, "--out", str(tmp_path / str(node))], tmp_path / f"said {node}"))
    for node, process in enumerate(processes):
        process.join(240)
        assert process.exitcode == 0, (tmp_path / f"said {node}").read_text()
    first, second = (Perturbation.load(tmp_path / str(node)) for node in range(2))
    assert torch.equal(first.delta, second.delta)
    assert first.delta.any()
