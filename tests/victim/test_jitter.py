"""Noise, shifts of channels and moved pixels: a second writing for the same draws, and their distributions."""

import math

import pytest
import torch

from workbench.victim.composed import named


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat(value: int, count: int = 200, channels: int = 3) -> torch.Tensor:
    return torch.full((count, channels, 16, 20), value, dtype=torch.uint8)


def test_noise_is_normal_and_each_value_has_its_own():
    change = named("gaussian-8").batch(flat(128), draw()).float() - 128
    assert float(change.std()) == pytest.approx(8, rel=0.01)
    assert float(change.mean()) == pytest.approx(0, abs=0.1)
    assert float((change.abs() <= 8).float().mean()) == pytest.approx(0.712, abs=0.01)  # ±8.5 after rounding
    for axis in range(4):
        neighbour = change.roll(1, axis)
        assert abs(float((change * neighbour).mean())) / 64 < 0.01
    assert named("gaussian-8").batch(flat(255), draw()).float().mean() < 254  # cut, not wrapped round


def test_noise_is_that_of_the_draw(digits):
    photos = digits.train.samples[:5, :, :20]
    noise = torch.randn(photos.shape, generator=draw(3))
    naive = (photos.double() + 8 * noise.double()).clamp(0, 255)
    assert (named("gaussian-8").batch(photos, draw(3)).double() - naive).abs().max() < 0.501


def test_channels_are_shifted_by_whole_numbers_each_as_often():
    change = named("channel-shift").batch(flat(100, 2000), draw()).int() - 100
    by = change[:, :, 0, 0]
    assert torch.equal(change, by[:, :, None, None].expand_as(change))
    counts = (by + 8).flatten().bincount()
    assert len(counts) == 17
    assert int((counts - 6000 / 17).abs().max()) < 5 * math.sqrt(6000 / 17)
    assert abs(float(torch.corrcoef(by.T.float())[0, 1])) < 0.1
    bright = named("channel-shift").batch(flat(252), draw())
    assert (int(bright.max()), int(bright.min())) == (255, 244)


@pytest.mark.parametrize("channels", [3, 1])
def test_pixels_come_from_nearby_one_after_the_other(digits, channels):
    photos = digits.train.samples[:2, :channels, :9, :14]
    found = named("coin").batch(photos, draw(5))
    ways = (torch.rand((2, 2, 9, 14), generator=draw(5)) * 2 - 1) * 2
    for n in range(2):
        for row in range(9):
            for column in range(14):
                down, right = (float(ways[axis, n, row, column]) for axis in (0, 1))
                naive = torch.zeros(channels)
                for by in (0, 1):
                    for along in (0, 1):
                        y, x = math.floor(down) + by, math.floor(right) + along
                        weight = (1 - abs(down - y)) * (1 - abs(right - x))
                        naive += weight * photos[n, :, (row + y) % 9, (column + x) % 14]
                assert (found[n, :, row, column] - naive).abs().max() < 0.51


def test_moved_pixels_keep_flat_images_and_the_mean(digits):
    assert torch.equal(named("coin").batch(flat(9), draw()), flat(9))
    photos = digits.train.samples[:100]
    found = named("coin").batch(photos, draw())
    assert float(found.float().mean()) == pytest.approx(float(photos.float().mean()), rel=0.01)
    assert named("coin").batch(flat(9)[..., :1, :1], draw()).shape == (200, 3, 1, 1)
