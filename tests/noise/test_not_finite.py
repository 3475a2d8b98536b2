"""A value that is not finite: its round is undone once, with half the learning rate; it never reaches a file."""

import json
import math
from dataclasses import replace

import pytest
import torch

from workbench import noise, tasks
from workbench.config import DataError, NoiseConfig
from workbench.data.dataset import DataPair
from workbench.noise import search as module
from workbench.noise.search import CHECKPOINT, Rounds
from workbench.noise.surrogate import Surrogate
from workbench.records import checkpoint, run_folder
from workbench.records.nan_guard import NotFinite, check

SETTINGS = {
    "em": {"train_steps": 3, "noise_steps": 2, "step": 1.7, "stop_error": 0.0},
    "em-joint": {"step": 1.7, "shared_step": 0.6, "start": "bands"},
    "em-max": {"train_steps": 2, "noise_steps": 2, "step": 1.7, "stop_error": 2.0},
    "targeted": {"train_steps": 3, "noise_steps": 2, "step": 1.7},
}
SEARCHES = {
    method: NoiseConfig(
        method=method, surrogate="convnet-w4", batch_size=20, rounds=3, learning_rate=0.1, device="cpu", **settings
    )
    for method, settings in SETTINGS.items()
}
every_search = pytest.mark.parametrize("config", SEARCHES.values(), ids=SEARCHES)


class Poison:
    """In round `number` the chosen value becomes NaN as long as nothing has gone back; counts how often."""

    def __init__(self, monkeypatch, what: str, number: int):
        self.hits, self.steps_after, self.now, self.bad = 0, 0, -1, False
        iterate, end, train = Rounds.__iter__, Rounds.end, Surrogate.train_step

        def numbered(rounds):
            for self.now in iterate(rounds):
                self.bad = False
                yield self.now

        def train_step(surrogate, pixels, labels):
            self.steps_after += self.bad
            if what == "loss" and self.now == number and surrogate._share == 1:
                self.hits, self.bad = self.hits + 1, True
                pixels = pixels * math.nan
            return train(surrogate, pixels, labels)

        def ended(rounds, error, **more):
            if what != "loss" and self.now == number and rounds.rolled_back is None:
                self.hits += 1
                if what == "noise":
                    next(part for part in rounds.noise.values() if part.numel()).view(-1)[0] = math.inf
                else:
                    surrogates = getattr(rounds.surrogate, "surrogates", [rounds.surrogate])
                    next(surrogates[0].network.parameters()).data[0] = math.nan
            end(rounds, error, **more)

        monkeypatch.setattr(Rounds, "__iter__", numbered)
        monkeypatch.setattr(Surrogate, "train_step", train_step)
        monkeypatch.setattr(Rounds, "end", ended)


@every_search
@pytest.mark.parametrize("what", ["loss", "noise", "weights"])
def test_the_round_is_undone_once_with_half_the_learning_rate(tiny, tmp_path, monkeypatch, capsys, config, what):
    clean, clean_facts = noise.search(config, tiny.train)
    assert "rolled_back" not in clean_facts
    poison = Poison(monkeypatch, what, 1)
    made, facts = noise.search(config, tiny.train)
    assert poison.hits == 1
    assert poison.steps_after == 0  # it stopped at that very step
    found = facts["rolled_back"]
    assert (found["round"], found["learning_rate"]) == (2, config.learning_rate / 2)
    assert "not finite" in found["cause"]
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"round 2: {found['cause']}; the round is undone, going on with learning rate 0.05" in line
    if config.method in ("em", "em-joint"):
        assert not torch.equal(made.delta, clean.delta)
    poison.hits = 0
    again, facts_again = noise.search(config, tiny.train, folder=tmp_path)
    assert torch.equal(again.delta, made.delta)
    assert facts_again == facts


