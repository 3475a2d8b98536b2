"""`em` against a naive second writing of Huang et al.'s search, in double precision, and its order and stop rule."""

from dataclasses import replace
from itertools import chain, count

import pytest
import torch
from searches import changed, double, options, run, task_of
from torch.nn import functional

from workbench import models, noise
from workbench.config import NoiseConfig
from workbench.data.dataset import Dataset
from workbench.noise import em
from workbench.noise.em import Order, swept
from workbench.noise.surrogate import SEED_APART, Surrogate

CONFIG = NoiseConfig.of(
    method="em",
    surrogate="convnet-w4",
    epsilon=8,
    batch_size=16,
    step=3.3,  # a few steps reach the sphere
    train_steps=4,
    noise_steps=4,
    rounds=3,
    stop_error=0.0,
    learning_rate=0.05,
    device="cpu",
)


def edged(data: Dataset) -> Dataset:
    """The images, with many pixels at the ends of the pixel box: there clamping shows."""
    images = data.samples.clone()
    images[:, :, ::3], images[:, :, 1::3] = 0, 255
    return replace(data, samples=images)


def ordered(config, data) -> Order:
    return Order(task_of(config, data), len(data), options(config).batch_size)


class Naive:
    """The paper's search written plainly: images in [0, 255], one tensor operation a line, nothing shared with it."""

    def __init__(self, config: NoiseConfig, data: Dataset):
        self.config, self.options, self.data = config, options(config), data
        self.net = models.build(
            config.surrogate, channels=3, classes=len(data.classes), side=data.side, seed=config.seed + SEED_APART
        ).double()
        rate = self.options.learning_rate
        self.optimiser = torch.optim.SGD(self.net.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)

    def loss(self, pixels, labels):
        return functional.cross_entropy(self.net(pixels.double()).float(), labels)

    def train(self, pixels, labels):
        self.net.train()
        self.optimiser.zero_grad()
        self.loss(pixels, labels).backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()

    def descend(self, clean, eta, labels):
        """T sign steps; what is returned was clamped to the ball, but not to the pixel box."""
        self.net.eval()
        moving = torch.clamp(clean + eta, 0, 255)
        for _ in range(self.options.noise_steps):
            leaf = moving.clone().requires_grad_()
            self.loss(leaf, labels).backward()
            eta = torch.clamp(moving - self.options.step * leaf.grad.sign() - clean, -8, 8)
            moving = torch.clamp(clean + eta, 0, 255)
        return eta

    def error(self, pixels, labels):
        self.net.eval()
        return float((self.net(pixels.double()).argmax(1) != labels).float().mean())

    def samplewise(self):
        images, labels = self.data.samples.float(), self.data.labels
        order = ordered(self.config, self.data).epoch(0)
        stream = chain.from_iterable(order for _ in count())  # goes on where it stopped
        delta = torch.zeros_like(images)
        for done in range(1, self.options.rounds + 1):
            for batch in (next(stream) for _ in range(self.options.train_steps)):
                self.train(images[batch] + delta[batch], labels[batch])
            for batch in order:
                delta[batch] = self.descend(images[batch], delta[batch], labels[batch])
            errors = [self.error(images[batch] + delta[batch], labels[batch]) for batch in order]
            if sum(errors) / len(errors) <= self.options.stop_error:
                break
        return delta, sum(errors) / len(errors), done

    def classwise(self):
        images, labels, part = self.data.samples.float(), self.data.labels, self.data.limited(len(self.data) // 5)
        every, fifth = ordered(self.config, self.data), ordered(self.config, part)
        stream = chain.from_iterable(every.epoch(number) for number in count())
        delta = torch.zeros(len(self.data.classes), *images.shape[1:])
        for done in range(self.options.rounds):
            for batch in (next(stream) for _ in range(self.options.train_steps)):
                self.train(torch.stack([images[i] + delta[labels[i]] for i in batch]), labels[batch])
            for batch in fifth.epoch(done):
                clean, mine = part.samples[batch].float(), part.labels[batch]
                eta = self.descend(clean, torch.stack([delta[label] for label in mine]), mine)
                for label in set(mine.tolist()):
                    delta[label] = torch.clamp(eta[mine == label].mean(0), -8, 8)
            errors = []
            for batch in fifth.epoch(done):
                mine = part.labels[batch]
                errors.append(self.error(part.samples[batch] + delta[mine], mine))
            if sum(errors) / len(errors) <= self.options.stop_error:
                break
        return delta, sum(errors) / len(errors), done + 1


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_search_equals_the_naive_one(patterned, kind, rounds):
    data = edged(patterned(50 if kind == "samplewise" else 82))  # neither is a multiple of the batch
    config = changed(replace(CONFIG, kind=kind), rounds=rounds, batch_size=16 if kind == "samplewise" else 6)
    expected, error, _ = getattr(Naive(config, data), kind)()
    found, task = run(config, data, double())
    assert expected.abs().max() > 6
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert task.error == pytest.approx(error)


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
def test_search_stops_at_the_stop_error(patterned, kind):
    data = patterned(60)
    config = changed(replace(CONFIG, kind=kind), rounds=20, stop_error=0.3, batch_size=6)
    expected, error, done = getattr(Naive(config, data), kind)()
    found, task = run(config, data, double())
    assert 1 < done < 20
    assert error <= 0.3
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert task.error == pytest.approx(error)


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize(("errors", "rounds"), [((0.5, 0.2, 0.19, 0.11, 0.1), 5), ((0.3, 0.0), 2), ((0.1,), 1)])
def test_search_ends_in_the_first_round_whose_error_is_no_more_than_asked(tiny, monkeypatch, kind, errors, rounds):
    """Neither at a multiple of it nor a round later."""
    told = []
    monkeypatch.setattr(em, "noisy_error", lambda *given: told.append(errors[len(told)]) or told[-1])
    config = changed(replace(CONFIG, kind=kind), rounds=20, stop_error=0.1, train_steps=1, noise_steps=1)
    _, task = run(config, tiny.train)
    assert len(told) == rounds
    assert task.error == errors[-1]


def fresh(config, data) -> Surrogate:
    return task_of(config, data).surrogate(options(config).learning_rate)


def test_noise_steps_leave_the_network_as_it_is_and_use_evaluation_mode(tiny):
    surrogate = fresh(CONFIG, tiny.train)
    pixels, labels = tiny.train.samples.float(), tiny.train.labels
    surrogate.train_step(pixels, labels)
    before = {name: value.clone() for name, value in surrogate.network.state_dict().items()}
    whole = surrogate.input_gradient(pixels, labels)
    alone = surrogate.input_gradient(pixels[:1], labels[:1])
    assert all(torch.equal(before[name], value) for name, value in surrogate.network.state_dict().items())
    torch.testing.assert_close(whole[:1] * len(labels), alone, rtol=1e-3, atol=1e-7)  # no image sees another
    surrogate.train_step(pixels, labels)
    after = surrogate.network.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before if "running_mean" in name)


