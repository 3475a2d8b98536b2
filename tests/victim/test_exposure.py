"""Which training samples carry the noise: shares, chosen classes; and those that are left out for it."""

from dataclasses import replace

import pytest
import torch

from workbench import noise
from workbench.config import ConfigError, DataError, NoiseConfig, VictimConfig
from workbench.data.batches import Batches, Stream, generator
from workbench.noise.perturbation import Perturbation
from workbench.victim.composed import prepared
from workbench.victim.exposure import expose
from workbench.victim.train import train

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
    return noise.make(config, tiny.train)[0]


def changed(data, seen) -> torch.Tensor:
    return (seen.samples != data.samples).flatten(1).any(1)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_only_the_chosen_classes_carry_the_noise(tiny, made, fraction):
    config = replace(CONFIG, protected_classes="bee, cat", protected_fraction=fraction)
    seen, chosen = expose(tiny.train, made, config)
    assert torch.equal(changed(tiny.train, seen), chosen)
    assert int(chosen.sum()) == 32 * fraction
    assert not chosen[tiny.train.labels == 0].any()
    assert torch.equal(seen.samples[chosen], made.apply(tiny.train)[chosen])


def test_an_unknown_class_is_refused_with_the_nearest(tiny, made):
    with pytest.raises(ConfigError, match="unknown class 'been': did you mean 'bee'"):
        expose(tiny.train, made, replace(CONFIG, protected_classes="ant,been"))


def test_leave_out_trains_on_the_clean_part_alone_for_as_many_steps(tiny, made):
    config = replace(CONFIG, protected_fraction=0.75, defence="leave-out")
    exposed = expose(tiny.train, made, config)
    seen = prepared("leave-out", *exposed).train_set(*exposed)
    chosen = exposed.carries
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
    zero = replace(made, delta=torch.zeros_like(data.samples, dtype=torch.int8), fingerprint=data.fingerprint)
    config = replace(CONFIG, protected_fraction=0.5)
    marked = replace(data, labels=expose(data, zero, config).carries.long())
    for epoch in range(8):
        draw = generator(torch.device("cpu"), config.seed, Stream.ORDER, epoch)
        carries = torch.cat([labels for _, labels in Batches(marked, 16, draw)]).float()
        first, second = carries[:150].mean(), carries[150:].mean()
        assert abs(first - second) < 0.25, (
            f"epoch {epoch}: {first:.2f} of the first half carry noise, then {second:.2f}"
        )


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_leave_out_with_nothing_to_leave_or_nothing_left_is_refused(tiny, made, fraction):
    config = replace(CONFIG, protected_fraction=fraction, defence="leave-out")
    with pytest.raises(ConfigError, match="some samples with noise and some without"):
        train(config, tiny, *expose(tiny.train, made, config))


def test_what_comes_after_leave_out_is_told_that_nothing_carries_noise(tiny, made, monkeypatch):
    exposed = expose(tiny.train, made, replace(CONFIG, protected_fraction=0.5))
    both = prepared("leave-out+blur", *exposed)
    told = []
    monkeypatch.setattr(both.parts[1], "train_set", lambda data, carries: told.append(carries) or data)
    rest = both.train_set(*exposed)
    assert len(told[0]) == len(rest) == 48
    assert not told[0].any()


@pytest.mark.parametrize(("fraction", "classes"), [(0.01, ""), (0.03, "bee")])
def test_a_share_that_comes_to_no_sample_is_refused_in_one_line(tiny, made, fraction, classes):
    config = replace(CONFIG, protected_fraction=fraction, protected_classes=classes)
    with pytest.raises(ConfigError, match=f"protected-fraction {fraction} of {16 if classes else 48} samples") as no:
        expose(tiny.train, made, config)
    assert "\n" not in str(no.value)
    least = float(str(no.value).split("name ")[1].split()[0])
    assert int(expose(tiny.train, made, replace(config, protected_fraction=least)).carries.sum()) == 1


def test_a_class_that_has_no_samples_is_refused(tiny):
    data = tiny.train.subset((tiny.train.labels != 1).nonzero()[:, 0])
    other = Perturbation(torch.zeros(32, 3, 12, 12, dtype=torch.int8), "samplewise", 8, "random", data.fingerprint)
    with pytest.raises(ConfigError, match="of 0 samples is none: name other --protected-classes"):
        expose(data, other, replace(CONFIG, protected_classes="bee"))


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_a_seeded_share_of_the_images_carries_the_noise(tiny, made, fraction):
    data = tiny.train
    first, again, other = (
        expose(data, made, replace(CONFIG, protected_fraction=fraction, seed=seed)).data.samples for seed in (0, 0, 1)
    )
    changed = (first != data.samples).flatten(1).any(1)
    assert int(changed.sum()) == fraction * 48
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (fraction in (0, 1))
    assert torch.equal(first[changed], made.apply(data)[changed])


def test_without_noise_it_is_the_clean_twin(tiny):
    exposed = expose(tiny.train, None, CONFIG)
    assert exposed.data is tiny.train
    assert not exposed.carries.any()
    assert len(exposed.carries) == 48


def test_noise_for_other_images_is_refused(tiny, made):
    with pytest.raises(DataError, match="made for other data"):
        expose(tiny.test, made, CONFIG)


def test_the_noise_is_applied_once(tiny, made, monkeypatch):
    applied, apply = [], Perturbation.apply
    monkeypatch.setattr(Perturbation, "apply", lambda self, *given: applied.append(1) or apply(self, *given))
    train(replace(CONFIG, epochs=1), tiny, *expose(tiny.train, made, CONFIG))
    assert len(applied) == 1


def test_the_confusion_matrix_says_what_is_taken_for_what(tiny):
    """A victim whose training set misnames a class takes it for the other one."""
    wrong = replace(tiny.train, labels=torch.where(tiny.train.labels == 1, 2, tiny.train.labels))
    curve = train(replace(CONFIG, epochs=6, confusion=True), tiny, *expose(wrong, None, CONFIG))
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
    assert not any("confusion" in row["metric"] for row in train(CONFIG, tiny, *expose(tiny.train, None, CONFIG)))
