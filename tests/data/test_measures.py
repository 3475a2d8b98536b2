"""Quality: equal to scikit-image and to NumPy, and exact for equal images."""

import math

import numpy as np
import pytest
import torch
from photographs import peak_memory
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from workbench.data.measures import linear_separability, measure


def pictures(count=4, channels=3, height=20, width=27, seed=0):
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, channels, height // 4 + 1, width // 4 + 1), generator=draw).float()
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return (smooth + torch.randint(-20, 21, smooth.shape, generator=draw)).clamp(0, 255).to(torch.uint8)


def changed(images, epsilon, seed=1):
    delta = torch.randint(-epsilon, epsilon + 1, images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + delta).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("epsilon", [1, 8, 60])
def test_psnr_and_ssim_equal_scikit_images(channels, epsilon):
    originals = pictures(channels=channels)
    copies = changed(originals, epsilon)
    for found, original, copy in zip(measure(originals, copies), originals.numpy(), copies.numpy(), strict=True):
        assert found.psnr == pytest.approx(peak_signal_noise_ratio(original, copy, data_range=255), abs=1e-3)
        ssim = structural_similarity(
            original,
            copy,
            channel_axis=0,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert found.ssim == pytest.approx(ssim, abs=1e-5)


def test_distances_and_shares_equal_numpys():
    originals = pictures()
    copies = changed(originals, 8)
    for found, original, copy in zip(measure(originals, copies), originals.numpy(), copies.numpy(), strict=True):
        change = copy.astype(int) - original.astype(int)
        assert found.linf == np.abs(change).max()
        assert found.l2 == pytest.approx(np.linalg.norm(change))
        assert found.changed == pytest.approx((change != 0).mean())
        assert found.negative == pytest.approx((change < 0).mean())


def test_equal_images_have_infinite_psnr_and_ssim_one():
    found = measure(pictures(), pictures())[0]
    assert (found.linf, found.l2, found.changed, found.negative, found.psnr) == (0, 0, 0, 0, math.inf)
    assert found.ssim == pytest.approx(1)


def test_the_largest_change_there_can_be_is_measured():
    """255 fits neither int8 nor a difference of uint8."""
    black = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    white = torch.full_like(black, 255)
    for found in (*measure(black, white), *measure(white, black)):
        assert (found.linf, found.psnr, found.changed) == (255, 0, 1)
    assert measure(white, black)[0].negative == 1
    assert measure(black, white)[0].negative == 0


def test_each_image_is_measured_by_itself():
    originals = pictures()
    copies = originals.clone()
    copies[2] = changed(originals, 8)[2]
    found = measure(originals, copies)
    assert [quality.linf > 0 for quality in found] == [False, False, True, False]
    alone = measure(originals[2:3], copies[2:3])[0]
    assert found[2].ssim == pytest.approx(alone.ssim, abs=1e-5)
    assert found[2].ssim < 0.999


def test_an_image_of_the_windows_size_has_an_ssim():
    small = pictures(height=11, width=11)
    assert 0.5 < measure(small, changed(small, 8))[0].ssim < 1


def test_images_smaller_than_the_window_have_no_ssim():
    small = pictures(height=10, width=30)
    assert math.isnan(measure(small, changed(small, 8))[0].ssim)
    assert measure(small, changed(small, 8))[0].psnr > 25


def test_tensors_that_do_not_match_are_refused():
    for copies in (pictures(count=3), pictures(channels=1), pictures().float()):
        with pytest.raises(ValueError, match="one shape"):
            measure(pictures(), copies)


def test_noise_that_follows_the_class_is_linearly_separable_and_other_noise_is_not():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(2000) % 4
    classwise = torch.randint(-8, 9, (4, 3, 4, 4), generator=draw).to(torch.int8)[labels]
    unrelated = torch.randint(-8, 9, (2000, 3, 4, 4), generator=draw).to(torch.int8)
    assert linear_separability(classwise, labels) == 1
    assert linear_separability(unrelated, labels) < 0.35
    assert linear_separability(torch.zeros_like(unrelated), labels) == pytest.approx(0.25, abs=0.05)
    many_pixels = torch.randint(-8, 9, (200, 3, 16, 16), generator=draw).to(torch.int8)
    assert linear_separability(many_pixels, labels[:200]) < 0.45  # fewer noises than pixels: no learning by heart


def test_large_images_are_measured_by_strips_as_numpy_measures_them_whole():
    originals = pictures(count=1, height=1100, width=700)
    copies = changed(originals, 8)
    copies[0, 2, -1, -1] = originals[0, 2, -1, -1] ^ 128  # the last value of the last strip
    found = measure(originals, copies)[0]
    change = copies.numpy().astype(int) - originals.numpy().astype(int)
    assert found.linf == np.abs(change).max() == 128
    assert found.l2 == pytest.approx(np.linalg.norm(change), rel=1e-12)
    assert found.changed == (change != 0).mean()
    assert found.negative == (change < 0).mean()
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / (change**2).mean()), rel=1e-12)


def test_integers_do_not_overflow_on_large_images():
    black = torch.zeros(1, 3, 1024, 1024, dtype=torch.uint8)
    found = measure(black, torch.full_like(black, 255))[0]
    assert found.l2 == pytest.approx(255 * math.sqrt(3 * 1024 * 1024), rel=1e-12)
    assert found.psnr == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("height", "width", "block"), [(513, 700, 2), (640, 960, 3), (1024, 1500, 4), (600, 514, 2)])
def test_ssim_of_large_images_is_that_of_their_averages(height, width, block):
    """Averaged with NumPy over whole blocks; sizes that leave a cut block are compared on what is whole."""
    originals = pictures(count=1, height=height, width=width)
    copies = changed(originals, 30)
    whole = (slice(None), slice(None), slice(height - height % block), slice(width - width % block))
    small = [
        images[whole].double().unfold(2, block, block).unfold(3, block, block).mean((4, 5))[0].numpy()
        for images in (originals, copies)
    ]
    expected = structural_similarity(
        *small, channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert measure(originals, copies)[0].ssim == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(("height", "width"), [(512, 600), (512, 3000), (3000, 500)])
def test_images_up_to_512_pixels_are_not_averaged_and_strips_join_without_a_seam(height, width):
    originals = pictures(count=1, channels=1, height=height, width=width)
    copies = changed(originals, 30)
    expected = structural_similarity(
        originals[0, 0].numpy(), copies[0, 0].numpy(), data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert measure(originals, copies)[0].ssim == pytest.approx(expected, abs=1e-5)


def test_layouts_of_memory_make_no_difference():
    originals = pictures(count=1, height=600, width=540)
    copies = changed(originals, 8)
    last = [images.contiguous(memory_format=torch.channels_last) for images in (originals, copies)]
    assert measure(*last) == measure(originals, copies)


def test_twelve_megapixels_take_little_memory():
    images = torch.randint(0, 256, (3000, 4000, 3), dtype=torch.uint8).permute(2, 0, 1)[None]  # as read from a file
    copies = images.roll(1, 3)
    measure(images[..., :64, :64], copies[..., :64, :64])
    assert peak_memory(lambda: measure(images, copies)) < 400e6
