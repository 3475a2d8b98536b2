"""`em` against a naive second writing of Huang et al.'s search, in double precision, and its order and stop rule."""

from dataclasses import replace
from itertools import chain, count

import pytest
import torch
from lightning.fabric import Fabric
from torch.nn import functional

from workbench import models, noise
from workbench.config import NoiseConfig
from workbench.data.dataset import Dataset
from workbench.noise.em import Order, search, swept
from workbench.noise.surrogate import SEED_APART, Surrogate

CONFIG = NoiseConfig(
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


def double() -> Fabric:
    """Double precision: no sign of a gradient hangs on the order of a sum."""
    return Fabric(accelerator="cpu", devices=1, precision="64-true")


def edged(data: Dataset) -> Dataset:
    """The images, with many pixels at the ends of the pixel box: there clamping shows."""
    images = data.samples.clone()
    images[:, :, ::3], images[:, :, 1::3] = 0, 255
    return replace(data, samples=images)


class Naive:
    """The paper's search written plainly: images in [0, 255], one tensor operation a line, nothing shared with it."""

    def __init__(self, config: NoiseConfig, data: Dataset):
        self.config, self.data = config, data
        self.net = models.build(
            config.surrogate, channels=3, classes=len(data.classes), side=data.side, seed=config.seed + SEED_APART
        ).double()
        self.optimiser = torch.optim.SGD(
            self.net.parameters(), lr=config.learning_rate, momentum=0.9, weight_decay=5e-4
        )

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
        for _ in range(self.config.noise_steps):
            leaf = moving.clone().requires_grad_()
            self.loss(leaf, labels).backward()
            eta = torch.clamp(moving - self.config.step * leaf.grad.sign() - clean, -8, 8)
            moving = torch.clamp(clean + eta, 0, 255)
        return eta

    def error(self, pixels, labels):
        self.net.eval()
        return float((self.net(pixels.double()).argmax(1) != labels).float().mean())

    def samplewise(self):
        images, labels = self.data.samples.float(), self.data.labels
        order = Order(self.data, self.config).epoch(0)
        stream = chain.from_iterable(order for _ in count())  # goes on where it stopped
        delta = torch.zeros_like(images)
        for done in range(1, self.config.rounds + 1):
            for batch in (next(stream) for _ in range(self.config.train_steps)):
                self.train(images[batch] + delta[batch], labels[batch])
            for batch in order:
                delta[batch] = self.descend(images[batch], delta[batch], labels[batch])
            errors = [self.error(images[batch] + delta[batch], labels[batch]) for batch in order]
            if sum(errors) / len(errors) <= self.config.stop_error:
                break
        return delta, sum(errors) / len(errors), done

    def classwise(self):
        images, labels, part = self.data.samples.float(), self.data.labels, self.data.limited(len(self.data) // 5)
        every, fifth = Order(self.data, self.config), Order(part, self.config)
        stream = chain.from_iterable(every.epoch(number) for number in count())
        delta = torch.zeros(len(self.data.classes), *images.shape[1:])
        for done in range(self.config.rounds):
            for batch in (next(stream) for _ in range(self.config.train_steps)):
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
            if sum(errors) / len(errors) <= self.config.stop_error:
                break
        return delta, sum(errors) / len(errors), done + 1


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_search_equals_the_naive_one(patterned, kind, rounds):
    data = edged(patterned(50 if kind == "samplewise" else 82))  # neither is a multiple of the batch
    config = replace(CONFIG, kind=kind, rounds=rounds, batch_size=16 if kind == "samplewise" else 6)
    expected, error, _ = getattr(Naive(config, data), kind)()
    found, record = search(data, config, double(), None)
    assert expected.abs().max() > 6
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert record.error == pytest.approx(error)


@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
def test_search_stops_at_the_stop_error(patterned, kind):
    data = patterned(60)
    config = replace(CONFIG, kind=kind, rounds=20, stop_error=0.3, batch_size=6)
    expected, error, done = getattr(Naive(config, data), kind)()
    found, record = search(data, config, double(), None)
    assert 1 < done < 20
    assert error <= 0.3
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert record.error == pytest.approx(error)


def test_noise_steps_leave_the_network_as_it_is_and_use_evaluation_mode(tiny):
    surrogate = Surrogate(Fabric(accelerator="cpu", devices=1), CONFIG, tiny.train)
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
    surrogate = Surrogate(Fabric(accelerator="cpu", devices=1), CONFIG, tiny.train)
    pixels, labels = tiny.train.samples.float(), tiny.train.labels
    for _ in range(30):
        surrogate.train_step(pixels, labels)
    assert surrogate.error_rate([(pixels, labels)]) < 0.05
    assert surrogate.error_rate([(pixels, (labels + 1) % 3)]) > 0.9


def test_samplewise_noise_makes_its_own_image_easy(tiny):
    """The noise of an image lowers the loss of this image; the same noise on the class's next image does less."""
    config = replace(CONFIG, kind="samplewise", noise_steps=10, step=0.8, rounds=1)
    data, fabric = tiny.train, Fabric(accelerator="cpu", devices=1)
    found, _ = search(data, config, fabric, None)
    surrogate = Surrogate(fabric, config, data)
    for batch in Order(data, config).epoch(0) * 2:
        surrogate.train_step(data.samples[batch].float(), data.labels[batch])
    surrogate.network.eval()

    def loss(delta):
        with torch.no_grad():
            return float(functional.cross_entropy(surrogate.network(data.samples + delta), data.labels))

    assert loss(found) < loss(found.roll(3, 0)) < loss(0)


def test_samplewise_order_is_one_for_ever_and_keeps_every_image(tiny):
    order = Order(tiny.train, replace(CONFIG, kind="samplewise", batch_size=20))
    assert [len(batch) for batch in order.epoch(0)] == [20, 20, 8]
    assert torch.cat(order.epoch(0)).sort().values.tolist() == list(range(48))
    for number in range(3):
        for place in range(3):
            assert torch.equal(order.batch(3 * number + place), order.epoch(0)[place])


def test_classwise_order_is_shuffled_every_epoch_and_drops_the_last_batch(tiny):
    order = Order(tiny.train, replace(CONFIG, kind="classwise", batch_size=20))
    assert [len(batch) for batch in order.epoch(0)] == [20, 20]
    assert not torch.equal(order.epoch(0)[0], order.epoch(1)[0])
    assert torch.equal(order.epoch(1)[0], order.epoch(1)[0])
    assert torch.equal(order.batch(3), order.epoch(1)[1])


def test_a_batch_larger_than_the_set_is_the_whole_set(tiny):
    for kind in ("classwise", "samplewise"):
        order = Order(tiny.train, replace(CONFIG, kind=kind, batch_size=512))
        assert [len(batch) for batch in order.epoch(0)] == [48]


def test_classwise_search_sweeps_a_stratified_fifth(patterned):
    assert swept(patterned(60), "classwise").labels.bincount().tolist() == [4, 4, 4]
    assert len(swept(patterned(60), "samplewise")) == 60


def test_classwise_search_works_with_a_handful_of_images(patterned):
    """A fifth of four images a class is less than one for each class."""
    data = patterned(12)
    assert swept(data, "classwise").labels.unique().tolist() == [0, 1, 2]
    config = noise.resolved(NoiseConfig(method="em", kind="classwise", surrogate="convnet-w4", device="cpu"), "folder")
    found, _ = noise.search(replace(config, rounds=2), data)
    assert int(found.delta.short().abs().amax((1, 2, 3)).min()) > 0
