"""`cuda` against a naive second writing, pixel by pixel; whose filter is whose."""

import numpy as np
import pytest
import torch
from searches import images, run

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.noise import cuda
from workbench.noise.cuda import filters

CPU = torch.device("cpu")


def config(**given) -> NoiseConfig:
    asked = NoiseConfig.of(method="cuda", device="cpu", **{"kind": "samplewise", "epsilon": 255, **given})
    return noise.resolved(asked, "folder")


def delta(data: Dataset, **given) -> torch.Tensor:
    return run(config(**given), data)[0]


def naive(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """One value at a time, before it is rounded."""
    channels, height, width = image.shape
    found = np.zeros(image.shape)
    for c, y, x in np.ndindex(channels, height, width):
        for down, across in np.ndindex(3, 3):
            row, column = y + down - 1, x + across - 1
            if 0 <= row < height and 0 <= column < width:
                found[c, y, x] += taps[down, across] * image[c, row, column]
    return found * 255 / max(found.max(), 1e-6)


@pytest.mark.parametrize(
    ("count", "classes", "shape"), [(10, 3, (3, 12, 12)), (6, 2, (1, 9, 14)), (120, 100, (1, 8, 8)), (3, 3, (3, 9, 8))]
)
@pytest.mark.parametrize("blur", [0.3, 0.0])
def test_it_is_the_formula(count, classes, shape, blur):
    data = images(count, classes, *shape)
    data.samples[0] = 0
    data.samples[1] //= 8
    made, _ = noise.make(config(blur=blur, seed=3), data)
    taps = filters(classes, blur, generator(CPU, 3, Stream.CUDA, 0)).numpy()
    published = made.apply(data)
    for index, label in enumerate(data.labels.tolist()):
        expected = naive(data.samples[index].numpy().astype(float), taps[label])
        np.testing.assert_allclose(published[index].numpy(), expected, atol=0.5 + 1e-3)
        assert int(published[index].max()) == (255 if index else 0)  # black stays black
    assert torch.equal(data.samples.short() + made.delta, published.short())  # nothing is cut


def test_filters_have_one_tap_of_one_and_small_others():
    taps = filters(100, 0.3, generator(CPU, 0, Stream.CUDA, 0)).flatten(1)
    assert ((taps == 1).sum(1) == 1).all()
    assert len(taps.argmax(1).unique()) == 9
    others = taps[taps < 1]
    assert 0 <= float(others.min()) < 0.01
    assert 0.29 < float(others.max()) <= 0.3
    assert len(taps.unique(dim=0)) == 100


def test_parts_change_nothing(monkeypatch):
    data = images(11, 3, 3, 12, 12)
    whole = delta(data)
    monkeypatch.setattr(cuda, "AT_ONCE", 3)
    assert torch.equal(whole, delta(data))


def test_the_seed_decides():
    data = images(12, 3, 3, 12, 12)
    one, again, other = (delta(data, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_what_makes_no_sense_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"^cuda filters every image, .*: give --kind samplewise$"):
        config(kind="classwise")
    with pytest.raises(ConfigError, match=r"blur is 1\.5: it must be in 0\.\.1"):
        delta(images(4, 2, 3, 8, 8), blur=1.5)
    with pytest.raises(ConfigError, match=r"blur is -0\.1"):
        config(blur=-0.1)
