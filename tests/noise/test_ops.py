"""`ops` against a naive second writing, corner by corner and pixel by pixel; what images become by it."""

import itertools

import numpy as np
import pytest
import torch
from searches import images, run

from workbench import noise
from workbench.config import KINDS, ConfigError, NoiseConfig
from workbench.data.dataset import Dataset


def config(**given) -> NoiseConfig:
    asked = NoiseConfig.of(method="ops", device="cpu", **{"kind": "samplewise", "epsilon": 255, **given})
    return noise.resolved(asked, "folder")


def naive(data: Dataset) -> list[tuple[int, int, tuple[int, ...]]]:
    """Of every class the row, the column and the colour."""
    pixels, found = data.samples.numpy().astype(float), []
    channels, height, width = pixels.shape[1:]
    for label in range(len(data.classes)):
        mine, best = pixels[data.labels.numpy() == label], (-1.0, None)
        for corner in itertools.product((0, 255), repeat=channels):
            for y, x in np.ndindex(height, width):
                off = np.abs(mine[:, :, y, x] - np.array(corner))
                score = off.mean() / max(off.std(), 1e-3)
                if (y, x, corner) not in found and score > best[0] * (1 + 1e-12):
                    best = (score, (y, x, corner))
        found.append(best[1])
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("count", "classes", "shape"),
    [(40, 4, (3, 12, 12)), (14, 2, (1, 9, 14)), (9, 3, (1, 8, 8)), (7, 7, (3, 9, 8)), (200, 100, (1, 8, 9))],
)
def test_it_is_the_search_of_the_paper(kind, count, classes, shape):
    data = images(count, classes, *shape)
    data.samples[:, :, 2:4] //= 3  # where the choice is not all chance
    made, _ = noise.make(config(kind=kind), data)
    places = naive(data)
    assert len(set(places)) == classes
    for row, label in enumerate(range(classes) if kind == "classwise" else data.labels.tolist()):
        y, x, corner = places[label]
        expected = torch.zeros(shape, dtype=torch.int16)
        expected[:, y, x] = torch.tensor([255 if value else -255 for value in corner], dtype=torch.int16)
        assert torch.equal(made.delta[row], expected)


def test_both_kinds_publish_the_same_images_with_one_pixel_of_the_classs_colour():
    data = images(30, 3, 3, 12, 12)
    published = [noise.make(config(kind=kind), data)[0].apply(data) for kind in KINDS]
    assert torch.equal(*published)
    places = naive(data)
    changed = (published[0] != data.samples).any(1)
    for index, label in enumerate(data.labels.tolist()):
        y, x, corner = places[label]
        assert changed[index].nonzero().tolist() == [[y, x]]
        assert published[0][index, :, y, x].tolist() == list(corner)


def test_the_pixel_that_all_images_are_far_from_is_taken():
    data = images(20, 2, 3, 10, 10)
    data.samples[data.labels == 1, :, 4, 7] = torch.tensor([5, 250, 5], dtype=torch.uint8)
    found = noise.make(config(kind="classwise"), data)[0].delta[1]
    assert found.any(0).nonzero().tolist() == [[4, 7]]
    assert found[:, 4, 7].tolist() == [255, -255, 255]


def test_nothing_is_drawn_and_a_class_without_images_has_no_pixel():
    data = images(20, 2, 3, 10, 10)
    assert torch.equal(run(config(seed=0), data)[0], run(config(seed=1), data)[0])
    more = Dataset(data.samples, data.labels * 2, ("a", "b", "c"), data.names)
    found = run(config(kind="classwise"), more)[0]
    assert found.flatten(1).any(1).tolist() == [True, False, True]


def test_more_classes_than_pixels_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="ops: 3×2 pixels of 2 colours are too few for 13 classes"):
        run(config(), images(13, 13, 1, 2, 3))
    assert run(config(kind="classwise"), images(12, 12, 1, 2, 3))[0].flatten(1).any(1).all()
