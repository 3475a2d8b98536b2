"""A search repeats itself bit for bit, depends on its seed, and goes on after an interruption as if there were none."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clips import toned
from searches import changed, task_of

from workbench import noise, progress
from workbench.config import DataError, NoiseConfig
from workbench.noise.search import CHECKPOINT
from workbench.noise.surrogate import Surrogate
from workbench.records import checkpoint

SEARCHES = [
    NoiseConfig.of(
        method=method,
        kind=kind,
        surrogate="convnet-w4",
        batch_size=20,
        rounds=3,
        learning_rate=0.1,
        device="cpu",
        **settings,
    )
    for kind in ("classwise", "samplewise")
    for method, settings in (
        ("em", {"train_steps": 3, "noise_steps": 2, "step": 1.7, "stop_error": 0.0}),
        ("em-joint", {"step": 1.7, "shared_step": 0.6, "begin": "bands"}),
        ("em-max", {"train_steps": 2, "noise_steps": 2, "step": 1.7, "stop_error": 2.0}),
    )
]


def search_id(config: NoiseConfig) -> str:
    return f"{config.method}-{config.kind}"


every_search = pytest.mark.parametrize("config", SEARCHES, ids=search_id)
OF_SOUND = [
    changed(replace(config, epsilon=-20, shape="envelope"), step=3000.0, **more)
    for config in SEARCHES
    for more in {"em": [{}], "em-joint": [{"begin": "zero", "shared_step": 900.0}]}.get(config.method, [])
]
every_search_and_data = pytest.mark.parametrize(
    "config", [*SEARCHES, *OF_SOUND], ids=[*map(search_id, SEARCHES), *(f"{search_id(one)}-sound" for one in OF_SOUND)]
)


@pytest.fixture
def data(tiny, config):
    """What a search is for: 48 images, or as many clips."""
    return tiny.train if config.epsilon >= 0 else toned(48, seconds=0.1)


@pytest.fixture
def rounds_seen(monkeypatch):
    """The surrogate's errors, one a round, in the order they are shown; `stop` raises Ctrl-C after so many."""

    class Seen(list):
        stop = 0

    seen, advance = Seen(), progress.Progress.advance

    def spy(self, *steps, **numbers):
        advance(self, *steps, **numbers)
        seen.append(numbers)
        if len(seen) == seen.stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Progress, "advance", spy)
    return seen


@every_search_and_data
def test_the_same_configuration_gives_the_same_noise_and_another_seed_another(data, config):
    first, facts = noise.make(config, data)
    torch.manual_seed(12345)  # nothing may hang on the global stream
    again, facts_again = noise.make(config, data)
    other, _ = noise.make(replace(config, seed=1), data)
    assert torch.equal(first.delta, again.delta)
    assert facts == facts_again
    share = float((first.delta != other.delta).float().mean())
    assert share > 0.3


@every_search
def test_noise_is_whole_values_of_both_signs_that_reach_the_budget(tiny, config):
    made, _ = noise.make(changed(replace(config, epsilon=5), rounds=6), tiny.train)
    assert made.delta.dtype == torch.int8
    assert (int(made.delta.min()), int(made.delta.max())) == (-5, 5)
    negative = float((made.delta < 0).float().mean() / (made.delta != 0).float().mean())
    assert 0.3 < negative < 0.7
    assert (made.kind, made.epsilon, made.method) == (config.kind, 5, config.method)
    made.check_belongs(tiny.train)


@every_search_and_data
@pytest.mark.parametrize("after", [1, 2])
def test_a_search_goes_on_after_an_interruption(data, tmp_path, rounds_seen, config, after):
    straight, facts = noise.make(config, data)
    errors = list(rounds_seen)
    rounds_seen.clear()
    rounds_seen.stop = after
    with pytest.raises(KeyboardInterrupt):
        noise.make(config, data, folder=tmp_path)
    assert rounds_seen == errors[:after]
    rounds_seen.stop = 0
    resumed, facts_resumed = noise.make(config, data, folder=tmp_path)
    assert rounds_seen == errors  # the rounds that were done are not done again
    assert torch.equal(resumed.delta, straight.delta)
    assert facts_resumed == facts


