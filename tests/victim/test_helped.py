"""What a learner does with some originals: which are put in, and what a network learns from pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.catalogue import DEFENCES
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defences import helped

SHARES = [name for name in DEFENCES if name.startswith("clean-share-")]
HELPED = [*SHARES, *(name for name in DEFENCES if name.startswith("pairs-"))]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(name: str, data: Dataset, originals: Dataset, seed: int = 0) -> Dataset:
    carries = torch.ones(len(data), dtype=torch.bool)
    return prepared(name, data, carries, seed=seed, originals=originals).train_set(data, carries)


def all_changed(data: Dataset) -> Dataset:
    """Every pixel is another one."""
    return replace(data, samples=data.samples ^ 255)


def replaced(found: Dataset, data: Dataset) -> torch.Tensor:
    return (found.samples != data.samples).flatten(1).any(1)


@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_every_class_is_the_originals(name, patterned):
    clean: Dataset = patterned(130)
    data, share = all_changed(clean), DEFENCES[name].given["share"]
    before = data.samples.clone()
    mixed = torch.randperm(130, generator=draw())
    found = changed(name, data, clean.subset(mixed))  # found by name, in whatever order
    mine = replaced(found, data)
    assert torch.equal(found.samples[mine], clean.samples[mine])
    for label in range(3):
        count = int((clean.labels == label).sum())
        assert int(mine[clean.labels == label].sum()) == max(1, int(count * share / 100))
    assert torch.equal(data.samples, before)
    assert (found.names, found.labels.tolist()) == (data.names, data.labels.tolist())
    again, other = changed(name, data, clean), changed(name, data, clean, seed=1)
    assert torch.equal(found.samples, again.samples)
    assert not torch.equal(found.samples, other.samples)


@pytest.mark.parametrize("name", SHARES)
def test_a_larger_share_holds_the_smaller_one(name, patterned):
    clean: Dataset = patterned(130)
    data = all_changed(clean)
    most = replaced(changed("clean-share-10", data, clean), data)
    assert bool(most[replaced(changed(name, data, clean), data)].all())


@pytest.mark.parametrize("name", HELPED)
def test_without_the_originals_it_is_refused_in_one_line(name, patterned):
    data, carries = patterned(600), torch.ones(600, dtype=torch.bool)
    with pytest.raises(ConfigError, match=f"^defence {name}: it needs the originals$"):
        prepared(name, data, carries)
    with pytest.raises(ConfigError, match=f"^defence {name}: it needs the originals$"):
        named(name).train_set(data, carries)
    with pytest.raises(ConfigError, match=f"^defence {name}: the originals lack cat/0599.png$"):
        prepared(name, data, carries, originals=data.subset(torch.arange(599)))
    with pytest.raises(ConfigError, match=f"^defence {name}: the originals are of another size$"):
        prepared(name, data, carries, originals=replace(data, samples=data.samples[..., :8]))


def test_fewer_samples_than_pairs_are_refused(patterned):
    data = patterned(49)
    with pytest.raises(ConfigError, match=r"^defence pairs-50: there are 49 samples, it needs 50 or more$"):
        prepared("pairs-50", data, torch.ones(49, dtype=torch.bool), originals=data)


def test_names_that_come_twice_are_found(patterned):
    """As leave-out returns them, which goes before in a composition."""
    clean: Dataset = patterned(12)
    data = all_changed(clean).subset(torch.arange(12).repeat(2))
    found = changed("clean-share-10", data, clean)
    mine = replaced(found, data)
    assert int(mine.sum()) == 3
    assert torch.equal(found.samples[mine], clean.samples.repeat(2, 1, 1, 1)[mine])


def noisy(clean: Dataset, own: bool) -> Dataset:
    """Checks of ±20, of an image's own strength and sign or of one sign for a class."""
    height, width = clean.samples.shape[2:]
    checks = ((torch.arange(height)[:, None] + torch.arange(width)) % 2 * 2 - 1) * 20
    signs = torch.rand(len(clean), generator=draw(5)) * 2 - 1 if own else torch.tensor([-1, 1, 1])[clean.labels]
    pixels = (clean.samples + checks * signs[:, None, None, None]).round().clamp(0, 255).to(torch.uint8)
    return replace(clean, samples=pixels)


