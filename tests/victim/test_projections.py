"""Class means and orthogonal projection: written a second time, and what they leave of noise that a class shares."""

import numpy as np
import pytest
import torch

from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defences import projections

NAMES = ["class-mean", "orthogonal-projection"]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(name: str, data: Dataset, seed: int = 0) -> Dataset:
    carries = torch.ones(len(data), dtype=torch.bool)
    return prepared(name, data, carries, seed=seed).train_set(data, carries)


def shortcut(count: int = 300, shape: tuple[int, ...] = (3, 12, 10), size: int = 16) -> tuple[Dataset, torch.Tensor]:
    """Smooth random images without content, with one pattern a class; and the patterns."""
    labels = torch.arange(count) % 3
    pixels = torch.randn(count, *shape, generator=draw(1)) * 12 + 128
    noise = torch.randint(0, 2, (3, *shape), generator=draw(2)) * 2.0 * size - size
    whole = (pixels + noise[labels]).round().clamp(0, 255).to(torch.uint8)
    return Dataset(whole, labels, ("a", "b", "c"), tuple(f"{i}.png" for i in range(count))), noise


def told_apart(data: Dataset, noise: torch.Tensor) -> float:
    """How far the classes' means differ along the patterns, of 1 for all of it."""
    means = torch.stack([data.samples[data.labels == k].float().mean(0) for k in range(3)]).flatten(1)
    off, pattern = means - means.mean(0), (noise - noise.mean(0)).flatten(1)
    return float((off * pattern).sum() / pattern.square().sum())


def naive_class_mean(data: Dataset) -> np.ndarray:
    pixels = data.samples.numpy().astype(float)
    found = np.empty_like(pixels)
    for i, label in enumerate(data.labels.tolist()):
        mean = np.mean([pixels[j] for j in range(len(pixels)) if data.labels[j] == label], 0)
        found[i] = np.clip(np.round(pixels[i] - (mean - pixels.mean(0))), 0, 255)
    return found


def test_class_means_become_one(patterned):
    data: Dataset = patterned(40)
    found = changed("class-mean", data)
    # Means in another order of sums may round the other way at a half.
    off = np.abs(found.samples.numpy().astype(float) - naive_class_mean(data))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_an_image_is_rounded_and_cut_not_wrapped():
    pixels = torch.tensor([0, 255, 10, 20], dtype=torch.uint8).view(4, 1, 1, 1).expand(-1, 1, 2, 3).contiguous()
    data = Dataset(pixels, torch.tensor([0, 0, 1, 1]), ("a", "b"), ("0", "1", "2", "3"))
    # The means are 127.5, 15 and 71.25.
    assert changed("class-mean", data).samples[:, 0, 0, 0].tolist() == [0, 199, 66, 76]


@pytest.mark.parametrize("name", [*NAMES, "orthogonal-projection-strong"])
def test_it_takes_the_noise_of_a_class_and_leaves_the_data_alone(name):
    data, noise = shortcut()
    before = data.samples.clone()
    found = changed(name, data)
    assert told_apart(data, noise) > 0.9
    assert abs(told_apart(found, noise)) < 0.1
    assert torch.equal(data.samples, before)
    assert (found.samples.dtype, found.samples.shape) == (torch.uint8, data.samples.shape)
    assert (found.names, found.labels.tolist()) == (data.names, data.labels.tolist())
    assert float(found.samples.float().mean() - data.samples.float().mean()) == pytest.approx(0, abs=1)
    assert named(name).inputs(data.samples) is data.samples


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_grey_images_and_a_class_without_samples(name, patterned):
    grey: Dataset = patterned(30, channels=1)
    found = changed(name, grey.subset((grey.labels != 1).nonzero()[:, 0]))
    assert found.samples.shape == (20, 1, 12, 12)


def naive_weights(data: Dataset, seed: int) -> np.ndarray:
    """The regression sample by sample, on the start and the order that were drawn."""
    made = named("orthogonal-projection")
    made.seed = seed
    chance = projections.generator(torch.device("cpu"), seed, projections.Stream.LEARNER, 0)
    pixels = data.samples.flatten(1).numpy() / 255
    size, classes = pixels.shape[1], len(data.classes)
    weight = ((torch.rand(classes, size, generator=chance) * 2 - 1) / size**0.5).numpy().astype(float)
    for epoch in range(980):  # of one batch each
        rate = 0.1 if epoch < 490 else 0.01 if epoch < 735 else 0.001
        torch.randperm(len(data), generator=chance)  # one batch: its order is nothing
        gradient = np.zeros_like(weight)
        for i, label in enumerate(data.labels.tolist()):
            logits = weight @ pixels[i]
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
            for k in range(classes):
                gradient[k] += (shares[k] - (k == label)) * pixels[i] / len(data)
        weight -= rate * gradient
    return weight