def test_the_surrogate_learns_the_images_it_is_given(tiny):
    surrogate = fresh(CONFIG, tiny.train)
    pixels, labels = tiny.train.samples.float(), tiny.train.labels
    for _ in range(30):
        surrogate.train_step(pixels, labels)
    assert surrogate.error_rate([(pixels, labels)]) < 0.05
    assert surrogate.error_rate([(pixels, (labels + 1) % 3)]) > 0.9


def test_samplewise_noise_makes_its_own_image_easy(tiny):
    """The noise of an image lowers the loss of this image; the same noise on the class's next image does less."""
    config = changed(replace(CONFIG, kind="samplewise"), noise_steps=10, step=0.8, rounds=1)
    data = tiny.train
    found, _ = run(config, data)
    surrogate = fresh(config, data)
    for batch in ordered(config, data).epoch(0) * 2:
        surrogate.train_step(data.samples[batch].float(), data.labels[batch])
    surrogate.network.eval()

    def loss(delta):
        with torch.no_grad():
            return float(functional.cross_entropy(surrogate.network(data.samples + delta), data.labels))

    assert loss(found) < loss(found.roll(3, 0)) < loss(0)


def test_samplewise_order_is_one_for_ever_and_keeps_every_image(tiny):
    order = ordered(changed(replace(CONFIG, kind="samplewise"), batch_size=20), tiny.train)
    assert [len(batch) for batch in order.epoch(0)] == [20, 20, 8]
    assert torch.cat(order.epoch(0)).sort().values.tolist() == list(range(48))
    for number in range(3):
        for place in range(3):
            assert torch.equal(order.batch(3 * number + place), order.epoch(0)[place])


def test_classwise_order_is_shuffled_every_epoch_and_drops_the_last_batch(tiny):
    order = ordered(changed(replace(CONFIG, kind="classwise"), batch_size=20), tiny.train)
    assert [len(batch) for batch in order.epoch(0)] == [20, 20]
    assert not torch.equal(order.epoch(0)[0], order.epoch(1)[0])
    assert torch.equal(order.epoch(1)[0], order.epoch(1)[0])
    assert torch.equal(order.batch(3), order.epoch(1)[1])


def test_a_batch_larger_than_the_set_is_the_whole_set(tiny):
    for kind in ("classwise", "samplewise"):
        order = ordered(changed(replace(CONFIG, kind=kind), batch_size=512), tiny.train)
        assert [len(batch) for batch in order.epoch(0)] == [48]


def test_classwise_search_sweeps_a_stratified_fifth(patterned):
    assert swept(patterned(60), "classwise").labels.bincount().tolist() == [4, 4, 4]
    assert len(swept(patterned(60), "samplewise")) == 60


def test_classwise_search_works_with_a_handful_of_images(patterned):
    """A fifth of four images a class is less than one for each class."""
    data = patterned(12)
    assert swept(data, "classwise").labels.unique().tolist() == [0, 1, 2]
    asked = NoiseConfig.of(method="em", kind="classwise", surrogate="convnet-w4", device="cpu", rounds=2)
    found, _ = noise.make(noise.resolved(asked, "folder"), data)
    assert int(found.delta.short().abs().amax((1, 2, 3)).min()) > 0
