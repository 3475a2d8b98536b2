"""Stopping early: who is kept aside, that nobody learns from them, and that they are tested as published."""

from dataclasses import replace

import pytest
import torch

from workbench.config import ConfigError, VictimConfig
from workbench.data.augment import AUGMENTATIONS
from workbench.data.dataset import Dataset
from workbench.victim import train as training
from workbench.victim.composed import named, prepared

CONFIG = VictimConfig(
    victim="convnet-w4", epochs=2, batch_size=16, learning_rate=0.05, weight_decay=5e-4, augmentation="none",
    defence="early-stop", device="cpu",
)  # fmt: skip


def parts(data: Dataset, name: str = "early-stop", seed: int = 0) -> tuple[Dataset, Dataset]:
    """What is left to learn from, and what is kept aside."""
    carries = torch.ones(len(data), dtype=torch.bool)
    made = prepared(name, data, carries, seed=seed)
    learnt = made.train_set(data, carries)
    return learnt, made.held


def published(data: Dataset) -> Dataset:
    """As some tool left them: every pixel is another one."""
    return replace(data, samples=data.samples ^ 255)


def train(config, pair):
    data = published(pair.train)
    return training.train(config, pair, data, torch.ones(len(data), dtype=torch.bool))


def values(curve, split, metric="accuracy"):
    return [row["value"] for row in curve if (row["split"], row["metric"]) == (split, metric)]


@pytest.mark.parametrize(("count", "each"), [(48, 1), (120, 4), (6, 1), (94, 3)])
def test_a_tenth_of_every_class_is_kept_aside_and_at_least_one(patterned, count, each):
    data = patterned(count)
    learnt, held = parts(data)
    assert held.labels.bincount().tolist() == [each] * 3
    assert sorted(learnt.names + held.names) == sorted(data.names)
    assert not set(learnt.names) & set(held.names)
    place = {name: index for index, name in enumerate(data.names)}
    for part in (learnt, held):
        index = [place[name] for name in part.names]
        assert torch.equal(part.samples, data.samples[index])
        assert torch.equal(part.labels, data.labels[index])


def test_the_seed_says_who_and_it_is_not_the_first_ones(patterned):
    data = patterned(120)
    one, again, other = (set(parts(data, seed=seed)[1].names) for seed in (0, 0, 1))
    assert one == again != other
    assert one != set(data.names[: len(one)])


def test_a_class_of_one_sample_is_refused(patterned):
    data = patterned(7).subset(torch.tensor([0, 1, 3, 4, 6, 2]))
    with pytest.raises(ConfigError, match="one sample only"):
        prepared("early-stop", data, torch.ones(6, dtype=torch.bool))


def test_nobody_learns_from_who_is_kept_aside(tiny, monkeypatch):
    shown = []
    monkeypatch.setitem(AUGMENTATIONS, "none", lambda pixels, draw: shown.append(pixels.clone()) or pixels)
    train(CONFIG, tiny)
    learnt, held = parts(published(tiny.train))
    seen = {image.numpy().tobytes() for image in torch.cat(shown)}
    assert seen == {image.numpy().tobytes() for image in learnt.samples}
    assert not seen & {image.numpy().tobytes() for image in held.samples}


def test_they_are_tested_as_published_and_through_the_defence(tiny, monkeypatch):
    """Measured again, with the network of the last epoch, image by image."""
    networks, build = [], training.models.for_data
    monkeypatch.setattr(training.models, "for_data", lambda *a, **k: networks.append(build(*a, **k)) or networks[-1])
    curve = train(replace(CONFIG, defence="early-stop+grayscale", epochs=10), tiny)
    _, held = parts(published(tiny.train), "early-stop+grayscale")
    network = networks[0].eval()
    with torch.no_grad():
        coloured = torch.nn.functional.cross_entropy(network(held.samples.float()), held.labels)
    assert abs(values(curve, "held", "loss")[-1] - float(coloured)) > 0.1
    for split, part in (("held", held), ("test", tiny.test)):
        with torch.no_grad():
            logits = torch.cat([network(image[None].float()) for image in named("grayscale").inputs(part.samples)])
        right = float((logits.argmax(1) == part.labels).float().mean())
        loss = float(torch.nn.functional.cross_entropy(logits, part.labels))
        assert len(values(curve, split)) == 10
        assert values(curve, split)[-1] == pytest.approx(right)
        assert values(curve, split, "loss")[-1] == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("defence", ["none", "early-stop", "notch", "class-mean", "grayscale+early-stop"])
def test_no_test_sample_changes_what_is_learnt_or_chosen_by(tiny, defence):
    other = replace(tiny, test=replace(published(tiny.test), labels=tiny.test.labels.roll(1)))
    first, second = (train(replace(CONFIG, defence=defence), pair) for pair in (tiny, other))
    assert values(first, "test", "loss") != values(second, "test", "loss")
    for split in ("train", "held"):
        for metric in ("accuracy", "loss"):
            assert values(first, split, metric) == values(second, split, metric)
    assert bool(values(first, "held")) == ("early-stop" in defence)
