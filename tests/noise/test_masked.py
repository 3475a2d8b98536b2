"""The shape `masked`: noise under each clip's masking threshold, within the limits of flat noise."""

import numpy as np
import pytest
import torch
from clips import toned
from searches import task_of

import workbench as wb
from workbench.cli import main
from workbench.config import NoiseConfig
from workbench.data import sound_measures
from workbench.noise import decibels
from workbench.noise.published import published

LOUD = -10  # dB under the peak: flat noise of this budget drowns a clip


def audible(data, copies) -> list[float]:
    """The share of audible cells of each clip."""
    pairs = zip(data.samples.numpy(), copies.numpy(), data.lengths.tolist(), strict=True)
    return [sound_measures.measure(a[:, :t].T, b[:, :t].T, data.rate, 16).audible for a, b, t in pairs]


@pytest.mark.parametrize("method", ["random", "tones"])
def test_masked_noise_is_hardly_audible_and_within_the_budget(method):
    data = wb.load("spoken-digits:30").train
    made = {
        shape: wb.make_noise(data, method=method, epsilon=LOUD, shape=shape, device="cpu")
        for shape in ("flat", "masked")
    }
    heard = {shape: np.mean(audible(data, noise.apply(data))) for shape, noise in made.items()}
    assert heard["flat"] > 0.3
    assert heard["masked"] < 0.03
    change = (made["masked"].apply(data).int() - data.samples.int()).abs()
    assert bool((change <= decibels.with_limits(data, LOUD, "flat").limits).all())
    assert int((change.amax((1, 2)) > 0).sum()) == len(data)  # quieter, not gone
    assert made["masked"].shape == "masked"


def test_a_silent_clip_carries_nothing_and_channels_are_their_own():
    data = toned(4, channels=2)
    data.samples[1] = 0
    data.samples[2, 1] = 0
    change = wb.make_noise(data, method="random", epsilon=LOUD, shape="masked", device="cpu").apply(data) - data.samples
    assert not change[1].any()
    assert change[2, 0].any()
    assert not change[2, 1].any()


def test_class_wise_noise_cannot_be_masked(tmp_path, capsys):
    asked = ["noise", "--data", "spoken-digits:20", "--method", "tones", "--kind", "classwise", "--budget-db", "-20"]
    assert main([*asked, "--shape", "masked", "--out", str(tmp_path / "n")]) == 2
    assert "shape masked is of each clip's own masking: give --kind samplewise" in capsys.readouterr().err
    assert not (tmp_path / "n").exists()


def test_the_search_meets_its_clips_moved_and_anew_in_each_batch():
    data = toned(6)
    task = task_of(NoiseConfig.of(method="em-joint", epsilon=-20, batch_size=6, rounds=1, device="cpu"), data)
    index, delta = torch.arange(6), torch.full(tuple(data.samples.shape), 100.0, requires_grad=True)
    first = published(task, index, delta)
    assert torch.equal(first, published(task, index, delta))  # the same place of the search
    task.place = 0, 1
    assert not torch.equal(first, published(task, index, delta))
    first.sum().backward()
    most = delta.shape[2] // 10
    for row, length in zip(delta.grad, data.lengths.tolist(), strict=True):
        assert bool(row[0, most : length - most].ne(0).all())  # what no delay moves beyond an end
