"""`lsp` against a naive second writing, square by square; its points can be told apart by lines, its norms hold."""

import math

import numpy as np
import pytest
import torch
from searches import images, run

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.data.measures import linear_separability
from workbench.noise.lsp import APART, hypercube

CPU = torch.device("cpu")


def config(**given) -> NoiseConfig:
    asked = NoiseConfig.of(method="lsp", device="cpu", **{"kind": "samplewise", "epsilon": 8, **given})
    return noise.resolved(asked, "folder")


def delta(data: Dataset, **given) -> torch.Tensor:
    return run(config(**given), data)[0]


def naive(data: Dataset, seed: int, kind: str, points: str, norm: str, epsilon: int) -> np.ndarray:
    """One value at a time: whose point, which square, how large."""
    channels, height, width = data.samples.shape[1:]
    side = max(1, min(8, min(height, width) // 4))
    down, across = math.ceil(height / side), math.ceil(width / side)
    features = channels * down * across
    corners, spread = hypercube(len(data.classes), features, generator(CPU, seed, Stream.LSP, 0))
    own = points == "image"
    place, rows = (1, len(data)) if own else (2, len(data.classes))
    normal = torch.randn(rows, features, generator=generator(CPU, seed, Stream.LSP, place)).numpy()
    labels = range(len(data.classes)) if kind == "classwise" else data.labels.tolist()
    found = np.zeros((len(labels), channels, height, width))
    for row, label in enumerate(labels):
        centre, wide = corners[label].numpy(), spread.numpy()
        point = centre + [normal[row if own else label] @ wide[:, f] for f in range(features)]
        for c, y, x in np.ndindex(found.shape[1:]):
            found[row, c, y, x] = point[(c * down + y // side) * across + x // side]
        found[row] *= 6 * math.sqrt(channels * height * width) / np.linalg.norm(found[row])
    return found if norm == "l2" else np.clip(found * epsilon / 8, -epsilon, epsilon)


@pytest.mark.parametrize(("kind", "points"), [("classwise", "class"), ("samplewise", "class"), ("samplewise", "image")])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 8), ("linf", 3), ("l2", 40)])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 14)])
def test_it_is_the_formula(kind, points, norm, epsilon, shape):
    data = images(7, 3, *shape)
    found = delta(data, kind=kind, points=points, norm=norm, epsilon=epsilon, seed=3)
    expected = naive(data, 3, kind, points, norm, epsilon)
    assert (found.shape, found.dtype) == (expected.shape, torch.float32)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_squares_are_of_eight_pixels_and_smaller_in_small_images():
    for height, width, side in ((32, 32, 8), (64, 40, 8), (33, 47, 8), (16, 12, 3), (9, 30, 2)):
        found = delta(images(2, 2, 3, height, width), norm="l2", epsilon=60)
        for axis, length in ((2, height), (3, width)):
            steps = (found.diff(dim=axis) != 0).movedim(axis, 0).flatten(1).any(1).nonzero()[:, 0] + 1
            assert steps.tolist() == list(range(side, length, side))


def test_every_class_has_a_corner_of_its_own():
    for classes, features in ((2, 16), (100, 16), (100, 48), (300, 9), (5, 2352)):
        corners, spread = hypercube(classes, features, generator(CPU, 0, Stream.LSP, 0))
        assert corners.shape == (classes, features)
        assert len(corners.unique(dim=0)) == classes
        assert set(corners.unique().tolist()) == {-APART, APART}
        assert float(spread.abs().max()) <= 1
    with pytest.raises(ConfigError, match="images of 3 squares tell 8 classes apart, not 9"):
        hypercube(9, 3, generator(CPU, 0, Stream.LSP, 0))


@pytest.mark.parametrize(("classes", "channels"), [(10, 3), (100, 3), (10, 1)])
def test_the_points_of_images_are_linearly_separable(classes, channels):
    data = images(1000, classes, channels, 16, 16)
    found = noise.make(config(points="image"), data)[0].delta
    assert len(found.flatten(1).unique(dim=0)) == 1000
    assert linear_separability(found, data.labels) > 0.97


def test_one_point_a_class_is_the_same_for_both_kinds():
    data = images(30, 4, 3, 16, 16)
    by_class, by_image = (delta(data, kind=kind) for kind in ("classwise", "samplewise"))
    assert torch.equal(by_image, by_class[data.labels])
    assert len(by_class.flatten(1).unique(dim=0)) == 4


def test_the_budget_is_used_and_kept():
    data = images(20, 10, 3, 32, 32)
    for epsilon in (1, 8, 16):
        found = noise.make(config(epsilon=epsilon), data)[0].delta.int().abs()
        assert int(found.max()) == epsilon
        assert 0.6 * epsilon < float(found.float().mean()) <= epsilon


def test_the_published_norm_names_the_smallest_budget_that_holds_it():
    data = images(40, 10, 3, 32, 32)
    with pytest.raises(ConfigError, match=r"^lsp with norm l2 reaches \d+\.\d: give --epsilon \d+$") as refusal:
        noise.make(config(norm="l2"), data)
    named = int(str(refusal.value).rpartition(" ")[2])
    with pytest.raises(ConfigError, match=f"give --epsilon {named}$"):
        noise.make(config(norm="l2", epsilon=named - 1), data)
    made = delta(data, norm="l2", epsilon=named)
    assert made.flatten(1).norm(dim=1).tolist() == pytest.approx([6 * math.sqrt(3 * 32 * 32)] * 40, rel=1e-4)
    assert torch.equal(made, delta(data, norm="l2", epsilon=100))  # a larger budget changes nothing
    assert int(noise.make(config(norm="l2", epsilon=named), data)[0].delta.abs().max()) in (named - 1, named)


@pytest.mark.parametrize("points", ["class", "image"])
def test_the_seed_decides_and_nothing_else(points):
    data = images(12, 3, 3, 16, 16)
    one, again, other = (delta(data, points=points, seed=seed) for seed in (0, 0, 1))
    torch.manual_seed(5)
    inverted = Dataset(255 - data.samples, data.labels, data.classes, data.names)
    assert torch.equal(one, again)
    assert torch.equal(one, delta(inverted, points=points))
    assert not torch.equal(one, other)


def test_senseless_options_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="points image is for --kind samplewise") as refusal:
        delta(images(6, 3, 3, 16, 16), kind="classwise", points="image")
    assert "\n" not in str(refusal.value)
    with pytest.raises(ConfigError, match="did you mean 'l2'"):
        config(norm="l3")
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        config(points="images")
