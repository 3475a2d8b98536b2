"""Noise at full size: the bound to the last value, plateaus that a trainer's scaling leaves standing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from photographs import photograph
from torch.nn import functional

from workbench.apps.photos.working_set import STRIP, grey, scale_noise, thumbnail, with_noise
from workbench.files.pictures import Photo


def noise(seed: int, epsilon: int, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-epsilon, epsilon + 1, (side, side), generator=generator).to(torch.int8)


@given(st.integers(1, 127), st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_no_size_takes_the_noise_beyond_its_budget(epsilon, height, width, seed):
    found = scale_noise(noise(seed, epsilon), height, width, epsilon)
    assert found.shape == (height, width)
    assert found.dtype == np.int8
    assert np.abs(found.astype(int)).max() <= epsilon


def test_noise_comes_back_when_a_trainer_scales_the_photo_down():
    small = noise(1, 8).sign() * 8
    large = scale_noise(small, 512, 640, 8)
    back = functional.interpolate(
        torch.from_numpy(large)[None, None].float(), size=(64, 64), mode="bilinear", antialias=True
    )[0, 0]
    kept = small != 0
    assert (back[kept].sign() == small[kept].sign()).float().mean() > 0.95
    assert back[kept].abs().mean() > 4
    assert np.abs(large).max() == 8


def test_a_change_is_the_same_in_every_channel_and_is_cut_at_black_and_white():
    pixels = np.zeros((STRIP + 40, 50, 3), np.uint8)
    pixels[:, 25:] = 255
    pixels[:, 10:15] = 100
    delta = scale_noise(noise(2, 15), *pixels.shape[:2], 15)
    found = with_noise(Photo(pixels, None, None, ()), delta)
    expected = np.clip(pixels.astype(int) + delta[:, :, None].astype(int), 0, 255)
    assert np.array_equal(found, expected)
    assert found.dtype == np.uint8
    assert np.array_equal(pixels[:, 10:15], np.full((STRIP + 40, 5, 3), 100))  # the photo itself is untouched


def test_nothing_changes_where_nothing_can_be_seen():
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[:30] = 0
    photo = Photo(photograph(60, 60) * (alpha > 0)[:, :, None], alpha, None, ())
    found = with_noise(photo, np.full((60, 60), 7, np.int8))
    assert not found[:30].any()
    assert (found[30:].astype(int) - photo.pixels[30:] > 0).mean() > 0.9


@pytest.mark.parametrize("is_grey", [True, False])
def test_working_copies_have_the_photos_colours(is_grey):
    pixels = np.atleast_3d(photograph(300, 200, grey=is_grey))
    small = thumbnail(pixels)
    assert small.shape == (64, 64, 1 if is_grey else 3)
    assert np.abs(small.mean((0, 1)) - pixels.mean((0, 1))).max() < 2
    assert grey(small).shape == (64, 64)
