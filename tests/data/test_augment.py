"""Augmentation: one draw an image, and the content is a crop of the padded image, its mirror, or its rotation."""

import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as vision

from workbench.data.augment import AUGMENTATIONS, PADDING, flip, rotate, shift


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = 40, height: int = 9, width: int = 13) -> torch.Tensor:
    return torch.randint(1, 256, (count, 3, height, width), generator=generator(7)).to(torch.uint8)


def places(image: torch.Tensor, shifted: torch.Tensor) -> list[tuple[int, int]]:
    """Where in the zero-padded image the shifted one was cut out."""
    padded, (height, width) = functional.pad(image, [PADDING] * 4), image.shape[1:]
    spots = [(top, left) for top in range(2 * PADDING + 1) for left in range(2 * PADDING + 1)]
    return [(t, s) for t, s in spots if torch.equal(padded[:, t : t + height, s : s + width], shifted)]


def test_a_shift_is_a_crop_of_the_zero_padded_image():
    before = pixels()
    after = shift(before, generator())
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    assert all(len(places(*pair)) == 1 for pair in zip(before, after, strict=True))


def test_every_image_of_a_batch_is_shifted_by_its_own_draw():
    before = pixels(200)
    found = [places(*pair)[0] for pair in zip(before, shift(before, generator()), strict=True)]
    assert len(set(found)) > 60  # of 81 places
    for axis in range(2):
        assert {place[axis] for place in found} == set(range(2 * PADDING + 1))


def test_a_flip_mirrors_about_half_of_a_batch():
    before = pixels(200)
    after = flip(before, generator())
    mirrored = (after == before.flip(-1)).flatten(1).all(1)
    kept = (after == before).flatten(1).all(1)
    assert bool((mirrored ^ kept).all())
    assert 70 < int(mirrored.sum()) < 130


def test_every_image_of_a_batch_is_rotated_by_its_own_angle():
    image = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    image[:, :, 16, 17:] = 200  # a hand that points right
    turned = rotate(image.expand(100, -1, -1, -1), generator())[:, 0].float()
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    up, right = ((turned * (16 - rows)).sum((1, 2)), (turned * (columns - 16)).sum((1, 2)))
    angles = torch.atan2(up, right).rad2deg()
    assert len(angles.round().unique()) > 20
    assert 15 < float(angles.max()) < 22
    assert -22 < float(angles.min()) < -15


@pytest.mark.parametrize(("height", "width"), [(15, 15), (12, 20)])
def test_a_rotation_is_that_of_torchvision(height, width):
    before = pixels(8, height, width)
    angles = ((torch.rand(8, generator=generator(3)) * 2 - 1) * 20).tolist()
    expected = torch.stack([vision.rotate(image, angle) for image, angle in zip(before, angles, strict=True)])
    agreeing = (rotate(before, generator(3)) == expected).float().mean()
    assert float(agreeing) > 0.99  # a value between two pixels may fall to either


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_draw_depends_on_the_generator_alone(name):
    before = pixels()
    kept = before.clone()
    first, again, other = (AUGMENTATIONS[name](before, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name == "none")
    assert torch.equal(first, before) == (name == "none")
    assert torch.equal(before, kept)
    assert (first.shape, first.dtype) == (before.shape, torch.uint8)


def test_shift_flip_does_both():
    before = pixels(100)
    after = AUGMENTATIONS["shift-flip"](before, generator())
    straight = [bool(places(*pair)) for pair in zip(before, after, strict=True)]
    mirrored = [bool(places(one, other.flip(-1))) for one, other in zip(before, after, strict=True)]
    assert all(a or b for a, b in zip(straight, mirrored, strict=True))
    assert 20 < sum(straight) < 80
