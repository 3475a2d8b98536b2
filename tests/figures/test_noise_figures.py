"""Noise: shown magnified, by its frequencies and by its values."""

import numpy as np
import pytest
from tidy import lines, texts

from workbench import figures


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_sheet_shows_image_magnified_noise_and_copy(channels):
    image = np.full((8, 8, channels), 100, np.uint8)
    copy = image.copy()
    copy[0, 0], copy[0, 1] = 108, 92
    figure = figures.noise_sheet({"cat": image}, {"classwise": {"cat": copy}}, epsilon=8)
    original, noise_shown, protected = (
        np.asarray(axis.images[0].get_array()).reshape(8, 8, -1) for axis in figure.axes
    )
    assert (original == image).all()
    assert (protected == copy).all()
    assert noise_shown[0, 0].tolist() == [254] * channels
    assert noise_shown[0, 1].tolist() == [0] * channels
    assert noise_shown[5, 5].tolist() == [127] * channels
    assert "noise ×16" in texts(figure)
    assert "±8 of 255" in texts(figure)


@pytest.mark.parametrize("kinds", [1, 2])
def test_noise_sheet_has_one_row_per_class_and_two_columns_per_kind(kinds):
    images = {name: np.full((8, 8, 3), 9, np.uint8) for name in "abc"}
    figure = figures.noise_sheet(images, {f"kind {i}": images for i in range(kinds)}, epsilon=0)
    assert len(figure.axes) == 3 * (1 + 2 * kinds)


def test_images_stand_side_by_side_as_they_are():
    before, after = np.full((8, 8, 3), 9, np.uint8), np.full((8, 8, 3), 13, np.uint8)
    figure = figures.side_by_side({"original": {"cat": before}, "mine": {"cat": after}})
    assert [int(np.asarray(axis.images[0].get_array())[0, 0, 0]) for axis in figure.axes] == [9, 13]
    assert "mine: mean change 4.0 of 255" in figures.words_of(figure)


def waves(frequency, count=2, side=16):
    """Noise of one horizontal wave, in cycles per pixel, of amplitude 8."""
    return np.broadcast_to(8 * np.cos(2 * np.pi * frequency * np.arange(side)), (count, 3, side, side))


def test_spectrum_lies_where_the_waves_are():
    figure = figures.spectrum({"slow": waves(1 / 8), "fast": waves(3 / 8)})
    slow, fast = (np.asarray(axis.images[0].get_array()) for axis in figure.axes[:2])
    assert np.argwhere(slow == slow.max()).tolist() == [[8, 6], [8, 10]]  # ±1/8 cycles per pixel across, 0 down
    assert np.argwhere(fast == fast.max()).tolist() == [[8, 2], [8, 14]]
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert (left, right, bottom, top) == pytest.approx((-0.53125, 0.46875, 0.46875, -0.53125))
    assert "100 % of the power" in figure.axes[0].get_title()
    assert "low frequencies: 0 % of the power" in figure.axes[1].get_title()


def test_mean_power_is_the_mean_square():
    noise = np.random.default_rng(0).integers(-8, 9, (300, 3, 8, 8))  # more images than one chunk
    figure = figures.spectrum({"noise": noise})
    power = 10.0 ** np.asarray(figure.axes[0].images[0].get_array())
    assert power.mean() == pytest.approx((noise.astype(float) ** 2).mean(), rel=1e-4)
    assert f"mean square {(noise.astype(float) ** 2).mean():.1f}" in figures.words_of(figure)


def test_spectrum_of_no_noise_at_all_can_be_drawn():
    figures.spectrum({"nothing": np.zeros((1, 1, 4, 6))})
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.spectrum({})


def test_histogram_is_the_share_of_each_whole_value():
    noise = np.array([-2.0, -2, 0, 1, 1, 1, 1, 2]).reshape(1, 1, 2, 4)
    figure = figures.histogram({"a": noise, "em, class-wise": noise * 0}, 2)
    (axis,) = figure.axes
    assert lines(axis)["a"].get_xdata().tolist() == [-2, -1, 0, 1, 2]
    assert lines(axis)["a"].get_ydata().tolist() == [0.25, 0, 0.125, 0.5, 0.125]
    assert lines(axis)["em, class-wise"].get_color() == figures.styles()["em", "classwise"]["color"]
    assert "a: 25.0 % at -2, 12.5 % at 0, 12.5 % at 2" in figures.words_of(figure)


def test_histogram_gives_no_look_twice():
    noise = np.zeros((1, 1, 2, 2))
    names = [*map(str, range(len(figures.styles()))), "clean", "em, class-wise"]  # more than the catalogue has looks
    shown = [lines(figures.histogram(dict.fromkeys(names, noise), 2).axes[0])[name] for name in names]
    looks = [(line.get_color(), line.get_marker()) for line in shown]
    free = len(figures.styles()) - 2
    assert len({*looks[:free], *looks[-2:]}) == free + 2


def test_histogram_refuses_noise_beyond_the_budget():
    with pytest.raises(ValueError, match="reaches 9 pixel values, beyond ε = 8"):
        figures.histogram({"a": np.full((1, 1, 2, 2), 9.0)}, 8)
