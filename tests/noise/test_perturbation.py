"""Perturbation: what is added to which image, what is kept on disk, and noise that does not belong is refused."""

from dataclasses import replace

import pytest
import torch

from workbench.config import DataError
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import FILE_NAME, Perturbation


def drawn(data, kind, epsilon=8, seed=0):
    count = len(data.classes) if kind == "classwise" else len(data)
    shape = (count, *data.samples.shape[1:])
    delta = PerturbationBudget(epsilon).random_start(shape, torch.Generator().manual_seed(seed))
    return Perturbation(PerturbationBudget(epsilon).round(delta), kind, epsilon, "random", data.fingerprint)


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_apply_is_clip_of_image_plus_its_own_noise(tiny, kind):
    data, made = tiny.train, drawn(tiny.train, kind, 20)
    protected = made.apply(data)
    assert protected.dtype == torch.uint8
    for index in range(len(data)):
        row = int(data.labels[index]) if kind == "classwise" else index
        expected = (data.samples[index].int() + made.delta[row].int()).clamp(0, 255)
        assert torch.equal(protected[index].int(), expected)


def test_noise_goes_both_ways_and_stops_at_the_pixel_box(tiny):
    data = replace(tiny.train, samples=tiny.train.samples.clone())
    data.samples[0], data.samples[1], data.samples[2] = 100, 0, 255
    made = drawn(data, "samplewise")
    change = made.apply(data).int() - data.samples.int()
    assert torch.equal(change[0], made.delta[0].int())
    assert (int(change[0].min()), int(change[0].max())) == (-8, 8)
    assert (int(change[1].min()), int(change[1].max())) == (0, 8)
    assert (int(change[2].min()), int(change[2].max())) == (-8, 0)


def test_only_the_chosen_images_are_changed(tiny):
    chosen = torch.arange(len(tiny.train)) % 4 == 1
    protected = drawn(tiny.train, "samplewise").apply(tiny.train, chosen)
    changed = (protected != tiny.train.samples).flatten(1).any(1)
    assert torch.equal(changed, chosen)


def test_apply_leaves_the_originals(tiny):
    before = tiny.train.samples.clone()
    drawn(tiny.train, "samplewise").apply(tiny.train)
    assert torch.equal(tiny.train.samples, before)


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_what_is_saved_is_what_is_loaded(tiny, tmp_path, kind):
    made = drawn(tiny.train, kind)
    path = tmp_path / FILE_NAME
    assert made.save(path) == path
    for where in (path, tmp_path, str(path), str(tmp_path)):  # the file, or the folder of a run
        found = Perturbation.load(where)
        assert torch.equal(found.delta, made.delta)
        assert replace(found, delta=made.delta) == made
        assert found.digest == made.digest
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_noise_beyond_its_budget_is_refused(tiny):
    made = drawn(tiny.train, "classwise")
    for value in (9, -9, -128):
        delta = made.delta.clone()
        delta[0, 0, 0, 0] = value
        with pytest.raises(DataError, match="beyond its budget"):
            replace(made, delta=delta)


@pytest.mark.parametrize("change", [{"kind": "none"}, {"delta": torch.zeros(3, 3, 4, 4)}])
def test_a_wrong_kind_or_type_is_refused(tiny, change):
    with pytest.raises(DataError):
        replace(drawn(tiny.train, "classwise"), **change)


def test_noise_for_other_images_is_refused(tiny):
    data = tiny.train
    pixel = data.samples.clone()
    pixel[0, 0, 0, 0] ^= 1
    label = data.labels.clone()
    label[0] = 1
    others = (tiny.test, data.limited(9), replace(data, samples=pixel), replace(data, labels=label))
    for other in others:
        for kind in ("classwise", "samplewise"):
            with pytest.raises(DataError, match="made for other data"):
                drawn(data, kind).apply(other)


def test_a_missing_damaged_or_foreign_file_is_refused(tiny, tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(DataError, match="there is no"):
        Perturbation.load(tmp_path)
    path = drawn(tiny.train, "classwise").save(tmp_path / FILE_NAME)
    whole = path.read_bytes()
    for damaged in (whole[:-10], b"", b"not safetensors"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a noise file"):
            Perturbation.load(tmp_path)
    save_file({"delta": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="not a noise file"):
        Perturbation.load(tmp_path)
