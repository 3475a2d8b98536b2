"""`mi-ue` against a naive second writing; what its loss is worth by hand; few images a class, odd shapes, resuming."""

import math
from dataclasses import replace

import pytest
import torch
from registered import as_before  # noqa: F401 (a fixture)
from searches import changed, check_goes_on, double, options, run
from torch import nn
from torch.nn import functional

import workbench as wb
from workbench import models, noise
from workbench.config import ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.noise.mi_ue import PRESETS, contrastive_loss
from workbench.noise.surrogate import SEED_APART

CPU = torch.device("cpu")


def config(**given) -> NoiseConfig:
    small = {"surrogate": "convnet-w4", "batch_size": 12, "noise_batch": 20, "rounds": 3, "noise_steps": 2}
    return noise.resolved(NoiseConfig.of(method="mi-ue", device="cpu", **{**small, **given}), "folder")


def of_classes(count: int, classes: int, shape: tuple[int, int, int] = (3, 12, 12)) -> Dataset:
    draw = torch.Generator().manual_seed(count)
    samples = torch.randint(0, 256, (count, *shape), generator=draw, dtype=torch.uint8)
    names = tuple(f"c{k:03d}" for k in range(classes))
    return Dataset(samples, torch.arange(count) % classes, names, tuple(f"{i}.png" for i in range(count)))


def naive_loss(z: torch.Tensor, labels: list[int], temperature: float, zeta: float) -> torch.Tensor:
    """The formula, one pair at a time."""
    total = torch.zeros(())
    for i, own in enumerate(labels):
        weights = [torch.exp(functional.cosine_similarity(z[i], z[j], dim=0) / temperature) for j in range(len(z))]
        mine = [j for j in range(len(z)) if labels[j] == own]
        total = total - torch.log(sum(weights[j] for j in mine) / sum(weights))
        apart = sum(((z[i] - z[j]).square().sum().sqrt() for j in mine if j != i), torch.zeros(()))
        total = total + zeta * torch.log(1 + apart / z.shape[1])
    return total / len(labels)


