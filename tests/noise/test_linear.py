"""`linear`: the closed gradient against autograd, the shape of the noise, and going on after an interruption."""

from dataclasses import replace

import pytest
import torch
from searches import changed, run, task_of
from torch.nn import functional

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.files import mapped
from workbench.noise import linear
from workbench.noise.linear import BLOCK, TARGET_SHARE, LinearClassifier
from workbench.noise.perturbation import FILE_NAME, Perturbation

CONFIG = NoiseConfig.of(
    method="linear",
    surrogate="linear",
    batch_size=16,
    rounds=8,
    noise_steps=12,
    step=1.5,
    epsilon=8,
    learning_rate=0.1,
    device="cpu",
)


def untrained(data) -> LinearClassifier:
    return LinearClassifier(task_of(CONFIG, data), 0.1)


def test_gradient_is_that_of_the_papers_loss(patterned):
    data = patterned(9)
    classifier = untrained(data)
    seen, labels = classifier.seen(data).double() / 255, data.labels
    weights = classifier.weights.double()
    noise_values = (torch.rand(seen.shape, dtype=torch.float64) - 0.5).requires_grad_()
    target = functional.cross_entropy(-noise_values @ weights.T, labels, reduction="sum")
    spread = ((seen + noise_values) @ weights.T).log_softmax(1)
    uniform = functional.kl_div(spread, torch.full_like(spread, 1 / 3), reduction="sum")
    (TARGET_SHARE * target + (1 - TARGET_SHARE) * uniform).backward()
    classifier.weights = weights
    found = classifier.coefficients(seen @ weights.T, noise_values.detach() @ weights.T, labels) @ weights
    torch.testing.assert_close(found, noise_values.grad)


def test_training_step_is_sgd_with_momentum_on_the_cross_entropy(patterned):
    data = patterned(30)
    classifier = untrained(data)
    seen = classifier.seen(data).float() / 255
    weights = classifier.weights.clone().requires_grad_()
    optimiser = torch.optim.SGD([weights], lr=0.1, momentum=linear.MOMENTUM)
    for _ in range(3):
        classifier.train_step(seen, data.labels)
        optimiser.zero_grad()
        functional.cross_entropy(seen @ weights.T, data.labels).backward()
        optimiser.step()
    torch.testing.assert_close(classifier.weights, weights.detach())


def test_what_is_seen_are_the_means_of_blocks(patterned):
    data = patterned(5)
    seen = untrained(data).seen(data)
    side = 12 // BLOCK
    first = data.samples[2, 1, :BLOCK, BLOCK : 2 * BLOCK].float().mean().round()
    assert seen.view(5, 3, side, side)[2, 1, 0, 1] == first


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_noise_keeps_the_budget_is_constant_on_blocks_and_names_the_class(patterned, monkeypatch, kind):
    made, train_step = set(), LinearClassifier.train_step
    monkeypatch.setattr(LinearClassifier, "train_step", lambda self, *of: (made.add(self), train_step(self, *of))[1])
    data = patterned(60)
    found, task = run(replace(CONFIG, kind=kind), data)
    assert found.dtype == torch.int8
    assert found.abs().max() <= 8
    assert len(found) == (3 if kind == "classwise" else 60)
    corners = found[:, :, ::BLOCK, ::BLOCK].repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)
    assert torch.equal(found, corners)
    labels = torch.arange(3) if kind == "classwise" else data.labels
    (classifier,) = made
    means = functional.avg_pool2d(found.float(), classifier.block).flatten(1)
    assert ((-means @ classifier.weights.T).argmax(1) == labels).all()
    assert task.error < 0.4


def test_blocks_need_a_side_they_divide(patterned):
    odd = patterned(12, side=13)
    found, _ = run(CONFIG, odd)
    assert found.shape == odd.samples.shape


def test_seed_decides(patterned):
    data = patterned(24)
    one, again = (run(CONFIG, data)[0] for _ in range(2))
    other, _ = run(replace(CONFIG, seed=1), data)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_parts_do_not_change_what_an_image_gets_but_for_its_start(patterned, monkeypatch):
    data = patterned(30)
    monkeypatch.setattr(mapped, "PART", 10)
    found, task = run(CONFIG, data)
    assert task.passes == 30 * (8 + 12)
    assert (found != 0).flatten(1).any(1).all()


def test_interrupted_between_parts_goes_on_to_the_same_noise(patterned, monkeypatch, tmp_path):
    data = patterned(30)
    monkeypatch.setattr(mapped, "PART", 10)
    monkeypatch.setattr(mapped, "parts", lambda count, size=10: iter([slice(k, k + 10) for k in range(0, count, 10)]))
    whole, _ = run(CONFIG, data)
    calls, make = [], linear.samplewise

    def stopped(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return make(*arguments)

    monkeypatch.setattr(linear, "samplewise", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, data, folder=tmp_path)
    assert (tmp_path / mapped.STARTED).stat().st_size == data.samples.numel()
    resumed, _ = run(CONFIG, data, folder=tmp_path)
    assert torch.equal(resumed, whole)
    assert calls == [0, 10, 10, 20]  # the first part was not made again


def test_a_search_that_is_over_is_forgotten(tiny, tmp_path):
    config = noise.resolved(replace(changed(CONFIG, rounds=2), data="photo-digits"), "photo-digits")
    found, _ = noise.make(config, tiny.train, folder=tmp_path)
    assert (tmp_path / mapped.STARTED).is_file()
    found.save(tmp_path / FILE_NAME)
    noise.forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert torch.equal(Perturbation.load(tmp_path).delta, found.delta)


def test_it_names_no_network_and_only_one_device():
    assert noise.resolved(NoiseConfig(method="linear"), "photo-digits").surrogate == "linear"
    with pytest.raises(ConfigError, match="one device only"):
        noise.resolved(NoiseConfig(method="linear", devices=2), "photo-digits")
