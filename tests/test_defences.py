"""Defences: every one changes photographs, keeps their form, and does what its name says."""

import io

import pytest
import torch
from PIL import Image

from workbench.config import ConfigError
from workbench.defences import DEFENCES, defend

REAL = [name for name in DEFENCES if name != "none"]


@pytest.fixture(scope="module")
def photos(digits):
    return digits.train.images[:12]


@pytest.mark.parametrize("name", REAL)
def test_a_defence_changes_every_image_and_keeps_its_form(name, photos):
    before = photos.clone()
    found = defend(name, photos)
    assert (found.shape, found.dtype) == (photos.shape, torch.uint8)
    assert torch.equal(photos, before)
    change = (found.int() - photos.int()).abs().float().mean((1, 2, 3))
    assert float(change.min()) > 0.5


@pytest.mark.parametrize("name", REAL)
def test_a_defence_treats_each_image_by_itself(name, photos):
    alone = torch.cat([defend(name, image[None]) for image in photos])
    assert torch.equal(alone, defend(name, photos))


@pytest.mark.parametrize("name", [name for name in REAL if name != "grayscale"])
def test_a_defence_takes_grey_images(name, photos):
    found = defend(name, photos[:, :1])
    assert found.shape == photos[:, :1].shape
    assert not torch.equal(found, photos[:, :1])


def test_no_two_defences_are_the_same(photos):
    found = [defend(name, photos) for name in DEFENCES]
    assert not any(torch.equal(found[a], found[b]) for a in range(len(found)) for b in range(a))


def test_none_changes_nothing(photos):
    assert torch.equal(defend("none", photos), photos)


def test_grayscale_takes_the_colour_and_keeps_the_brightness(photos):
    found = defend("grayscale", photos)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    brightness = (photos * torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1)
    assert (found[:, 0] - brightness).abs().max() < 1.1


@pytest.mark.parametrize("quality", [75, 10])
def test_jpeg_comes_close_to_pillows(quality, photos):
    found = defend(f"jpeg-{quality}", photos)
    for ours, photo in zip(found, photos, strict=True):
        file = io.BytesIO()
        Image.fromarray(photo.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        theirs = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8).view(32, 32, 3)
        assert (ours.permute(1, 2, 0).int() - theirs.int()).abs().float().mean() < 1


def test_jpeg_loses_more_at_a_lower_quality(photos):
    loss = [float((defend(f"jpeg-{q}", photos).float() - photos).square().mean()) for q in (75, 10)]
    assert loss[1] > 2 * loss[0] > 0


def test_bit_depth_leaves_four_values_a_channel(photos):
    found = defend("bit-depth-2", photos)
    assert found.unique().tolist() == [0, 64, 128, 192]
    assert torch.equal(found, photos // 64 * 64)


def test_blur_spreads_a_point_evenly():
    """APBench's `Gaussian` is an identity filter (σ = 0.1): a column of a table that said nothing."""
    point = torch.zeros(1, 3, 9, 9, dtype=torch.uint8)
    point[:, :, 4, 4] = 255
    found = defend("blur", point)[0, 0].int()
    assert 40 < found[4, 4] < 70
    assert found[4, 3] == found[4, 5] == found[3, 4] == found[5, 4]
    assert found[4, 3] > 20
    assert found[4, 4] > found[4, 3] > found[3, 3] > 0
    assert found[4, 1] == 0


def test_an_unknown_defence_is_refused_with_the_nearest(photos):
    with pytest.raises(ConfigError, match="did you mean 'grayscale'"):
        defend("greyscale", photos)


def test_grayscale_of_grey_images_is_refused(photos):
    with pytest.raises(ConfigError, match="would change nothing"):
        defend("grayscale", photos[:, :1])