@pytest.mark.parametrize("config", [SEARCHES["em"], SEARCHES["em-joint"]], ids=["em", "em-joint"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_search_that_went_back_goes_on_after_an_interruption(tiny, tmp_path, monkeypatch, config, stop):
    """Interrupted before or after it went back."""
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    Poison(monkeypatch, "loss", 1)
    whole, facts = noise.search(config, tiny.train)
    end = Rounds.end

    def interrupted(rounds, error, **more):
        end(rounds, error, **more)
        if rounds._done == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Rounds, "end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            noise.search(config, tiny.train, folder=tmp_path)
    resumed, facts_resumed = noise.search(config, tiny.train, folder=tmp_path)
    assert torch.equal(resumed.delta, whole.delta)
    assert facts_resumed == facts


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_the_second_time_is_one_line_and_no_noise(tiny, tmp_path, capsys, kind):
    """A learning rate that spoils the weights in any case; nothing that is not finite is on disk."""
    config = replace(SEARCHES["em-joint"], kind=kind, learning_rate=1e30)
    data = DataPair(tiny.train, tiny.test, "photo-digits")
    with pytest.raises(
        DataError, match=r"round 1: .* not finite.* as before in round 1.*5e\+29 now.*lower --learn"
    ) as no:
        tasks.make_noise(config, tmp_path, data=data)
    assert len(str(no.value).splitlines()) == 1
    assert not isinstance(no.value, NotFinite)
    assert {path.name for path in tmp_path.iterdir()} == {"run.json"}
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["state"], record["error"]) == ("failed", f"DataError: {no.value}")


def test_what_is_on_disk_is_always_finite(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    saved = []
    original = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda path, state: (saved.append(1), check(state, "it is"), original(path, state))
    )
    for what in ("loss", "noise", "weights"):
        with monkeypatch.context() as patched:
            Poison(patched, what, 1)
            folder = tmp_path / what
            folder.mkdir()
            noise.search(SEARCHES["em-joint"], tiny.train, folder=folder)
            assert (folder / CHECKPOINT).exists()
    assert len(saved) == 9


def test_the_record_tells_it(tiny, tmp_path, monkeypatch):
    Poison(monkeypatch, "loss", 0)
    config = NoiseConfig(surrogate="convnet-w4", batch_size=20, rounds=2, learning_rate=0.1, device="cpu")
    tasks.make_noise(config, tmp_path, data=tiny)
    found = run_folder.read(tmp_path).rolled_back
    assert found == {
        "round": 1,
        "cause": "the surrogate's loss is not finite at step 1",
        "learning_rate": 0.05,
    }


def test_the_gradient_of_the_noise_is_watched(tiny, monkeypatch):
    """The sign of NaN is 0: the noise alone would not show it."""
    assert torch.sign(torch.tensor(math.nan)) in (0, math.nan)
    seen = []
    original = module.Rounds._go_back
    monkeypatch.setattr(module.Rounds, "_go_back", lambda self, fault: (seen.append(str(fault)), original(self, fault)))
    from workbench.noise import surrogate

    gradient, calls = surrogate.models.input_gradient, []

    def poisoned(network, pixels, labels):
        calls.append(1)
        found = gradient(network, pixels, labels)
        return found * math.nan if len(calls) == 2 else found

    monkeypatch.setattr(surrogate.models, "input_gradient", poisoned)
    noise.search(SEARCHES["em"], tiny.train)
    assert seen == ["the gradient of the surrogate's loss is not finite at step 2"]


def test_a_search_too_large_to_be_kept_in_memory_goes_back_to_its_checkpoint_or_ends(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    Poison(monkeypatch, "loss", 1)
    whole, facts = noise.search(SEARCHES["em-joint"], tiny.train)
    monkeypatch.setattr(checkpoint, "MOST", 1)
    found, same = noise.search(SEARCHES["em-joint"], tiny.train, folder=tmp_path)
    assert torch.equal(found.delta, whole.delta)
    assert same == facts
    with pytest.raises(DataError, match=r"round 2: .*no round is kept"):
        noise.search(SEARCHES["em-joint"], tiny.train)
