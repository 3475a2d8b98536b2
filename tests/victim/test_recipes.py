"""The recipes' training, written a second time by hand: optimisers, rates and clipping, step by step."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench import models
from workbench.config import VictimConfig
from workbench.data.batches import Stream, generator
from workbench.victim import recipes
from workbench.victim import train as training
from workbench.victim.exposure import expose

MOMENTUM, CLIP = 0.9, 5.0
CONFIG = VictimConfig(
    victim="convnet-w4", epochs=4, batch_size=20, learning_rate=0.1, weight_decay=0.05, augmentation="none",
    device="cpu",
)  # fmt: skip
KINDS = [("sgd", "cosine"), ("sgd", "constant"), ("sgd", "one-cycle"), ("adamw", "constant"), ("adamw", "one-cycle")]


class Steps:
    """SGD with momentum or AdamW (Loshchilov and Hutter, 2019) on one tensor, number by number."""

    def __init__(self, weight, optimiser, decay):
        self.weight, self.optimiser, self.decay = weight.double().clone(), optimiser, decay
        self.velocity, self.square, self.count = torch.zeros(weight.shape), torch.zeros(weight.shape), 0

    def take(self, gradient, rate):
        gradient, self.count = gradient.double(), self.count + 1
        if self.optimiser == "sgd":
            self.velocity = MOMENTUM * self.velocity + gradient + self.decay * self.weight
            self.weight = self.weight - rate * self.velocity
            return
        self.velocity = 0.9 * self.velocity + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.velocity / (1 - 0.9**self.count), self.square / (1 - 0.999**self.count)
        self.weight = self.weight - rate * self.decay * self.weight - rate * mean / (square.sqrt() + 1e-8)


def rate_by_hand(schedule, step, steps, peak, warmup):
    if schedule == "constant":
        return peak
    climbing = steps * (0.3 if schedule == "one-cycle" else warmup)
    if step < climbing:
        return peak * (step + 1) / (climbing + 1)
    return peak * math.cos(math.pi / 2 * (step - climbing) / (steps - climbing)) ** 2


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_an_optimiser_steps_as_its_formula(optimiser):
    draw = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(5, 3, generator=draw, dtype=torch.float64))
    config = replace(CONFIG, optimiser=optimiser, learning_rate=0.03, weight_decay=0.2)
    ours, naive = recipes.optimiser(config, [weight]), Steps(weight.data, optimiser, 0.2)
    for _ in range(4):
        gradient = torch.randn(5, 3, generator=draw, dtype=torch.float64)
        weight.grad = gradient.clone()
        ours.step()
        naive.take(gradient, 0.03)
        torch.testing.assert_close(weight.data, naive.weight)


@pytest.mark.parametrize(("optimiser", "schedule"), KINDS)
@pytest.mark.parametrize("source", ["photo-digits", "cifar10"])  # with a warm-up and without one
def test_a_training_is_these_steps_on_clipped_gradients(tiny, monkeypatch, optimiser, schedule, source):
    """Of a linear network, whose gradient is known: its first weights are so large that clipping shows."""
    network = nn.Sequential(models.ToUnit(), nn.Flatten(), nn.Linear(3 * 12 * 12, 3, bias=False))
    begin = torch.randn(3, 3 * 12 * 12, generator=torch.Generator().manual_seed(1))
    network[2].weight.data.copy_(begin)
    monkeypatch.setattr(training.models, "for_data", lambda *given, **more: network)
    peak = 0.1 if optimiser == "sgd" else 1e-3
    config = replace(CONFIG, optimiser=optimiser, schedule=schedule, learning_rate=peak, seed=5)
    data = replace(tiny, name=source)
    training.train(config, data, *expose(data.train, None, config))

    naive, step, clipped = Steps(begin, optimiser, 0.05), 0, 0
    pixels, labels = data.train.samples.flatten(1).double() / 255, data.train.labels
    for epoch in range(4):
        order = torch.randperm(48, generator=generator(torch.device("cpu"), 5, Stream.ORDER, epoch))
        for batch in (order[:20], order[20:40], order[40:]):
            wrong = (pixels[batch] @ naive.weight.T).softmax(1) - torch.eye(3)[labels[batch]]
            gradient = wrong.T @ pixels[batch] / len(batch)
            clipped += bool(gradient.norm() > CLIP)
            gradient = gradient * min(1.0, CLIP / float(gradient.norm()))
            warmup = {"photo-digits": 0.2, "cifar10": 0.0}[source]
            naive.take(gradient, rate_by_hand(schedule, step, 12, peak, warmup))
            step += 1
    assert clipped >= 2
    moved = (naive.weight - begin).abs().max()
    assert float((network[2].weight.data - naive.weight).abs().max()) < 2e-3 * float(moved)


def test_one_cycle_climbs_for_three_tenths_whatever_the_warm_up_and_constant_never_moves():
    for warmup in (0.0, 0.2):
        config = replace(CONFIG, schedule="one-cycle")
        shares = [recipes.share(config, step, 100, warmup) for step in range(100)]
        assert shares[0] < 0.05
        assert shares[:31] == sorted(shares[:31])
        assert shares[30:] == sorted(shares[30:], reverse=True)
        assert (max(shares), shares.index(max(shares))) == (1, 30)
        assert shares[-1] < 0.01
        constant = replace(CONFIG, schedule="constant")
        assert {recipes.share(constant, step, 100, warmup) for step in range(100)} == {1.0}


@pytest.mark.parametrize("name", ["convnet-w4", "resnet9-w4"])
def test_heads_pool_as_they_are_called(name, patterned):
    """The same weights behind both; features of the last stage, then their largest or their mean."""
    pixels = patterned(6, side=16).samples.float()
    most, mean = (models.build(name + head, channels=3, classes=3, side=16, seed=0).eval() for head in ("", "-avg"))
    mean.load_state_dict(most.state_dict())
    with torch.no_grad():
        found = most[1][:-3](most[0](pixels)).flatten(2)
        assert found.shape[2] > 1
        for network, pooled in ((most, found.amax(2)), (mean, found.mean(2))):
            torch.testing.assert_close(network(pixels), network[1][-1](pooled))
        assert not torch.allclose(most(pixels), mean(pixels))
