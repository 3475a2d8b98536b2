"""The controls: random noise fills the ball and follows the seed; error-maximising noise makes the surrogate err."""

import math
from dataclasses import replace

import pytest
import torch
from searches import changed, run

from workbench.config import NoiseConfig
from workbench.noise.search import Search
from workbench.noise.surrogate import Surrogate

MAXIMISE = NoiseConfig.of(
    method="em-max",
    surrogate="convnet-w4",
    epsilon=24,
    batch_size=16,
    step=2.4,
    train_steps=40,
    learning_rate=0.05,
    noise_steps=10,
    rounds=10,
    stop_error=0.9,
    device="cpu",
)


@pytest.fixture
def coloured(patterned):
    """90 images whose class is their colour: learnt in spite of shifts, and lost by a change of 24."""
    data = patterned(90, seed=1)
    grey = torch.randint(88, 168, data.samples.shape, generator=torch.Generator().manual_seed(0))
    colours = 15 * torch.eye(3)[data.labels][:, :, None, None]
    return replace(data, samples=(grey + colours).to(torch.uint8))


@pytest.fixture
def surrogates(monkeypatch):
    """The surrogates of the searches, in order, as they are in the end."""
    made, original = [], Search.surrogate

    def surrogate(self, *given):
        made.append(original(self, *given))
        return made[-1]

    monkeypatch.setattr(Search, "surrogate", surrogate)
    return made


@pytest.mark.parametrize(("kind", "count"), [("classwise", 3), ("samplewise", 48)])
def test_random_noise_fills_the_ball_evenly(tiny, kind, count):
    config = NoiseConfig(method="random", kind=kind, device="cpu")
    delta, _ = run(config, tiny.train)
    assert delta.shape == (count, 3, 12, 12)
    assert 7.9 < float(delta.abs().max()) <= 8
    assert float(delta.std()) == pytest.approx(8 / 3**0.5, rel=0.06)
    assert abs(float(delta.mean())) < 0.5
    assert not torch.equal(delta[0], delta[1])
    assert torch.equal(delta, run(config, tiny.train)[0])
    assert not torch.equal(delta, run(replace(config, seed=1), tiny.train)[0])


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_error_maximising_noise_makes_a_trained_surrogate_err(coloured, surrogates, kind):
    data = coloured
    config = changed(replace(MAXIMISE, kind=kind), stop_error=0.9 if kind == "samplewise" else 0.6)
    delta, task = run(config, data)
    noisy = data.samples + (delta[data.labels] if kind == "classwise" else delta)
    (surrogate,) = surrogates
    assert delta.abs().max() <= 24
    assert surrogate.error_rate([(data.samples.float(), data.labels)]) < 0.1
    assert surrogate.error_rate([(noisy, data.labels)]) > 0.5
    assert task.error >= config.options["stop_error"]


def test_error_maximising_noise_is_opposed_to_error_minimising(coloured, surrogates):
    data = coloured
    config = changed(replace(MAXIMISE, kind="samplewise"), stop_error=2.0, rounds=3)
    delta, _ = run(config, data)
    gradient = surrogates[0].input_gradient(data.samples.float(), data.labels)
    assert float((gradient * delta).sum()) > 0
    minimising, _ = run(changed(replace(config, method="em"), stop_error=0.0), data)
    assert float((gradient * minimising).sum()) < 0


def test_clean_training_takes_the_whole_set_every_epoch(tiny):
    config = changed(replace(MAXIMISE, kind="samplewise"), rounds=1, train_steps=2, noise_steps=3, stop_error=2.0)
    _, task = run(config, tiny.train)
    assert task.passes == (2 + 3) * 48


def test_the_learning_rate_of_the_clean_training_falls_as_a_cosine(tiny, monkeypatch):
    rates, original = [], Surrogate.train_step

    def train_step(self, pixels, labels):
        rates.append(self.optimiser.param_groups[0]["lr"])
        return original(self, pixels, labels)

    monkeypatch.setattr(Surrogate, "train_step", train_step)
    run(changed(MAXIMISE, batch_size=48, train_steps=4, rounds=1, learning_rate=0.1), tiny.train)
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)])