@every_search_and_data
def test_an_interruption_within_a_round_loses_this_round_only(data, tmp_path, rounds_seen, monkeypatch, config):
    straight, facts = noise.make(config, data)
    errors = list(rounds_seen)
    rounds_seen.clear()
    original = Surrogate.train_step

    def train_step(self, pixels, labels):
        if rounds_seen:  # the first round is done
            raise KeyboardInterrupt
        return original(self, pixels, labels)

    with monkeypatch.context() as patched:
        patched.setattr(Surrogate, "train_step", train_step)
        with pytest.raises(KeyboardInterrupt):
            noise.make(config, data, folder=tmp_path)
    resumed, facts_resumed = noise.make(config, data, folder=tmp_path)
    assert rounds_seen == errors
    assert torch.equal(resumed.delta, straight.delta)
    assert facts_resumed == facts


@pytest.fixture
def every_round(monkeypatch):
    """A checkpoint after every round, however short it is."""
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)


def test_a_finished_search_is_read_back_without_a_round(tiny, tmp_path, rounds_seen, every_round):
    """It has finished, and was stopped before its noise was saved."""
    config = changed(SEARCHES[0], stop_error=1.0)  # ends after its first round
    first, facts = noise.make(config, tiny.train, folder=tmp_path)
    assert len(rounds_seen) == 1
    again, facts_again = noise.make(config, tiny.train, folder=tmp_path)
    assert len(rounds_seen) == 1
    assert torch.equal(first.delta, again.delta)
    assert facts == facts_again


def test_a_checkpoint_is_kept_whole_with_the_one_before_it(tiny, tmp_path, every_round):
    noise.make(SEARCHES[1], tiny.train, folder=tmp_path)
    newest = tmp_path / CHECKPOINT
    assert sorted(tmp_path.iterdir()) == [newest, checkpoint.previous(newest)]
    states = [torch.load(path, weights_only=True) for path in sorted(tmp_path.iterdir())]
    assert [state["facts"]["done"] for state in states] == [3, 2]
    json.dumps(states[0]["facts"])


@every_search
def test_rounds_after_a_damaged_checkpoint_are_done_again(tiny, tmp_path, rounds_seen, every_round, capsys, config):
    straight, facts = noise.make(config, tiny.train)
    errors = list(rounds_seen)
    rounds_seen.clear()
    rounds_seen.stop = 2
    with pytest.raises(KeyboardInterrupt):
        noise.make(config, tiny.train, folder=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1])
    rounds_seen.clear()
    rounds_seen.stop = 0
    resumed, facts_resumed = noise.make(config, tiny.train, folder=tmp_path)
    assert rounds_seen == errors[1:]
    assert torch.equal(resumed.delta, straight.delta)
    assert facts_resumed == facts
    assert "going on from the one before it" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"text"])
def test_damaged_checkpoints_are_refused_with_what_to_do(tiny, tmp_path: Path, damage):
    noise.make(SEARCHES[1], tiny.train, folder=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"cannot be read .*: remove the folder and start again") as refused:
        noise.make(SEARCHES[1], tiny.train, folder=tmp_path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("state", [{}, {"surrogate": {}, "noise": {}, "facts": {}}, {"surrogate": 3}])
def test_a_whole_checkpoint_of_something_else_is_refused(tiny, tmp_path: Path, state):
    checkpoint.save(tmp_path / CHECKPOINT, state)
    with pytest.raises(DataError, match="cannot be resumed from") as refused:
        noise.make(SEARCHES[1], tiny.train, folder=tmp_path)
    assert len(str(refused.value).splitlines()) == 1


def test_the_seed_reaches_the_surrogates_weights(tiny):
    def weights(seed):
        surrogate = task_of(replace(SEARCHES[0], seed=seed), tiny.train).surrogate(0.1)
        return torch.cat([value.flatten() for value in surrogate.network.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
