"""Filters: against a second writing, one pixel after the other."""

import statistics

import numpy as np
import pytest
import torch

from workbench.victim.composed import named


@pytest.fixture(scope="module", params=["square", "wide", "grey"])
def photos(request, digits):
    samples = digits.train.samples[:6]
    return {"square": samples, "wide": samples[:, :, :13], "grey": samples[:, :1, :, :9]}[request.param]


def test_a_median_is_that_of_nine_pixels(photos):
    found, (height, width) = named("median-3").inputs(photos), photos.shape[2:]

    def mirrored(at: int, side: int) -> int:
        return -at if at < 0 else 2 * side - 2 - at if at >= side else at

    for image, ours in zip(photos[:2].tolist(), found[:2].tolist(), strict=True):
        for plane, values in zip(image, ours, strict=True):
            for row in range(height):
                for column in range(width):
                    nine = [
                        plane[mirrored(row + down, height)][mirrored(column + right, width)]
                        for down in (-1, 0, 1)
                        for right in (-1, 0, 1)
                    ]
                    assert values[row][column] == statistics.median(nine)


def test_a_median_takes_single_pixels_out_and_leaves_edges():
    image = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    image[..., 6:] = 200
    spotted = image.clone()
    spotted[0, 1, 4, 3], spotted[0, 2, 8, 9] = 255, 0
    assert torch.equal(named("median-3").inputs(spotted), image)
    assert named("median-3").inputs(image[..., :1]).shape == (1, 3, 12, 1)


def test_sharpening_and_low_pass_are_a_kernel_and_a_cosine_transform(photos):
    found = named("sharpen-lowpass").inputs(photos)
    for image, ours in zip(photos.double().numpy(), found, strict=True):
        for plane, values in zip(image, ours, strict=True):
            edged = np.pad(plane, 1, mode="edge")
            around = edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:]
            sharp = np.clip(2.5 * plane - 0.375 * around, 0, 255)
            for axis, side in enumerate(plane.shape):
                turn = np.cos(np.pi * np.outer(np.arange(side), 2 * np.arange(side) + 1) / (2 * side))
                strength = np.tensordot(turn, sharp, (1, axis)) / side  # DCT-II and its inverse, without norms
                strength[int(np.ceil(0.3 * side)) :] = 0
                strength[1:] *= 2
                sharp = np.moveaxis(np.tensordot(turn.T, strength, (1, 0)), 0, axis)
            naive = np.clip(np.round(sharp), 0, 255)
            assert np.abs(values.numpy() - naive).max() <= 1
            assert (values.numpy() != naive).mean() < 0.01


def test_low_pass_keeps_what_is_smooth_and_takes_what_is_fine():
    made = named("sharpen-lowpass")
    flat = torch.full((1, 3, 20, 30), 77, dtype=torch.uint8)
    assert torch.equal(made.inputs(flat), flat)
    fine = flat.clone()
    fine[..., ::2] = 97
    assert (made.inputs(fine).int() - 87).abs().max() <= 4
    assert made.inputs(flat[..., :1, :1]).tolist() == [[[[77]]] * 3]


def test_many_images_are_filtered_as_few(digits):
    for name in ("median-3", "sharpen-lowpass"):
        many = digits.train.samples[:200]
        assert torch.equal(named(name).inputs(many)[190:], named(name).inputs(many[190:]))
