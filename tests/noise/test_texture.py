"""`texture`: pieces of one texture a class from drawn places, within the band, alike in all channels; what it reads."""

import math

import numpy as np
import pytest
import torch
from searches import changed, check_goes_on, images, run

from workbench import noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.noise import texture
from workbench.noise.search import Search

CPU = torch.device("cpu")
QUICK = {"batch_size": 10, "rounds": 2}


def config(**given) -> NoiseConfig:
    asked = {"method": "texture", "surrogate": "convnet-w4", "kind": "samplewise", "device": "cpu", **QUICK, **given}
    return noise.resolved(NoiseConfig.of(**asked), "folder")


@pytest.fixture
def kept(monkeypatch) -> list[tuple[texture.Pieces, torch.Tensor]]:
    """The places and textures of every search, as they were when it published its noise."""
    seen, publish = [], texture.published

    def published(task: Search, pieces: texture.Pieces, textures: torch.Tensor) -> torch.Tensor:
        seen.append((pieces, textures.clone()))
        return publish(task, pieces, textures)

    monkeypatch.setattr(texture, "published", published)
    return seen


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize(("channels", "height", "width", "size"), [(3, 12, 16, 1.5), (1, 9, 14, 1.0)])
def test_every_noise_is_the_sign_of_a_piece_of_its_class(kept, kind, channels, height, width, size):
    data = images(30, 3, channels, height, width)
    found, task = run(config(kind=kind, size=size, seed=3), data)
    ((_, textures),) = kept
    tall, wide = round(size * height), round(size * width)
    assert textures.shape == (3, 1, tall, wide)
    labels = range(3) if kind == "classwise" else data.labels.tolist()
    draw = generator(CPU, 3, Stream.TEXTURE, 0)
    tops, lefts = (torch.randint(side, (len(labels),), generator=draw).tolist() for side in (tall, wide))
    expected = torch.empty(len(labels), channels, height, width, dtype=torch.int8)
    for row, (label, top, left) in enumerate(zip(labels, tops, lefts, strict=True)):
        for y in range(height):
            for x in range(width):
                value = textures[label, 0, (top + y) % tall, (left + x) % wide]
                expected[row, :, y, x] = -8 if value < 0 else 8
    assert torch.equal(found, expected)
    assert task.passes == 60
    assert kind == "classwise" or len(set(zip(tops, lefts, strict=True))) > 20  # places of their own


def test_images_of_a_class_have_no_mean_that_a_linear_classifier_could_find():
    data = images(400, 2, 1, 16, 16)
    found = run(config(rounds=1), data)[0].float()
    means = torch.stack([found[data.labels == label].mean(0) for label in (0, 1)])
    assert means.abs().mean() < 8 * 2 / math.sqrt(200)  # what the mean of 200 fair signs has
    assert run(config(kind="classwise", rounds=1), data)[0].float().abs().min() == 8


@pytest.mark.parametrize("shape", [(2, 1, 16, 24), (2, 1, 15, 9)])
def test_the_band_is_that_of_the_formula(shape):
    asked = config(low=2.0, high=6.5)
    passed = texture.passed(texture.Options(**asked.options), shape, CPU)
    tall, wide = shape[2:]
    for row in range(tall):
        down = (row if row <= (tall - 1) // 2 else row - tall) * 32 / tall
        for column in range(wide // 2 + 1):
            assert passed[row, column] == (2 <= math.hypot(down, column * 32 / wide) <= 6.5), (row, column)


def test_steps_keep_to_the_band(monkeypatch):
    """What the textures move by has nothing outside the band and something at each of its frequencies."""
    steps, unit = [], texture.unit

    def watched(gradient):
        steps.append(gradient.clone())
        return unit(gradient)

    monkeypatch.setattr(texture, "unit", watched)
    asked = config(low=2.0, high=6.0, size=1.0)
    run(asked, images(30, 3, 3, 16, 16))
    spectra = torch.stack([torch.fft.rfft2(one).abs() for one in steps])
    outside = texture.passed(texture.Options(**asked.options), (3, 1, 16, 16), CPU) == 0
    assert spectra[..., outside].max() < 1e-3 * spectra.max()
    assert spectra[..., ~outside].min() > 0


def test_the_surrogate_reads_the_noise_where_images_say_nothing():
    """Random images of random classes: what the surrogate gets right, it has from the noise."""
    data = images(300, 3, 3, 16, 16)
    asked = config(surrogate="convnet-w8", batch_size=30, rounds=12, low=0.0, high=16.0, size=1.0)
    _, task = run(asked, data)
    _, control = run(changed(asked, step=0.0), data)
    assert task.error < 0.45 < control.error  # of 0.67


def test_an_interrupted_search_goes_on_to_the_same_noise(tmp_path, monkeypatch):
    check_goes_on(config(rounds=4), images(30, 3, 3, 16, 16), tmp_path, 2, monkeypatch)


@pytest.mark.parametrize(("low", "high"), [(8.0, 8.0), (9.0, 4.0), (1.0, 17.0)])
def test_a_band_that_is_none_is_refused(low, high):
    with pytest.raises(ConfigError, match="the band must rise, to no more than 16 cycles per 32 pixels"):
        run(config(low=low, high=high), images(6, 3, 3, 8, 8))


def test_another_seed_draws_other_places_and_the_same_seed_the_same():
    data = images(30, 3, 3, 12, 12)
    first, again, other = (run(config(seed=seed), data)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert float(np.mean((first != other).numpy())) > 0.3
