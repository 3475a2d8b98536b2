"""A value that is not finite ends the search with one line; it reaches no file, and the rounds before it are kept."""

import math

import pytest
import torch
from searches import changed

from workbench import noise
from workbench.config import DataError, NoiseConfig
from workbench.noise import surrogate as module
from workbench.noise.search import CHECKPOINT, Search
from workbench.noise.surrogate import Surrogate
from workbench.records import checkpoint
from workbench.records.nan_guard import NotFinite, check

OPTIONS = {
    "em": {"train_steps": 3, "noise_steps": 2, "step": 1.7, "stop_error": 0.0, "rounds": 3},
    "em-joint": {"step": 1.7, "shared_step": 0.6, "begin": "bands", "rounds": 3},
    "em-max": {"train_steps": 2, "noise_steps": 2, "step": 1.7, "stop_error": 2.0, "rounds": 1},
    "mi-ue": {
        "preset": "small",
        "turn": 0,
        "train_epochs": 1,
        "noise_batch": 64,
        "noise_steps": 2,
        "step": 1.7,
        "last_step": 0.5,
        "zeta": 0.1,
        "temperature": 0.1,
        "augment": "none",
        "rounds": 3,
    },
    "targeted": {"train_steps": 3, "noise_steps": 2, "step": 1.7, "rounds": 1},
}
SEARCHES = {
    method: NoiseConfig.of(
        method=method, surrogate="convnet-w4", batch_size=20, learning_rate=0.1, device="cpu", **options
    )
    for method, options in OPTIONS.items()
}
every_search = pytest.mark.parametrize("config", SEARCHES.values(), ids=SEARCHES)


def poison(patch, what: str) -> None:
    """In the second round the chosen value becomes NaN or infinite."""
    rounds, checked, train, tasks = Search.rounds, Search._checked, Surrogate.train_step, []

    def begun(task, *given, **noise):
        tasks.append(task)
        return rounds(task, *given, **noise)

    def train_step(surrogate, samples, labels, *more):
        return train(
            surrogate, samples * math.nan if what == "loss" and tasks[-1]._done == 1 else samples, labels, *more
        )

    def spoilt(task, surrogate, noise):
        if task._done == 1 and what == "noise":
            next(part for part in noise.values() if part.numel()).view(-1)[0] = math.inf
        if task._done == 1 and what == "weights":
            networks = getattr(surrogate, "surrogates", [surrogate])
            next(networks[0].network.parameters()).data[0] = math.nan
        if task._done == 1 and what == "error":
            task.error = math.nan
        return checked(task, surrogate, noise)

    patch.setattr(Search, "rounds", begun)
    patch.setattr(Surrogate, "train_step", train_step)
    patch.setattr(Search, "_checked", spoilt)


@every_search
@pytest.mark.parametrize("what", ["loss", "noise", "weights", "error"])
def test_it_ends_the_search_with_one_line_and_the_rounds_before_are_gone_on_with(
    tiny, tmp_path, monkeypatch, config, what
):
    whole, facts = noise.make(config, tiny.train)
    with monkeypatch.context() as patch:
        poison(patch, what)
        with pytest.raises(DataError) as refusal:
            noise.make(config, tiny.train, folder=tmp_path)
    line = str(refusal.value)
    assert line.startswith(f"{config.method} sample-wise noise, round 2: the ")
    assert "not finite" in line
    assert line.endswith(": lower --learning-rate")
    assert "\n" not in line
    assert not isinstance(refusal.value, NotFinite)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["facts"]["done"] == 1
    check(state, "what is on disk")
    resumed, facts_resumed = noise.make(config, tiny.train, folder=tmp_path)
    assert torch.equal(resumed.delta, whole.delta)
    assert facts_resumed == facts


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
@pytest.mark.parametrize("method", [*SEARCHES, "linear"])
def test_a_learning_rate_that_spoils_the_weights_leaves_no_file(tiny, tmp_path, method, kind):
    options = {"learning_rate": 1e38, "batch_size": 20, "rounds": 3}
    config = NoiseConfig.of(method=method, kind=kind, surrogate="convnet-w4", device="cpu", **options)
    with pytest.raises(DataError, match=r"round \d+: the .* not finite.*: lower --learning-rate$"):
        noise.make(noise.resolved(config, "photo-digits"), tiny.train, folder=tmp_path)
    for path in tmp_path.glob("*.ckpt*"):
        check(torch.load(path, weights_only=True), path.name)


def test_what_is_on_disk_is_always_finite(tiny, tmp_path, monkeypatch):
    saved, original = [], checkpoint.save
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    monkeypatch.setattr(
        checkpoint, "save", lambda path, state: (saved.append(1), check(state, "it is"), original(path, state))
    )
    for what in ("loss", "noise", "weights"):
        folder = tmp_path / what
        folder.mkdir()
        with monkeypatch.context() as patch:
            poison(patch, what)
            with pytest.raises(DataError, match="round 2"):
                noise.make(SEARCHES["em-joint"], tiny.train, folder=folder)
        assert (folder / CHECKPOINT).exists()
    assert len(saved) == 3


def test_the_gradient_of_the_noise_is_watched(tiny, monkeypatch):
    """The sign of NaN is 0: the noise alone would not show it."""
    gradient, calls = module.models.input_gradient, []

    def poisoned(network, pixels, labels, loss):
        calls.append(1)
        found = gradient(network, pixels, labels, loss)
        return found * math.nan if len(calls) == 2 else found

    monkeypatch.setattr(module.models, "input_gradient", poisoned)
    with pytest.raises(
        DataError, match=r"round 1: the gradient of the surrogate's loss is not finite at step 2: lower"
    ):
        noise.make(SEARCHES["em"], tiny.train)


def test_of_two_processes_none_waits_for_the_other(tiny, two):
    config = changed(NoiseConfig(surrogate="mlp-w8", device="cpu", devices=2), learning_rate=1e38, batch_size=48)
    with pytest.raises(
        DataError, match=r"one of 2 processes failed: .* not finite.*: lower --learning-rate"
    ) as refusal:
        noise.make(noise.resolved(config, "photo-digits"), tiny.train)
    assert "\n" not in str(refusal.value)
