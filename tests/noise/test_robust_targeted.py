"""Noise for networks that small changes and conversions do not mislead: conversions, heads, what the noise does."""

import pytest
import torch
from searches import check_goes_on, images, run, task_of
from torch.nn import functional

from workbench import models, noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import network_input
from workbench.data.dataset import Dataset
from workbench.noise import robust_targeted
from workbench.noise.targeted import Place
from workbench.victim.defences.conversions import BitDepth, Grayscale, Jpeg, ResizeHalf


def config(**changes):
    given = {
        "surrogate": "convnet-w4", "epsilon": 16, "batch_size": 24, "train_steps": 4, "rounds": 6, "radius": 1.0,
    } | changes  # fmt: skip
    return noise.resolved(NoiseConfig.of(method="robust-targeted", device="cpu", **given), "photo-digits")


def photographs(count: int = 6, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 6, 6, generator=draw) * 255
    return functional.interpolate(coarse, size=(height, width), mode="bilinear").round().clamp(0, 255)


def test_the_conversions_are_those_of_the_learners():
    x = photographs()
    plain, grey, jpeg, half = robust_targeted.conversions(3)
    assert torch.equal(plain(x), x)
    pixels = x.to(torch.uint8)
    for ours, theirs, near in ((grey, Grayscale(), 1.0), (jpeg, Jpeg(10), 3.0), (half, ResizeHalf(), 1.0)):
        apart = (ours(x) - theirs.inputs(pixels).float()).abs()
        assert float(apart.mean()) < near
        assert float(apart.mean()) < float((ours(x) - x).abs().mean())
    assert len(robust_targeted.conversions(1)) == 3
    *before, fewer = robust_targeted.conversions(3, bits=2)
    assert len(before) == 4
    assert torch.equal(fewer(x), BitDepth(2).inputs(pixels).float())


def test_fewer_bits_are_searched_on_only_where_they_are_asked_for():
    data = images(24, 3, 3, 16, 16)
    without, with_it = (run(config(rounds=2, **bits), data)[0] for bits in ({}, {"bits": 2}))
    assert torch.equal(without, run(config(rounds=2, bits=0), data)[0])
    assert not torch.equal(without, with_it)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 9, 14), (3, 17, 8)])
def test_every_conversion_lets_gradients_through_and_keeps_the_shape(shape):
    x = photographs(2, *shape).clamp(30, 220)
    for conversion in robust_targeted.conversions(shape[0], bits=3):
        given = x.clone().requires_grad_()
        found = conversion(given)
        assert found.shape == x.shape
        found.sum().backward()
        assert bool((given.grad.abs() > 0).any())


def test_a_place_is_there_and_back():
    draw = torch.Generator().manual_seed(3)
    x = photographs()
    places = [Place.drawn(draw) for _ in range(12)]
    assert {place.mirrored for place in places} == {True, False}
    assert all(torch.equal(place.back(place.there(x)), x) for place in places)
    assert not torch.equal(places[0].there(x), x)


def test_the_worst_image_lies_near_and_costs_the_network_more():
    network = models.build("convnet-w4", channels=3, classes=3, side=16, seed=0)
    x, labels = photographs(9, 3, 16, 16), torch.arange(9) % 3
    found = robust_targeted.worst(network, x, labels, 4.0, torch.Generator().manual_seed(0))
    assert float((found - x).abs().max()) <= 4.0 + 1e-4
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    with torch.no_grad():
        before, after = (functional.cross_entropy(network(network_input(some)), labels) for some in (x, found))
    assert float(after) > float(before)


def test_surrogates_have_both_heads_where_there_are_two():
    assert robust_targeted.both_heads("convnet-w8") == ["convnet-w8", "convnet-w8-avg"]
    assert robust_targeted.both_heads("resnet9-w8-avg") == ["resnet9-w8", "resnet9-w8-avg"]
    assert robust_targeted.both_heads("resnet18") == ["resnet18"]
    assert robust_targeted.both_heads("mine-w4") == ["mine-w4"]  # one's own may be called so
    assert robust_targeted.both_heads("convnet-w2+mlp-w4") == ["convnet-w2", "mlp-w4"]


@pytest.fixture(scope="module")
def other():
    """A robust network that no search of these tests saw, and the images it knows: coarse ones, as JPEG leaves them."""
    labels, own = torch.arange(96) % 3, photographs(96, 3, 16, 16)
    samples = (0.6 * photographs(3, 3, 16, 16)[labels] + 0.4 * own).to(torch.uint8)
    data = Dataset(samples, labels, ("a", "b", "c"), tuple(f"{number}.png" for number in range(96)))
    asked = config(seed=9, train_steps=30)
    task, options = task_of(asked, data), noise.options_of("robust-targeted")(**asked.options)
    ensemble = robust_targeted.Ensemble(task, options.learning_rate)
    for number in range(options.train_steps):
        robust_targeted.train(task, ensemble, number, options)
    return ensemble.kept[-1], data


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
def test_a_robust_network_that_the_search_never_saw_sees_the_shown_class_through_every_conversion(other, kind):
    network, data = other
    found, facts = noise.make(config(kind=kind, epsilon=80, train_steps=30, rounds=10), data)
    protected = found.apply(data).float()
    for conversion in robust_targeted.conversions(3):

        def share_of_next(pixels, seen=robust_targeted.Converted(network, conversion)):
            return float((seen(pixels).argmax(1) == (data.labels + 1) % 3).float().mean())

        assert share_of_next(data.samples.float()) < 0.25
        assert share_of_next(protected) > 0.45
    assert int(found.delta.short().abs().max()) <= 80
    assert facts["image_passes"] == 30 * 2 * 2 * 96 + 10 * 2 * 96


@pytest.mark.parametrize("shape", [(1, 9, 14), (3, 16, 16)])
def test_any_shape_any_number_of_classes_and_the_seed_decides(shape):
    data = images(40, 20, *shape)
    first, again, other = (run(config(seed=seed, train_steps=1, rounds=2), data)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.abs().max()) <= 16


def test_a_search_that_is_stopped_goes_on_to_the_same_noise(patterned, tmp_path, monkeypatch):
    data, asked = patterned(48, side=16), config(train_steps=2, rounds=3)
    for stop in (1, 3, 4):
        folder = tmp_path / str(stop)
        folder.mkdir()
        check_goes_on(asked, data, folder, stop, monkeypatch)


def test_what_it_does_not_know_is_refused():
    with pytest.raises(ConfigError, match="target"):
        config(target="near")
    with pytest.raises(ConfigError, match="radius"):
        config(radius=-1.0)