def test_the_regression_and_the_projection_are_the_papers():
    data, _ = shortcut(30, (1, 5, 4))
    made = prepared("orthogonal-projection", data, torch.ones(30, dtype=torch.bool), seed=4)
    weight = naive_weights(data, 4)
    assert isinstance(made, projections.OrthogonalProjection)
    assert np.allclose(made.weights(data).numpy(), weight, atol=1e-5)
    found = made.train_set(data, torch.ones(30, dtype=torch.bool)).samples.numpy()
    pixels = data.samples.flatten(1).numpy().astype(float)
    onto = weight.T @ np.linalg.inv(weight @ weight.T) @ weight  # QQᵀ without a QR
    naive = pixels - pixels @ onto + (pixels.mean(0) @ onto)
    assert np.abs(found.reshape(30, -1) - np.clip(np.round(naive), 0, 255)).max() <= 1


def test_large_sets_are_passed_over_twenty_times(monkeypatch, patterned):
    """Fifty steps an epoch, here of one image each; a set of 50 at once gets as many steps."""
    passes = []
    monkeypatch.setattr(projections.torch, "randperm", lambda n, **more: passes.append(n) or torch.arange(n))
    for batch in (1, 50):
        monkeypatch.setattr(projections, "BATCH", batch)
        changed("orthogonal-projection", patterned(50))
        assert len(passes) == (20 if batch == 1 else 980)
        passes.clear()


def test_the_projection_is_of_the_seed_alone(patterned):
    data: Dataset = patterned(40)
    one, again, other = (changed("orthogonal-projection", data, seed).samples for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(one, changed("orthogonal-projection-strong", data).samples)


STRONG = "orthogonal-projection-strong"


def test_the_strong_augmentation_draws_for_each_image(patterned):
    same = patterned(1).samples.expand(64, -1, -1, -1).clone()
    before = same.clone()
    found = named(STRONG).batch(same, draw())
    assert (found.shape, found.dtype) == (same.shape, torch.uint8)
    assert len({image.numpy().tobytes() for image in found}) > 60
    assert torch.equal(found, named(STRONG).batch(same, draw()))
    assert not torch.equal(found, named(STRONG).batch(same, draw(1)))
    assert torch.equal(same, before)
    assert named(STRONG).batch(same[:, :1, :, :9], draw()).shape == (64, 1, 12, 9)


def naive_affine(image: np.ndarray, angle: float, shear: float, scale: float) -> np.ndarray:
    """Every pixel from where it came: rotation after shear after scale, about the middle, in pixels."""
    height, width = image.shape[1:]
    forward = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = forward @ np.array([[1, np.tan(shear)], [0, 1]])
    found = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            x, y = np.linalg.solve(forward, [j - (width - 1) / 2, i - (height - 1) / 2])
            x, y = x + (width - 1) / 2, y + (height - 1) / 2
            for row, down in ((int(np.floor(y)), 1 - y % 1), (int(np.floor(y)) + 1, y % 1)):
                for column, right in ((int(np.floor(x)), 1 - x % 1), (int(np.floor(x)) + 1, x % 1)):
                    if 0 <= row < height and 0 <= column < width:
                        found[:, i, j] += down * right * image[:, row, column]
    return found


def test_images_are_turned_sheared_and_scaled_by_what_was_drawn(patterned):
    images = patterned(6).samples[:, :, :, :9]  # not square
    drawn = (torch.rand(3, 6, generator=draw(3)) * 2 - 1).numpy().astype(float)
    found = projections.affine(images, draw(3))
    for image, ours, angle, shear, scale in zip(images.numpy(), found.numpy(), *drawn, strict=True):
        naive = naive_affine(image.astype(float), np.radians(10 * angle), np.radians(10 * shear), 1 + 0.2 * scale)
        assert np.abs(ours - naive).max() < 1


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_change_by_what_was_drawn(patterned, channels):
    images = patterned(6, channels=channels).samples
    light, contrast, colour = 1 + 0.2 * (torch.rand(3, 6, generator=draw(3)) * 2 - 1).numpy().astype(float)
    weights = np.array([0.299, 0.587, 0.114] if channels == 3 else [1.0])
    for i, (image, ours) in enumerate(zip(images.numpy(), projections.jitter(images, draw(3)).numpy(), strict=True)):
        naive = np.clip(image * light[i], 0, 255)
        grey = np.tensordot(weights, naive, 1).mean()
        naive = np.clip(contrast[i] * naive + (1 - contrast[i]) * grey, 0, 255)
        grey = np.tensordot(weights, naive, 1)
        assert np.abs(ours - np.clip(colour[i] * naive + (1 - colour[i]) * grey, 0, 255)).max() < 1


def test_about_every_other_batch_is_cut_and_mixed(patterned):
    data: Dataset = patterned(12)
    made = prepared(STRONG, data, torch.ones(12, dtype=torch.bool))
    pixels, count = data.samples.float(), 0
    for seed in range(60):
        x, y = made.loss_batch(torch.nn.Identity(), pixels, data.labels, draw(seed))
        if y is data.labels:
            assert x is pixels
        else:
            count += 1
            assert y.shape == (12, 3)
            assert torch.allclose(y.sum(1), torch.ones(12))
    assert 18 < count < 42
