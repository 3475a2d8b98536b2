"""The notch: which frequencies it takes out, written a second time, and what it leaves of planted patterns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.data.dataset import Dataset
from workbench.victim.composed import named, prepared
from workbench.victim.defences.spectra import Notch, peaks, spectra


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Random images with more at low frequencies, as photographs have it: float N×C×H×W."""
    height, width = shape[1:]
    rows, columns = torch.fft.fftfreq(height)[:, None] * height, torch.fft.fftfreq(width) * width
    fall = 1 / (1 + (rows**2 + columns**2).sqrt())
    coarse = torch.fft.ifft2(torch.fft.fft2(torch.randn(count, *shape, generator=draw(1))) * fall).real
    return coarse * 100 + 128


WAVES = [(0, 5), (4, 4), (7, 0)]  # cycles an image, down and across, by class


def plaids(count: int, shape: tuple[int, int, int], own_phase: bool) -> torch.Tensor:
    _, height, width = shape
    phases = torch.rand(count, 2, generator=draw(2)) * 2 * np.pi
    if not own_phase:
        phases = phases[:3].repeat(count, 1)[:count]
    rows, columns = torch.arange(height) / height, torch.arange(width) / width
    found = []
    for i, (down, across) in enumerate(phases.tolist()):
        v, h = WAVES[i % 3]
        wave = torch.cos(2 * np.pi * v * rows + (down if v else 0))[:, None]
        found.append(torch.sign(wave * torch.cos(2 * np.pi * h * columns + (across if h else 0))))
    return torch.stack(found)[:, None].expand(-1, *shape) * 8


def protected(count: int = 120, shape: tuple[int, int, int] = (3, 32, 24), own_phase: bool = True):
    """Images with a plaid of their class's frequency, and the same without."""
    labels = torch.arange(count) % 3
    clean = smooth(count, shape)
    pixels = (clean + plaids(count, shape, own_phase)).round().clamp(0, 255).to(torch.uint8)
    names = tuple(f"{i}.png" for i in range(count))
    return Dataset(pixels, labels, ("a", "b", "c"), names), clean.round().clamp(0, 255).to(torch.uint8)


def fitted(data: Dataset, seed: int = 0) -> Notch:
    carries = torch.ones(len(data), dtype=torch.bool)
    made = prepared("notch", data, carries, seed=seed)
    assert made.train_set(data, carries) is data
    assert isinstance(made, Notch)
    return made


def naive_gain(data: Dataset) -> np.ndarray:
    """The same over the whole plane, frequency by frequency."""
    pixels, labels = data.samples.numpy().astype(float), data.labels.numpy()
    logs = np.log1p(np.abs(np.fft.fft2(pixels)))
    means = np.stack([logs[labels == k].mean(0) for k in np.unique(labels)])
    off = means - means.mean(0)
    channels, height, width = off.shape[1:]
    score = np.zeros((channels, height, width // 2 + 1))
    for c, v, h in np.ndindex(score.shape):
        highest = -np.inf
        for one in off[:, c]:
            near = [one[(v + i) % height, (h + j) % width] for i in range(-2, 3) for j in range(-2, 3)]
            highest = max(highest, one[v, h] - np.median(near))
        score[c, v, h] = highest * means.mean(0)[c, v, h]
    score[:, 0, 0] = -1
    gain = np.ones(score.size)
    gain[np.argsort(-score.ravel(), kind="stable")[: int(0.05 * score.size)]] = 0
    return gain.reshape(score.shape)


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 11, 9), (3, 8, 15)])
def test_the_frequencies_are_those_of_the_peaks(shape):
    data, _ = protected(30, shape)
    ours, naive = fitted(data).gain.numpy(), naive_gain(data)
    assert ours.shape == naive.shape
    assert ours.sum() == naive.sum() == naive.size - int(0.05 * naive.size)
    # Both halves of the columns 0 and W/2 are as high: either may come first.
    assert (ours != naive).sum() <= 2


def test_an_image_smaller_than_the_neighbourhood_has_peaks():
    for shape in ((1, 3, 4), (3, 1, 6), (1, 2, 2)):
        data, _ = protected(12, shape)
        assert peaks(spectra(data), shape[2]).shape == (3, shape[0], shape[1], shape[2] // 2 + 1)
        assert fitted(data).inputs(data.samples).shape == data.samples.shape


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("own_phase", [False, True])
def test_planted_plaids_are_found_and_taken_out(channels, own_phase):
    data, clean = protected(shape=(channels, 32, 24), own_phase=own_phase)
    made = fitted(data)
    for v, h in WAVES:
        assert (made.gain[:, v, h] == 0).all()
        assert (made.gain[:, -v, h] == 0).all()
    found, without = made.inputs(data.samples), made.inputs(clean)
    left = (found.float() - without).square().mean() / (data.samples.float() - clean).square().mean()
    assert left < 0.25  # of the power; a sign's harmonics are in it
    before, after = (peaks(spectra(replace(data, samples=one)), 24).amax() for one in (data.samples, found))
    assert after < 0.75 * before
    assert (found.float().mean((1, 2, 3)) - data.samples.float().mean((1, 2, 3))).abs().max() < 0.6  # brightness


def test_the_filter_is_a_fixed_one_for_training_and_test_images():
    data, clean = protected(30)
    made = fitted(data)
    before = clean.clone()
    alone = torch.cat([made.inputs(image[None]) for image in clean])
    assert torch.equal(alone, made.inputs(clean))
    assert torch.equal(clean, before)
    spectrum = np.fft.rfft2(clean.numpy().astype(float)) * made.gain.numpy()
    naive = np.clip(np.round(np.fft.irfft2(spectrum, s=clean.shape[2:])), 0, 255)
    assert np.abs(made.inputs(clean).numpy() - naive).max() <= 1


def test_it_needs_no_chance_and_keeps_nothing_of_the_data():
    data, _ = protected(30)
    before = data.samples.clone()
    assert torch.equal(fitted(data).gain, fitted(data, seed=1).gain)
    assert torch.equal(data.samples, before)
    assert named("notch").inputs(data.samples) is data.samples  # nothing found yet


def test_in_a_composition_the_published_images_are_looked_at():
    data, _ = protected(30)
    carries = torch.ones(30, dtype=torch.bool)
    both = prepared("grayscale+notch", data, carries)
    both.train_set(data, carries)
    assert torch.equal(both.inputs(data.samples), fitted(data).inputs(named("grayscale").inputs(data.samples)))