def plain(count: int, shape: tuple[int, ...]) -> Dataset:
    """Coarse squares of random colours."""
    labels = torch.arange(count) % 3
    squares = torch.randint(60, 196, (count, shape[0], 4, 4), generator=draw(3))
    pixels = squares.repeat_interleave(5, 2).repeat_interleave(5, 3)[:, :, : shape[1], : shape[2]].to(torch.uint8)
    return Dataset(pixels, labels, ("a", "b", "c"), tuple(f"{i}.png" for i in range(count)))


def error(found: Dataset, clean: Dataset) -> float:
    return float((found.samples.float() - clean.samples).square().mean())


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("shape", [(3, 14, 11), (1, 12, 12)])
def test_noise_is_taken_off_samples_that_were_no_pairs(shape, own, monkeypatch):
    monkeypatch.setattr(helped, "STEPS", 150)
    clean = plain(120, shape)
    data = noisy(clean, own)
    before = data.samples.clone()
    mine = torch.randperm(120, generator=helped.generator(torch.device("cpu"), 0, helped.Stream.HELPED, 1))
    others = mine[50:]
    found = changed("pairs-50", data, clean)
    assert error(found.subset(others), clean.subset(others)) < 0.3 * error(data.subset(others), clean.subset(others))
    assert torch.equal(data.samples, before)
    assert (found.samples.dtype, found.samples.shape) == (torch.uint8, data.samples.shape)
    assert (found.names, found.labels.tolist()) == (data.names, data.labels.tolist())


def test_purifying_is_of_the_seed_alone_and_of_the_pairs_alone(monkeypatch):
    monkeypatch.setattr(helped, "STEPS", 40)
    clean = plain(80, (3, 12, 12))
    data = noisy(clean, True)
    one, again, other = (changed("pairs-50", data, clean, seed).samples for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    mine = torch.randperm(80, generator=helped.generator(torch.device("cpu"), 0, helped.Stream.HELPED, 1))[:50]
    hidden = clean.samples.clone()
    hidden[[i for i in range(80) if i not in set(mine.tolist())]] = 0  # the originals that it may not see
    assert torch.equal(one, changed("pairs-50", data, replace(clean, samples=hidden)).samples)


def test_what_a_class_has_in_common_is_its_mean_noise_and_for_a_pair_that_of_the_others():
    noise = torch.randn(7, 1, 2, 3, generator=draw())
    labels = torch.tensor([0, 0, 2, 0, 2, 0, 3])
    common = helped.Common(noise, labels, 5)
    pixels, which = noise.numpy().astype(float), labels.tolist()
    for label in range(5):
        mine = [pixels[i] for i in range(7) if which[i] == label]
        naive = np.mean(mine, 0) if mine else np.zeros((1, 2, 3))
        assert np.allclose(common.mean(torch.tensor([label]))[0].numpy(), naive, atol=1e-5)
    for i, ours in enumerate(common.of_others(torch.arange(7)).numpy()):
        others = [pixels[j] for j in range(7) if which[j] == which[i] and j != i]
        assert np.allclose(ours, np.mean(others, 0) if others else 0, atol=1e-5)


@pytest.mark.parametrize("sides", [(12, 12), (33, 7), (1, 2), (50, 40)])
def test_the_network_takes_any_size_and_begins_with_doing_nothing(sides):
    pixels = torch.randint(0, 256, (6, 3, *sides), dtype=torch.uint8, generator=draw())
    found = helped.UNet(3)(pixels.float(), torch.ones(pixels.shape))
    assert found.shape == pixels.shape
    assert not found.any()


def test_large_images_are_learnt_from_in_crops():
    images = torch.arange(50 * 60).view(1, 1, 50, 60).expand(4, -1, -1, -1)
    found = helped._crop(images, draw())
    assert found.shape == (4, 1, 32, 32)
    top, left = divmod(int(found[0, 0, 0, 0]), 60)
    assert torch.equal(found, images[:, :, top : top + 32, left : left + 32])
    assert helped._crop(images[..., :9], draw()).shape == (4, 1, 32, 9)