@pytest.mark.parametrize("zeta", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_and_its_gradient_are_the_formulas(zeta, temperature):
    labels = [0, 1, 2, 1, 0, 0, 3]  # 2 and 3 are alone
    z = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values, gradients = [], []
    for loss in (contrastive_loss(z.requires_grad_(), torch.tensor(labels), temperature, zeta),
                 naive_loss(z, labels, temperature, zeta)):  # fmt: skip
        values.append(loss.double())
        gradients.append(torch.autograd.grad(loss, z)[0])
    torch.testing.assert_close(*values, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


def test_the_loss_of_simple_features_is_known():
    z, labels = torch.eye(4).repeat(2, 1), torch.arange(4).repeat(2)
    apart = math.log((2 * math.exp(2) + 6) / (2 * math.exp(2)))  # same within a class, at right angles to the others
    assert float(contrastive_loss(z, labels, 0.5, 0.5)) == pytest.approx(apart, rel=1e-4)
    assert float(contrastive_loss(torch.ones(8, 4), labels, 0.5, 0.5)) == pytest.approx(math.log(4), rel=1e-5)


@pytest.mark.parametrize("zeta", [0.0, 0.1])
@pytest.mark.parametrize(
    "z", [torch.zeros(6, 3), torch.ones(6, 3), torch.eye(6), torch.full((6, 3), 1e4), torch.rand(1, 3)]
)
def test_features_that_are_nothing_alike_or_alone_have_finite_gradients(z, zeta):
    for labels in (torch.arange(len(z)), torch.zeros(len(z), dtype=torch.long)):
        leaf = z.clone().requires_grad_()
        loss = contrastive_loss(leaf, labels, 0.1, zeta)
        (gradient,) = torch.autograd.grad(loss, leaf)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def naive(asked: NoiseConfig, data: Dataset):
    """The search written plainly: image by image, features by the network's own layers."""
    given = options(asked)
    net = models.build(asked.surrogate, channels=3, classes=3, side=data.side, seed=asked.seed + SEED_APART).double()
    scaled, body = net
    optimiser = torch.optim.SGD(net.parameters(), lr=given.learning_rate, momentum=0.9, weight_decay=5e-4)
    images, labels = data.samples.float(), data.labels
    delta = torch.zeros(3 if asked.kind == "classwise" else len(data), *images.shape[1:])

    def row(i):
        return labels[i] if asked.kind == "classwise" else i

    def noisy(batch):
        return torch.stack([torch.clamp(images[i] + delta[row(i)], 0, 255) for i in batch])

    def parts(numbers, size):
        count = math.ceil(len(numbers) / size)
        longer, short = len(numbers) % count, len(numbers) // count
        return numbers.split([short + 1] * longer + [short] * (count - longer))

    def shuffled(numbers, size, draw):
        return parts(numbers[torch.randperm(len(numbers), generator=draw)], size)

    for number in range(given.rounds):
        draw = generator(CPU, asked.seed, Stream.MI_UE, number)
        turns = parts(torch.randperm(len(data), generator=draw), given.turn or len(data))
        for position, turn in enumerate(turns):
            done = (number + position / len(turns)) / given.rounds
            optimiser.param_groups[0]["lr"] = given.learning_rate * (1 + math.cos(math.pi * done)) / 2
            net.train()
            for _ in range(given.train_epochs):
                for batch in shuffled(turn, given.batch_size, draw):
                    optimiser.zero_grad()
                    functional.cross_entropy(net(noisy(batch).double()).float(), labels[batch]).backward()
                    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                    optimiser.step()
            net.eval()
            size = given.step + (given.last_step - given.step) * done
            for batch in shuffled(turn, given.noise_batch, draw):
                for _ in range(given.noise_steps):
                    leaf = noisy(batch).requires_grad_()
                    features = body[:-1](scaled(leaf.double()))
                    naive_loss(features, labels[batch].tolist(), given.temperature, given.zeta).backward()
                    for label in range(3) if asked.kind == "classwise" else ():
                        summed = leaf.grad[labels[batch] == label].sum(0)
                        delta[label] = torch.clamp(delta[label] - size * summed.sign(), -8, 8)
                    for which, mine in enumerate(batch if asked.kind == "samplewise" else ()):
                        moved = torch.clamp(delta[mine] - size * leaf.grad[which].sign(), -8, 8)
                        delta[mine] = torch.clamp(images[mine] + moved, 0, 255) - images[mine]
    return delta


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
@pytest.mark.parametrize(("zeta", "turn"), [(0.0, 0), (0.3, 30)])
def test_search_equals_the_naive_one(patterned, kind, zeta, turn):
    data = patterned(44)
    data.samples[:, :, ::3] = 0  # at the edge of the pixel box
    asked = config(kind=kind, zeta=zeta, turn=turn, train_epochs=2, step=2.5, last_step=1.0, learning_rate=0.05)
    expected = naive(asked, data)
    found, task = run(asked, data, double())
    assert expected.abs().max() > 4  # far from no noise at all
    different = (found - expected).abs() > 1e-3
    assert float(different.float().mean()) < 1e-3  # the loss is of float32: a sign may differ where a gradient is none
    assert task.passes == 3 * (2 + 2) * 44


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
@pytest.mark.parametrize(
    ("count", "classes", "shape"),
    [(9, 2, (1, 9, 14)), (40, 2, (1, 16, 11)), (100, 100, (3, 12, 12)), (103, 100, (3, 8, 8)), (7, 3, (3, 13, 9))],
)
def test_few_images_a_class_and_odd_shapes(kind, count, classes, shape):
    data = of_classes(count, classes, shape)
    made, facts = noise.make(config(kind=kind, epsilon=5, batch_size=33, noise_batch=33), data)
    assert made.delta.shape == (classes if kind == "classwise" else count, *shape)
    assert 0 < int(made.delta.short().abs().max()) <= 5
    assert bool((made.delta != 0).flatten(1).any(1).all())  # nobody is left without
    assert facts["image_passes"] == 3 * 3 * count


def test_one_image_alone_in_its_batch_stays_as_it_is():
    data = of_classes(6, 3)
    assert not run(config(noise_batch=1, zeta=0.1), data)[0].any()


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_labels_that_the_images_do_not_show_are_learnt_from_the_noise(patterned, kind):
    data = patterned(120)
    data = replace(data, labels=data.labels[torch.randperm(120, generator=torch.Generator().manual_seed(0))])
    settings = {"kind": kind, "batch_size": 30, "noise_batch": 60, "rounds": 8, "noise_steps": 4}
    errors = {epsilon: run(config(epsilon=epsilon, **settings), data)[1].error for epsilon in (0, 16)}
    assert errors[16] < errors[0] - 0.2


def test_the_seed_decides(patterned):
    one, again, other = (run(config(seed=seed), patterned(30))[0] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_stopped_search_goes_on_to_the_very_same_noise(patterned, tmp_path, kind, stop, monkeypatch):
    data, asked = patterned(30), config(kind=kind, augment="shift-flip")
    check_goes_on(asked, data, tmp_path, stop, monkeypatch)


def test_every_option_changes_the_noise(patterned):
    data, asked = patterned(30), config()
    before = run(asked, data)[0]
    others = {
        "turn": 12, "batch_size": 7, "train_epochs": 2, "noise_batch": 9, "noise_steps": 3, "rounds": 4, "step": 1.0,
        "last_step": 2.0, "zeta": 5.0, "temperature": 1.0, "augment": "shift", "learning_rate": 0.01,
    }  # fmt: skip
    for name, value in others.items():
        assert not torch.equal(before, run(changed(asked, **{name: value}), data)[0]), name


def test_the_papers_preset_and_what_overrides_it():
    paper = noise.resolved(NoiseConfig.of(method="mi-ue", preset="paper"), "cifar10").options
    expected = {
        "turn": 0, "batch_size": 128, "train_epochs": 1, "noise_batch": 512, "noise_steps": 10, "rounds": 100,
        "step": 0.2, "last_step": 0.4, "zeta": 0.1, "temperature": 0.1, "augment": "none", "learning_rate": 0.1,
    }  # fmt: skip
    assert {name: paper[name] for name in expected} == pytest.approx(expected)
    twice = noise.resolved(NoiseConfig.of(method="mi-ue", preset="paper", epsilon=16, rounds=7), "cifar10").options
    assert (twice["rounds"], twice["step"], twice["noise_steps"]) == (7, pytest.approx(0.4), 10)
    small = noise.resolved(NoiseConfig.of(method="mi-ue"), "cifar10").options
    assert small["rounds"] * (small["train_epochs"] + small["noise_steps"]) <= 20  # passes: a minute for 5,000 images
    assert small["preset"] == next(iter(PRESETS))


def fully_convolutional(channels, side, classes):
    return nn.Sequential(nn.Conv2d(channels, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class HeadFirst(nn.Module):
    """Layers in another order than they are passed through, the features in a sequence."""

    def __init__(self, channels, side, classes):
        super().__init__()
        self.head = nn.Linear(2 * 8, classes)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 16), nn.ReLU())

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize("surrogate", [HeadFirst, "mlp-w8", "resnet9-w2", "convnet-w2-avg"])
def test_any_network_with_a_linear_head_will_do(patterned, surrogate):
    made = wb.make_noise(patterned(12), "mi-ue", surrogate=surrogate, rounds=2, learning_rate=0.01, device="cpu")
    assert made.delta.any()


def test_a_network_without_a_linear_head_is_refused_in_one_line(patterned):
    with pytest.raises(ConfigError, match=r"has no nn\.Linear of 3 outputs, .* name another network") as refusal:
        wb.make_noise(patterned(12), "mi-ue", surrogate=fully_convolutional, device="cpu")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"preset": "papers"}, "did you mean 'paper'"),
        ({"augment": "flips"}, "augment"),
        ({"zeta": -0.1}, "zeta is -0.1: it must be at least 0"),
        ({"noise_batch": 0}, "noise-batch is 0: it must be at least 1"),
        ({"rounds": 1.5}, "rounds is 1.5: it must be of type int"),
        ({"ζ": 1}, "unknown setting of the method mi-ue"),
    ],
)
def test_senseless_options_are_refused_in_one_line(given, said):
    with pytest.raises(ConfigError, match=said) as refusal:
        config(**given)
    assert "\n" not in str(refusal.value)


def test_a_temperature_of_nothing_is_refused(patterned):
    with pytest.raises(ConfigError, match=r"temperature is 0: .* give a value above 0"):
        run(config(temperature=0.0), patterned(12))
