"""What is published and what the learner makes of it: shares, chosen classes, images left out."""

from dataclasses import replace

import pytest
import torch

from workbench import noise, tasks
from workbench.config import ConfigError, NoiseConfig, VictimConfig
from workbench.data.batches import Batches, generator
from workbench.data.dataset import DataPair
from workbench.victim import module
from workbench.victim.exposure import learnt_from, published

CONFIG = VictimConfig(
    victim="convnet-w4",
    epochs=2,
    batch_size=16,
    learning_rate=0.05,
    weight_decay=5e-4,
    augmentation="none",
    device="cpu",
)


@pytest.fixture(scope="module")
def made(tiny):
    config = noise.resolved(NoiseConfig(method="random", kind="samplewise", device="cpu"), "photo-digits")
    return noise.search(config, tiny.train)[0]


def changed(data, seen) -> torch.Tensor:
    return (seen.samples != data.samples).flatten(1).any(1)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_only_the_chosen_classes_carry_the_noise(tiny, made, fraction):
    config = replace(CONFIG, protected_classes="bee, cat", protected_fraction=fraction)
    seen, chosen = published(tiny.train, made, config)
    assert torch.equal(changed(tiny.train, seen), chosen)
    assert int(chosen.sum()) == 32 * fraction
    assert not chosen[tiny.train.labels == 0].any()
    assert torch.equal(seen.samples[chosen], made.apply(tiny.train)[chosen])


def test_an_unknown_class_is_refused_with_the_nearest(tiny, made):
    with pytest.raises(ConfigError, match="unknown class 'been': did you mean 'bee'"):
        published(tiny.train, made, replace(CONFIG, protected_classes="ant,been"))


def test_leave_out_trains_on_the_clean_part_alone_for_as_many_steps(tiny, made):
    config = replace(CONFIG, protected_fraction=0.75, defence="leave-out")
    _, chosen = published(tiny.train, made, config)
    seen = learnt_from(tiny.train, made, config)
    assert len(seen) == 48
    clean = {image.numpy().tobytes() for image in tiny.train.samples[~chosen]}
    assert {image.numpy().tobytes() for image in seen.samples} == clean
    assert len(clean) == 12
    by_image = {
        image.numpy().tobytes(): int(label) for image, label in zip(tiny.train.samples, tiny.train.labels, strict=True)
    }
    assert all(by_image[i.numpy().tobytes()] == int(k) for i, k in zip(seen.samples, seen.labels, strict=True))


def test_noisy_and_clean_images_are_mixed_in_every_epoch(patterned, made):
    """The draw of who carries noise must not be the draw of any epoch's order (it was that of the second)."""
    data = patterned(300)
    noise = replace(made, delta=torch.zeros_like(data.samples, dtype=torch.int8), fingerprint=data.fingerprint)
    config = replace(CONFIG, protected_fraction=0.5)
    _, chosen = published(data, noise, config)
    seen = module.Victim(torch.nn.Identity(), config, replace(data, labels=chosen.long()), data, 0.0)
    for epoch in range(8):
        draw = generator(torch.device("cpu"), config.seed, epoch)
        carries = torch.cat([labels for _, labels in Batches(seen.train_set, 16, draw)]).float()
        first, second = carries[:150].mean(), carries[150:].mean()
        assert abs(first - second) < 0.25, (
            f"epoch {epoch}: {first:.2f} of the first half carry noise, then {second:.2f}"
        )


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_leave_out_with_nothing_to_leave_or_nothing_left_is_refused(tiny, made, fraction):
    with pytest.raises(ConfigError, match="some images with noise and some without"):
        learnt_from(tiny.train, made, replace(CONFIG, protected_fraction=fraction, defence="leave-out"))


def test_the_protected_share_in_the_table_is_that_of_the_images(tiny, tmp_path):
    config = NoiseConfig(method="random", kind="samplewise", device="cpu")
    tasks.make_noise(config, tmp_path / "noise", data=tiny)
    one = replace(CONFIG, protected_classes="bee")
    rows = tasks.train_victim(one, tmp_path / "noise", tmp_path / "victim", data=tiny)
    assert set(rows["protected_fraction"]) == {round(16 / 48, 4)}
    assert set(rows["method"]) == {"random"}


def test_the_confusion_matrix_says_what_is_taken_for_what(tiny):
    """A victim whose training set misnames a class takes it for the other one."""
    wrong = replace(tiny.train, labels=torch.where(tiny.train.labels == 1, 2, tiny.train.labels))
    curve = module.train(replace(CONFIG, epochs=6, confusion=True), DataPair(wrong, tiny.test, "photo-digits"))
    found = {row["metric"]: row["value"] for row in curve if row["metric"].startswith("confusion/")}
    assert len(found) == 9
    assert {row["epoch"] for row in curve if row["metric"].startswith("confusion/")} == {6}
    for true in tiny.test.classes:
        assert sum(found[f"confusion/{true}/{other}"] for other in tiny.test.classes) == pytest.approx(1)
    assert found["confusion/bee/cat"] > 0.9
    assert found["confusion/bee/bee"] == 0
    assert found["confusion/cat/cat"] > 0.9
    accuracy = [row["value"] for row in curve if (row["split"], row["metric"]) == ("test", "accuracy")][-1]
    assert accuracy == pytest.approx(sum(found[f"confusion/{name}/{name}"] for name in tiny.test.classes) / 3, abs=1e-6)
    assert not any("confusion" in row["metric"] for row in module.train(CONFIG, tiny))
