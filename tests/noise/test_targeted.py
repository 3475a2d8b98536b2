"""Noise that shows another class: what it does to the networks it was made against and to who learns from it."""

import pytest
import torch
from searches import check_goes_on, task_of

from workbench import models, noise
from workbench.config import ConfigError, NoiseConfig, VictimConfig
from workbench.data.batches import network_input
from workbench.data.dataset import DataPair
from workbench.noise import targeted
from workbench.victim.exposure import expose
from workbench.victim.train import train


def config(**changes):
    given = {"surrogate": "convnet-w4", "epsilon": 16, "batch_size": 24, "train_steps": 12, "rounds": 10} | changes
    return noise.resolved(NoiseConfig.of(method="targeted", device="cpu", **given), "photo-digits")


@pytest.mark.parametrize(("kind", "least"), [("samplewise", 0.5), ("classwise", 0.25)])
def test_a_network_trained_on_the_clean_images_sees_the_next_class(patterned, kind, least):
    data = patterned(96, seed=1, side=16)
    network = models.build("convnet-w4", channels=3, classes=3, side=16, seed=7)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(network_input(data.samples)), data.labels).backward()
        optimiser.step()
    network.eval()

    def share_of_next(images):
        return float((network(network_input(images)).argmax(1) == (data.labels + 1) % 3).float().mean())

    found, facts = noise.make(config(kind=kind, epsilon=60), data)
    assert share_of_next(data.samples) < 0.1
    assert share_of_next(found.apply(data)) > least  # of a network that the search never saw
    assert int(found.delta.short().abs().max()) <= 60
    assert facts["image_passes"] == 12 * 96 + 10 * 3 * 96


def test_who_learns_from_it_learns_less_than_from_random_noise(patterned):
    pair = DataPair(patterned(96, seed=1, side=16), patterned(60, seed=2, side=16), "photo-digits")
    made, _ = noise.make(config(epsilon=40), pair.train)
    random, _ = noise.make(noise.resolved(NoiseConfig(method="random", epsilon=40), "photo-digits"), pair.train)
    asked = VictimConfig(
        victim="convnet-w4", epochs=15, batch_size=8, learning_rate=0.1, weight_decay=5e-4, augmentation="none",
        device="cpu",
    )  # fmt: skip

    def learnt(found):
        curve = train(asked, pair, *expose(pair.train, found, asked))
        return [p["value"] for p in curve if (p["split"], p["metric"]) == ("test", "accuracy")][-1]

    assert learnt(random) > 0.8
    assert learnt(made) < learnt(random) - 0.3


def test_several_architectures_are_kept_at_several_ages(patterned):
    data = patterned(24, side=16)
    task = task_of(config(surrogate="convnet-w2+resnet9-w2"), data)
    ensemble = targeted.Ensemble(task, 0.1)
    ensemble.keep()
    ensemble.surrogates[0].train_step(data.samples.float(), data.labels)
    ensemble.keep()
    first, other, later, _ = ensemble.kept
    assert type(first) is type(later)
    weights = [next(network.parameters()) for network in (first, later, other)]
    assert not torch.equal(weights[0], weights[1])
    assert weights[0].shape != weights[2].shape or not torch.equal(weights[0], weights[2])

    again = targeted.Ensemble(task, 0.1)
    again.restore(ensemble.state())
    for one, same in zip(ensemble.kept, again.kept, strict=True):
        assert torch.equal(one(network_input(data.samples)), same(network_input(data.samples)))


@pytest.mark.parametrize("epochs", [1, 2, 5, 24, 32])
def test_ages_lie_within_the_training_and_end_with_it(epochs):
    ages = targeted.ages(epochs)
    assert max(ages) == epochs
    assert min(ages) >= 1
    assert len(ages) == min(epochs, targeted.AGES) or epochs < 2 * targeted.AGES


@pytest.mark.parametrize("stop", [2, 5])
def test_a_stopped_search_goes_on_to_the_very_same_noise(patterned, tmp_path, stop, monkeypatch):
    data = patterned(24, side=16)
    asked = config(train_steps=4, rounds=3)
    check_goes_on(asked, data, tmp_path, stop, monkeypatch)


def test_only_methods_with_an_ensemble_take_several_architectures():
    with pytest.raises(ConfigError, match="only targeted or robust-targeted takes several, em-joint one"):
        noise.resolved(NoiseConfig(method="em-joint", surrogate="convnet-w2+resnet9-w2"), "photo-digits")
    with pytest.raises(ConfigError, match="unknown architecture 'convnet'"):
        config(surrogate="convnet-w2+convnet")
