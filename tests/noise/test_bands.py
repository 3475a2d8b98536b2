"""Bands: within the budget, a pattern a class, far apart, the same when mirrored, in bands of equal height."""

import pytest
import torch

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.noise import bands
from workbench.noise.budget import PerturbationBudget


def start(shape, *, epsilon=8, seed=0):
    return bands.drawn(PerturbationBudget(epsilon), shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(10, 3, 32, 32), (100, 3, 32, 32), (10, 1, 30, 17), (3, 3, 8, 8), (2, 1, 3, 5)])
@pytest.mark.parametrize("epsilon", [0, 8, 127])
def test_every_value_is_on_the_edge_of_the_budget_and_rows_are_constant(shape, epsilon):
    found = start(shape, epsilon=epsilon)
    assert found.shape == shape
    assert found.dtype == torch.float32
    assert (found.abs() == epsilon).all()
    assert torch.equal(found, found.flip(-1))


@pytest.mark.parametrize(
    ("shape", "share"),  # of the values in which two classes must differ
    [((10, 3, 32, 32), 0.4), ((24, 3, 32, 32), 0.3), ((100, 3, 32, 32), 0.3), ((10, 1, 32, 32), 0.4)],
)
def test_classes_lie_far_apart(shape, share):
    for seed in range(3):
        flat = start(shape, seed=seed).flatten(1)
        apart = (flat[:, None] != flat).float().mean(-1)
        assert apart[~torch.eye(len(flat), dtype=torch.bool)].min() >= share


def test_many_classes_of_grey_images_still_differ():
    assert len(start((100, 1, 28, 28)).flatten(1).unique(dim=0)) == 100


def test_bands_are_wide_and_of_equal_height():
    heights = (start((10, 3, 32, 32)).diff(dim=2) != 0).any(1).any(0).any(-1).nonzero().flatten() + 1
    assert heights.tolist() == [8, 16, 24]


def test_the_seed_decides():
    shape = (10, 3, 32, 32)
    assert torch.equal(start(shape), start(shape))
    assert not torch.equal(start(shape), start(shape, seed=1))


def test_a_search_begins_at_zero_unless_it_is_asked_for_bands():
    def resolved(**settings):
        return noise.resolved(NoiseConfig.of(device="cpu", **settings), "photo-digits").options

    assert resolved()["begin"] == resolved(kind="classwise")["begin"] == resolved(begin=None)["begin"] == "zero"
    assert resolved(begin="bands")["begin"] == "bands"
    assert (resolved()["rounds"], resolved(begin="bands")["rounds"]) == (6, 1)
    assert "begin" not in resolved(method="em")
    with pytest.raises(ConfigError, match="unknown begin 'band': did you mean 'bands'"):
        resolved(begin="band")


def test_without_steps_the_noise_is_the_bands(patterned):
    settings = {"surrogate": "convnet-w2", "batch_size": 10, "step": 0.0, "shared_step": 0.5, "begin": "bands"}
    config = noise.resolved(NoiseConfig.of(kind="classwise", device="cpu", **settings), "photo-digits")
    found, _ = noise.make(config, patterned(40))
    assert torch.equal(found.delta.flip(-1), found.delta)
    assert (found.delta.abs() == 8).all()
