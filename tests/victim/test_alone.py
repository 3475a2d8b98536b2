"""A learner alone has nothing but what was published: no original changes a bit of what it does."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench.catalogue import DEFENCES
from workbench.config import VictimConfig
from workbench.data.augment import AUGMENTATIONS
from workbench.victim import module
from workbench.victim import train as training
from workbench.victim.composed import prepared
from workbench.victim.defences import purifier, self_training

ALONE = [name for name, entry in DEFENCES.items() if entry.module and not entry.help and "image" in entry.spaces]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(self_training, "STEPS", 20)
    monkeypatch.setattr(self_training, "TEACHER", "convnet-w4")
    monkeypatch.setattr(purifier, "STEPS", 10)


def striped(clean):
    """With checks by class: of two signs, or none."""
    checks = (torch.arange(12)[:, None] + torch.arange(12)) % 2 * 40 - 20
    signs = (clean.labels - 1)[:, None, None, None]
    return replace(clean, samples=(clean.samples + checks * signs).clamp(0, 255).to(torch.uint8))


def done(name, data, originals):
    """All that a defence does to a training set, to inputs, to a batch and to the loss."""
    carries = torch.ones(len(data), dtype=torch.bool)
    made = prepared(name, data, carries, seed=1, originals=originals)
    learnt = made.train_set(data, carries)
    pixels = made.batch(made.inputs(learnt.samples[:12]), draw())
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 3))
    x, y = made.loss_batch(network, pixels.float(), learnt.labels[:12], draw(1))
    held = made.held.samples if made.held else torch.zeros(0)
    return [learnt.samples, learnt.labels, made.inputs(data.samples), pixels, x, y, held]


@pytest.mark.parametrize("name", [*ALONE, "grayscale+notch", "class-mean+early-stop"])
def test_originals_change_nothing_for_a_learner_alone(name, patterned):
    clean = patterned(60)
    data = striped(clean)
    without, beside = done(name, data, None), done(name, data, clean)
    other = done(name, data, replace(clean, samples=255 - clean.samples))
    for first, second, third in zip(without, beside, other, strict=True):
        assert torch.equal(first, second)
        assert torch.equal(first, third)


@pytest.mark.parametrize("name", ["none", "notch", "class-mean", "orthogonal-projection", "grayscale+notch"])
def test_a_training_is_of_the_published_samples_and_tests_are_clean(name, tiny, monkeypatch):
    """What a defence finds it finds in the published ones, by hand; test samples pass through what it found."""
    shown, tested, step = [], [], module.Victim.validation_step
    monkeypatch.setitem(AUGMENTATIONS, "none", lambda pixels, draw: shown.append(pixels.clone()) or pixels)
    monkeypatch.setattr(module.Victim, "validation_step", lambda self, batch: tested.append(batch) or step(self, batch))
    data = striped(tiny.train)
    carries = torch.ones(len(data), dtype=torch.bool)
    config = VictimConfig(
        victim="convnet-w4", epochs=1, batch_size=16, learning_rate=0.05, weight_decay=5e-4, augmentation="none",
        defence=name, seed=1, device="cpu",
    )  # fmt: skip
    training.train(config, tiny, data, carries)
    made = prepared(name, data, carries, seed=1)
    learnt = made.inputs(made.train_set(data, carries).samples)
    assert sorted(image.numpy().tobytes() for image in torch.cat(shown)) == sorted(i.numpy().tobytes() for i in learnt)
    assert torch.equal(torch.cat([pixels for pixels, _ in tested]), made.inputs(tiny.test.samples))
    clean = prepared(name, tiny.train, carries, seed=1)
    assert not torch.equal(learnt, clean.inputs(clean.train_set(tiny.train, carries).samples))
    if "notch" in name:
        assert not torch.equal(made.inputs(tiny.test.samples), clean.inputs(tiny.test.samples))
