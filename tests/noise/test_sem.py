"""`sem` against a naive second writing; what its transforms do to images and gradients; what it goes on from."""

from dataclasses import replace

import pytest
import torch
from searches import changed, double, images, options, run
from torch.nn import functional

from workbench import models, noise, progress
from workbench.config import KINDS, ConfigError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.noise import search, sem
from workbench.noise.surrogate import SEED_APART

CPU = torch.device("cpu")
QUICK = {"batch_size": 10, "rounds": 2, "learning_rate": 0.05}
PAPER = {"preset": "paper", "train_steps": 5, "noise_steps": 2, "draws": 2, "train_attack_steps": 2, "batch_size": 10}


def config(data="folder", **given) -> NoiseConfig:
    asked = {"method": "sem", "surrogate": "convnet-w4", "kind": "samplewise", "device": "cpu", **given}
    return noise.resolved(NoiseConfig.of(**asked), data)


class Naive:
    """The papers' alternation, image by image where that can be, without transforms."""

    def __init__(self, asked: NoiseConfig, data: Dataset):
        self.asked, self.o, self.data = asked, options(asked), data
        network = models.build("convnet-w4", channels=3, classes=3, side=12, seed=asked.seed + SEED_APART)
        self.network = network.double()
        self.optimiser = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-4)
        self.shared, self.own = torch.zeros(3, 3, 12, 12), torch.zeros(len(data), 3, 12, 12)
        self.passes = 0

    def delta(self, i: int) -> torch.Tensor:
        total = self.shared[self.data.labels[i]]
        return (total if self.asked.kind == "classwise" else total + self.own[i]).clamp(-8, 8)

    def noisy(self, batch) -> torch.Tensor:
        return torch.stack([(self.data.samples[i].float() + self.delta(i)).clamp(0, 255) for i in batch])

    def gradient(self, pixels, labels) -> torch.Tensor:
        self.network.eval()
        self.passes += len(labels)
        pixels = pixels.clone().requires_grad_()
        loss = functional.cross_entropy(self.network(pixels.double()).float(), labels)
        return torch.autograd.grad(loss, pixels)[0]

    def attacked(self, pixels, labels, draw, radius, how) -> torch.Tensor:
        steps = {"uniform": 0, "pgd": self.o.train_attack_steps}.get(how)
        if steps is None or (how, steps) == ("pgd", 0):
            return pixels
        found = (pixels + radius * (2 * torch.rand(pixels.shape, generator=draw) - 1)).clamp(0, 255)
        for _ in range(steps):
            uphill = self.gradient(found, labels).sign() * radius * (1.25 if steps == 1 else 2 / steps)
            found = (found + uphill).clamp(min=pixels - radius, max=pixels + radius).clamp(0, 255)
        return found

    def step(self, batch, gradients, left) -> None:
        classwise, before = self.asked.kind == "classwise", [self.delta(i) for i in batch]
        for label in set(self.data.labels[batch].tolist()):
            summed = sum(g for i, g in zip(batch, gradients, strict=True) if self.data.labels[i] == label)
            size = self.o.step if classwise else self.o.shared_step
            self.shared[label] = (self.shared[label] - left * size * summed.sign()).clamp(-8, 8)
        for i, old, gradient in zip(batch, before, gradients, strict=True):
            self.own[i] = (old - left * self.o.step * gradient.sign()).clamp(-8, 8) - self.shared[self.data.labels[i]]

    def visit(self, batch, number, steps, anew) -> None:
        o, labels, share = self.o, self.data.labels[batch], number / steps
        draw = generator(CPU, self.asked.seed, Stream.SEM, number)
        radius, left = o.radius * (min(1, share / o.warmup) if o.warmup else 1), 1 if anew else 1 - share
        if anew:
            self.own[batch] = (torch.rand((len(batch), 3, 12, 12), generator=draw) * 2 - 1) * 8
        for _ in range(o.noise_steps):
            total = 0
            for _ in range(o.draws):
                near = self.attacked(self.noisy(batch), labels, draw, radius, o.inner)
                total = total + self.gradient(near, labels)
            self.step(batch, total, left)
        if share >= 1:
            self.passes += len(batch)
            return
        pixels = self.noisy(batch)
        found = self.attacked(pixels, labels, draw, radius, "pgd").requires_grad_()
        self.network.train()
        self.optimiser.zero_grad()
        loss = functional.cross_entropy(self.network(found.double()).float(), labels)
        self.passes += len(batch)
        if o.ignorance:
            known = self.network(self.data.samples[batch].double()).float().softmax(1)
            loss = loss + o.ignorance * ((known - 1 / 3) ** 2).sum(1).sqrt().mean()
            self.passes += len(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for group in self.optimiser.param_groups:
            group["lr"] = o.learning_rate * (1 if share < 0.4 else o.decay if share < 0.8 else o.decay**2)
        self.optimiser.step()
        if not o.noise_steps:
            self.step(batch, found.grad, left)

    def run(self) -> torch.Tensor:
        anew = self.o.noise_start == "random" and self.asked.kind == "samplewise"
        length = -(-len(self.data) // self.o.batch_size)
        passes = self.o.rounds
        while passes * length < self.o.train_steps:
            passes += 1
        for turn in range(passes + anew):
            draw = generator(CPU, self.asked.seed, Stream.EM_JOINT_ORDER, turn)
            batches = torch.randperm(len(self.data), generator=draw).split(self.o.batch_size)
            for position, batch in enumerate(batches):
                self.visit(batch, turn * length + position, passes * length, anew)
        rows = range(3) if self.asked.kind == "classwise" else range(len(self.data))
        return torch.stack([self.shared[i] if self.asked.kind == "classwise" else self.delta(i) for i in rows])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "given",
    [
        {**QUICK, "transform": "none"},
        {**QUICK, "transform": "none", "inner": "uniform", "draws": 2, "ignorance": 0.7, "rounds": 1, "warmup": 0.0},
        {**QUICK, "transform": "none", "train_attack_steps": 0, "shared_step": 0.0},
        {**PAPER, "transform": "none"},
        {**PAPER, "transform": "none", "inner": "pgd", "radius": 3.0, "rounds": 2, "train_steps": 0},
    ],
    ids=["small", "ignorant", "unattacked", "stable", "robust"],
)
def test_the_search_equals_the_naive_one(patterned, kind, given):
    data, asked = patterned(34), config(kind=kind, seed=3, **given)
    data.samples[:, :, ::3] = 0  # at the edge of the range: noise there may go one way only, but has a gradient
    naive = Naive(asked, data)
    expected = naive.run()
    found, task = run(asked, data, double())
    assert expected.abs().max() > 2
    tolerance = 1e-3 if kind == "classwise" else 0.5 + 1e-3  # sample-wise noise comes in whole pixel values
    apart = (found.float() - expected).abs() > tolerance
    assert float(apart.float().mean()) < 2e-3  # a gradient that is nearly zero has either sign
    assert task.passes == naive.passes


def test_what_no_attack_and_no_transform_leave_is_em_joint(patterned):
    data = patterned(30)
    data.samples.clamp_(10, 245)  # at the edges of the range its gradient is cut off
    given = {"step": 2.0, "shared_step": 1.5, **QUICK}
    asked = config(transform="none", train_attack_steps=0, **given)
    other = replace(config(), method="em-joint", options={})
    joint = noise.resolved(replace(other, options=given), "folder")
    assert torch.equal(run(asked, data)[0], run(joint, data)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [{**QUICK, "transform": "grey"}, {**PAPER, "transform": "strong"}])
def test_a_stopped_search_goes_on_to_the_very_same_noise(patterned, tmp_path, monkeypatch, kind, given):
    data, asked = patterned(65), config(kind=kind, **given)  # seven batches a pass
    monkeypatch.setattr(search, "LEAST", 2)
    monkeypatch.setattr(search, "MOST_PARTS", 4)
    whole, task = run(asked, data)
    advance, done = progress.Progress.advance, []

    def stopped(self, *steps, **numbers):
        advance(self, *steps, **numbers)
        done.append(numbers)
        if len(done) in (1, 3, 6):
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Progress, "advance", stopped)
    for _ in range(2 if (kind, given["transform"]) == ("classwise", "strong") else 3):  # that has one pass, no last one
        with pytest.raises(KeyboardInterrupt):
            run(asked, data, folder=tmp_path)
    found, again = run(asked, data, folder=tmp_path)
    assert torch.equal(found, whole)
    assert (again.passes, again.error) == (task.passes, task.error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transform", sem.TRANSFORMS)
@pytest.mark.parametrize(
    ("count", "classes", "height", "width", "channels"), [(21, 2, 9, 14, 3), (20, 3, 13, 8, 1), (104, 100, 8, 8, 3)]
)
def test_images_of_every_shape_and_any_number_of_classes(kind, transform, count, classes, height, width, channels):
    data = images(count, classes, channels, height, width, seed=1)
    asked = config(kind=kind, epsilon=5, transform=transform, **{**QUICK, "batch_size": 16})
    made, facts = noise.make(asked, data)
    assert made.delta.shape == (classes if kind == "classwise" else count, channels, height, width)
    assert 3 <= int(made.delta.short().abs().max()) <= 5
    assert facts["image_passes"] == 2 * 2 * count


def test_the_seed_decides_and_nothing_else(patterned):
    one = run(config(**QUICK), patterned(30))[0]
    torch.manual_seed(5)
    again, other = (run(config(seed=seed, **QUICK), patterned(30))[0] for seed in (0, 1))
    assert torch.equal(one, again)
    assert float((one != other).float().mean()) > 0.3


@pytest.mark.parametrize("inner", sem.INNER)
def test_the_last_pass_makes_all_noise_anew_against_the_finished_surrogate(patterned, inner):
    data = patterned(40)
    found, task = run(config(inner=inner, **PAPER), data)
    trained, moved = 2 * 40, 3 * 40  # four batches a pass: five steps are two passes, and the last one
    attack = 2 if inner == "pgd" else 0
    assert task.passes == trained * (2 + 1) + moved * 2 * 2 * (attack + 1) + 40
    assert float((found == 0).float().mean()) < 0.2  # no image was left out
    one_less, _ = run(config(inner=inner, **PAPER | {"train_steps": 4}), data)
    more, _ = run(config(inner=inner, **PAPER | {"train_steps": 8}), data)
    assert torch.equal(found, more)
    assert not torch.equal(found, one_less)


def test_the_noise_of_images_whose_labels_say_nothing_is_learnt_through_the_attack(patterned):
    data = patterned(180)
    shuffled = replace(data, labels=data.labels[torch.randperm(180, generator=torch.Generator().manual_seed(0))])
    given = {"kind": "classwise", "rounds": 8, "batch_size": 20, "radius": 8.0, "transform": "none"}
    errors = {epsilon: run(config(epsilon=epsilon, **given), shuffled)[1].error for epsilon in (0, 32)}
    assert errors[32] + 0.2 < errors[0]


def test_ignorance_keeps_the_surrogate_from_the_clean_images(patterned):
    data, unsure = patterned(90), {}
    for weight in (0.0, 3.0):
        asked = config(ignorance=weight, rounds=4, batch_size=10, transform="none", epsilon=0)
        with search.Search(asked, data, double(), None) as task:
            kept = []
            made = task.surrogate
            task.surrogate = lambda rate: kept.append(made(rate)) or kept[0]
            sem.search(task, options(asked))
        with torch.no_grad():
            unsure[weight] = float(kept[0].network(data.samples.float()).softmax(1).max(1).values.mean())
    assert unsure[3.0] < unsure[0.0] - 0.2


def test_the_presets_and_what_stays_of_them():
    small, paper = (config(preset=preset, epsilon=16).options for preset in ("small", "paper"))
    assert (paper["train_steps"], paper["batch_size"], paper["draws"], paper["noise_steps"]) == (5000, 128, 5, 10)
    assert (paper["step"], paper["radius"], paper["train_attack_steps"], paper["inner"]) == (3.2, 8.0, 10, "uniform")
    assert (small["radius"], small["noise_steps"], config().options["preset"]) == (8.0, 0, "small")
    apart = config(inner="uniform").options
    assert apart["rounds"] * (apart["noise_steps"] + 2) <= 9  # passes an image
    assert config(inner="uniform", noise_steps=4, rounds=7).options["rounds"] == 7


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"inner": "uniform", "noise_steps": 0}, "noise-steps is 0, inner uniform, noise-start kept: give 1 or more"),
        (
            {"noise_start": "random", "noise_steps": 0},
            "noise-steps is 0, inner pgd, noise-start random: give 1 or more",
        ),
        ({"warmup": 1.5}, "warmup is 1.5: it is a share of the search, at most 1"),
        ({"inner": "gauss"}, "unknown inner 'gauss'"),
        ({"preset": "large"}, "unknown preset 'large'"),
        ({"transform": "gray"}, "did you mean 'grey'"),
        ({"radius": -1.0}, "radius is -1"),
        ({"draws": 0}, "draws is 0"),
    ],
)
def test_senseless_settings_are_refused_in_one_line(patterned, given, line):
    with pytest.raises(ConfigError, match=line) as refusal:
        run(config(**given), patterned(6))
    assert "\n" not in str(refusal.value)


def test_options_given_one_by_one_change_the_noise(patterned):
    data, base = patterned(30), config(**QUICK)
    before = run(base, data)[0]
    for given in (
        {"radius": 1.0}, {"train_attack_steps": 2}, {"warmup": 0.0}, {"transform": "grey"}, {"ignorance": 1.0},
        {"shared_step": 0.0}, {"step": 1.0}, {"decay": 0.1}, {"rounds": 3}, {"train_steps": 8}, {"learning_rate": 0.01},
        {"noise_steps": 1}, {"noise_steps": 1, "inner": "none"},
    ):  # fmt: skip
        assert not torch.equal(run(changed(base, **given), data)[0], before), given
