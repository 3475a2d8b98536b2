"""The purifier: its loss written a second time, that it is of the seed alone, and what it leaves of a class's noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defences import purifier


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def purified(data: Dataset, seed: int = 0) -> Dataset:
    carries = torch.ones(len(data), dtype=torch.bool)
    return prepared("purifier", data, carries, seed=seed).train_set(data, carries)


def plain(count: int, shape: tuple[int, ...]) -> Dataset:
    """Coarse squares of random brightness, which tell nothing of the class."""
    squares = torch.randint(60, 196, (count, shape[0], 3, 3), generator=draw(3))
    pixels = squares.repeat_interleave(6, 2).repeat_interleave(6, 3)[:, :, : shape[1], : shape[2]].to(torch.uint8)
    names = tuple(f"{i}.png" for i in range(count))
    return Dataset(pixels, torch.arange(count) % 3, ("a", "b", "c"), names)


def noise_of(shape: tuple[int, ...], labels: torch.Tensor, size: int = 16) -> torch.Tensor:
    return (torch.randint(0, 2, (3, *shape), generator=draw(4)) * 2 * size - size)[labels]


@pytest.mark.parametrize("shape", [(3, 16, 13), (1, 12, 16)])
def test_little_is_left_of_noise_that_the_class_foretells(shape, monkeypatch):
    monkeypatch.setattr(purifier, "STEPS", 120)
    clean = plain(150, shape)
    noise = noise_of(shape, clean.labels)
    data = replace(clean, samples=(clean.samples + noise).clamp(0, 255).to(torch.uint8))
    before = data.samples.clone()
    found = purified(data)
    off = found.samples.float() - clean.samples
    left = float((off * noise).sum() / noise.square().sum())
    assert abs(left) < 0.3
    means = clean.samples.float().mean((2, 3))
    images = np.corrcoef(found.samples.float().mean((2, 3)).flatten().numpy(), means.flatten().numpy())[0, 1]
    assert images > 0.8  # and the images are still there
    assert torch.equal(data.samples, before)
    assert (found.samples.dtype, found.samples.shape) == (torch.uint8, data.samples.shape)
    assert (found.names, found.labels.tolist()) == (data.names, data.labels.tolist())
    assert named("purifier").inputs(data.samples) is data.samples


def test_the_loss_is_two_errors_and_the_information():
    data = plain(6, (3, 12, 9))
    network = purifier.Autoencoder((3, 12, 9), 3).eval()
    found = network.loss(data.samples, data.labels, draw(5)).item()
    mean, log_variance = (part.detach() for part in network.codes(data.samples))
    drawn = torch.randn(mean.shape, generator=draw(5))
    with torch.no_grad():
        code = mean + log_variance.exp().sqrt() * drawn
        embedded = network.classes.weight[data.labels].view(mean.shape)
        image = network.decode(code)[:, :, :12, :9].numpy().astype(float)
        part = network.foretell(torch.cat([code, embedded], 1))[:, :, :12, :9].numpy().astype(float)
    pixels = data.samples.numpy() / 255 - 0.5
    m, v = mean.numpy().astype(float), np.exp(log_variance.numpy().astype(float))
    nats = 0.0  # of the Gaussian of each number of a code against the standard one
    for one, variance in zip(m.ravel(), v.ravel(), strict=True):
        nats += (variance + one**2 - 1 - np.log(variance)) / 2
    errors = np.mean((pixels - image) ** 2) + np.mean((pixels - image - part) ** 2)
    assert found == pytest.approx(100 * errors + 3 * max(0, nats / pixels.size - 0.1), rel=1e-4)


def test_it_is_of_the_seed_alone(monkeypatch):
    monkeypatch.setattr(purifier, "STEPS", 5)
    data = plain(20, (3, 12, 12))
    one, again, other = (purified(data, seed).samples for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("side", "batch"), [(8, 64), (32, 64), (64, 16), (256, 8)])
def test_larger_images_come_fewer_at_a_time(side, batch, monkeypatch):
    monkeypatch.setattr(purifier, "STEPS", 2)
    met = []

    def loss(network, samples, labels, draw):
        met.append(len(samples))
        return sum(parameter.sum() for parameter in network.parameters())

    monkeypatch.setattr(purifier.Autoencoder, "loss", loss)
    data = replace(plain(3, (1, 8, 8)), samples=torch.zeros(3, 1, side, side, dtype=torch.uint8))
    purifier.fitted(data, 0)
    assert met == [batch, batch]


def test_images_that_are_too_small_are_refused():
    tiny = plain(6, (3, 3, 12))
    with pytest.raises(ConfigError, match=r"^defence purifier: it needs images of 4 pixels a side or more$"):
        prepared("purifier", tiny, torch.ones(6, dtype=torch.bool))
