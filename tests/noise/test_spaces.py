"""Searches ask the data's space: with another one, of sixteen-bit samples in a row, they need no line of their own."""

import pytest
import torch
from registered import as_before  # noqa: F401 (a fixture)
from torch import nn

import workbench as wb
from workbench.data.dataset import Dataset
from workbench.data.space import Space

SOUND = Space("audio", -(2**15), 2**15 - 1, "of 32768", torch.int16, torch.int16)


def clips(count: int = 48, length: int = 64, seed: int = 0) -> Dataset:
    """Clips of three pitches under noise: int16 N×1×T, some samples at the ends of the range."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    waves = torch.sin(torch.arange(length) * (labels[:, None] + 1) * 0.3) * 30_000
    samples = (waves + 8_000 * torch.randn((count, length), generator=draw)).clamp(SOUND.low, SOUND.high)
    names = tuple(f"{label}/{index}.wav" for index, label in enumerate(labels.tolist()))
    return Dataset(samples.to(torch.int16)[:, None], labels, ("low", "mid", "high"), names, space=SOUND)


def ears(channels, side, classes):
    return nn.Sequential(
        nn.Conv1d(channels, 8, 9, 2), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(32, classes)
    )


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
@pytest.mark.parametrize(
    ("method", "options"),
    [("random", {}), ("em", {"rounds": 2, "train_steps": 4, "noise_steps": 2, "batch_size": 16}),
     ("em-joint", {"rounds": 2, "batch_size": 16})],
)  # fmt: skip
def test_noise_for_sixteen_bit_samples(method, options, kind):
    data = clips()
    noise = wb.make_noise(data, method=method, kind=kind, epsilon=100, surrogate=ears, device="cpu", **options)
    assert noise.delta.dtype == torch.int16
    assert 20 < int(noise.delta.abs().max()) <= 100
    protected = noise.apply(data)
    assert protected.dtype == torch.int16
    assert (protected.int() - data.samples.int()).abs().max() <= 100
    sample, _ = wb.Protected(data, noise)[0]
    assert sample.dtype == torch.float32
    assert float(sample.abs().max()) <= 1


def test_a_method_for_images_refuses_other_data():
    with pytest.raises(wb.WorkbenchError, match="method linear is for image data, not for audio"):
        wb.make_noise(clips(), method="linear", epsilon=100, device="cpu")
