"""Self-training: what the teacher sees, what it keeps, and that its labels can be better than those given."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defences import self_training


def trained(data: Dataset, seed: int = 0) -> Dataset:
    carries = torch.ones(len(data), dtype=torch.bool)
    return prepared("self-training", data, carries, seed=seed).train_set(data, carries)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(self_training, "TEACHER", "convnet-w4")
    monkeypatch.setattr(self_training, "BATCH", 16)
    monkeypatch.setattr(self_training, "STEPS", 100)


def test_the_teacher_sees_grey_files_of_low_quality(patterned):
    data: Dataset = patterned(6)
    expected = named("jpeg-30").inputs(named("grayscale").inputs(data.samples))
    assert torch.equal(self_training.distorted(data.samples), expected)
    grey: Dataset = patterned(6, channels=1)
    assert torch.equal(self_training.distorted(grey.samples), named("jpeg-30").inputs(grey.samples))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_surest_are_kept_as_published_with_the_teachers_labels(quick, patterned, channels):
    data: Dataset = patterned(61, side=16, channels=channels)
    data = replace(data, samples=data.samples[..., :14])  # not square
    before = data.samples.clone(), data.labels.clone()
    found = trained(data)
    made = named("self-training")
    made.prepare(data, 0)
    copies = self_training.distorted(data.samples)
    logits = made.taught(replace(data, samples=copies))(copies.float()).detach().numpy().astype(float)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    order = sorted(range(61), key=lambda i: -shares[i].max())
    kept = sorted(order[: 61 * 70 // 100])
    assert found.names == tuple(data.names[i] for i in kept)
    assert found.labels.tolist() == [int(shares[i].argmax()) for i in kept]
    assert torch.equal(found.samples, data.samples[kept])
    assert torch.equal(data.samples, before[0])
    assert torch.equal(data.labels, before[1])


def test_it_is_of_the_seed_alone(quick, patterned):
    data: Dataset = patterned(60)
    one, again, other = (trained(data, seed) for seed in (0, 0, 1))
    assert (one.names, one.labels.tolist()) == (again.names, again.labels.tolist())
    assert (one.names, one.labels.tolist()) != (other.names, other.labels.tolist())


def test_wrong_labels_are_put_right(quick, patterned):
    """One label in five is wrong; the images, dark, grey or bright, say which class is meant."""
    data: Dataset = patterned(240)
    light = (data.labels * 70 + 20)[:, None, None, None]
    data = replace(data, samples=(data.samples // 4 + light).to(torch.uint8))
    wrong = torch.rand(240, generator=torch.Generator().manual_seed(1)) < 0.2
    published = replace(data, labels=torch.where(wrong, (data.labels + 1) % 3, data.labels))
    found = trained(published)
    true = dict(zip(data.names, data.labels.tolist(), strict=True))
    right = np.mean([true[name] == label for name, label in zip(found.names, found.labels.tolist(), strict=True)])
    assert len(found) == 168
    assert right > 0.95 > 0.85 > float((~wrong).float().mean())


def test_images_too_small_for_the_teacher_are_refused(patterned):
    small: Dataset = patterned(6, side=4)
    with pytest.raises(
        ConfigError, match=r"^defence self-training: its teacher needs images of 8 pixels a side or more$"
    ):
        prepared("self-training", small, torch.ones(6, dtype=torch.bool))
