"""What one's own methods and networks return is held to what is needed, and their options are checked, in one line."""

from dataclasses import dataclass

import pytest
import torch
from registered import as_before, make, refused  # noqa: F401 (a fixture)
from torch import nn

from workbench import models, noise, registry
from workbench.config import ConfigError, DataError, NoiseConfig, option


@dataclass(frozen=True)
class Options:
    """Options of a method of one's own."""

    size: int = option("how much", least=1)
    sign: str = option("which way", choices=("up", "down"))

    @classmethod
    def defaults(cls, asked, data):
        return {"size": asked.epsilon // 2, "sign": "up"}


@pytest.fixture
def shifting():
    @registry.method("own-shift", words="a shift of everything", options=Options)
    def search(task, options):
        return task.zeros() + (options.size if options.sign == "up" else -options.size)


def test_its_options_are_filled_in_and_can_be_given(tiny, shifting):
    assert (make("own-shift", tiny.train).delta == 2).all()
    assert (make("own-shift", tiny.train, size=3, sign="down").delta == -3).all()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"sizes": 3}, "unknown setting of the method own-shift 'sizes': did you mean 'size'? There are size, sign"),
        ({"size": 0}, "size is 0: it must be at least 1"),
        ({"size": "3"}, "size is '3': it must be of type int"),
        ({"sign": "op"}, "unknown sign 'op': did you mean 'up'? There are up, down"),
    ],
)
def test_its_options_are_checked(tiny, shifting, options, line):
    assert refused(ConfigError, make, "own-shift", tiny.train, **options) == line


def test_options_without_a_value_are_named(tiny):
    @dataclass(frozen=True)
    class Needy:
        size: int = option("how much")

    @registry.method("own-needy", words="needs its option", options=Needy)
    def search(task, options):
        return task.zeros()

    assert "method own-needy: its options cannot be filled in" in refused(ConfigError, make, "own-needy", tiny.train)


def test_a_method_of_ones_own_can_use_the_loop_and_its_surrogate(tiny, tmp_path):
    @registry.method("own-loop", words="a search")
    def search(task, options):
        surrogate, delta = task.surrogate(0.05), task.zeros()
        for batch, _ in task.batches(16, 2, surrogate, delta=delta):
            labels = task.labels[batch]
            logits = surrogate.train_step(task.samples[batch] + delta[task.rows(labels, batch)], labels)
            task.count(logits, labels)
            delta[task.rows(labels, batch)] += 1
        return delta

    found = make("own-loop", tiny.train)
    assert (found.delta == 2).all()


def test_a_network_of_ones_own_is_built_and_searched_against(tiny):
    @registry.network("own-flat")
    def flat(channels, side, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))

    network = models.for_data("own-flat", tiny.train, seed=0)
    assert network(tiny.train.samples.float()).shape == (48, 3)
    assert torch.equal(network[1][1].weight, models.for_data("own-flat", tiny.train, seed=0)[1][1].weight)
    asked = NoiseConfig.of(surrogate="own-flat", device="cpu", batch_size=16, rounds=1)
    assert noise.make(noise.resolved(asked, "photo-digits"), tiny.train)[0].delta.any()


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (lambda task: task.zeros() / 0, "noise that is not finite (NaN or infinity)"),
        (lambda task: task.zeros() + torch.inf, "noise that is not finite (NaN or infinity)"),
        (lambda task: task.zeros()[:, :, 1:], "a tensor of the shape 48×3×11×12: samplewise noise for these data is "),
        (lambda task: task.zeros()[0], "a tensor of the shape 3×12×12: samplewise noise for these data is 48×3×12×12"),
        (lambda task: task.zeros() + 4.5, "noise that reaches 4.5, beyond its budget of 4"),
        (lambda task: (task.zeros() - 4.01), "noise that reaches 4.01, beyond its budget of 4"),
        (lambda task: task.zeros().bool(), "a tensor of the type torch.bool: give float32 or torch.int8"),
        (lambda task: task.zeros() * 1j, "a tensor of the type torch.complex64: give float32 or torch.int8"),
        (lambda task: None, "NoneType, not a tensor"),
        (lambda task: task.zeros().numpy(), "ndarray, not a tensor"),
        (lambda task: (task.zeros(), {}), "tuple, not a tensor"),
    ],
)  # fmt: skip
def test_what_is_no_noise_is_refused_in_one_line(tiny, returned, line):
    registry.method("own-wrong", words="something else")(lambda task, options: returned(task))
    assert refused(DataError, make, "own-wrong", tiny.train).startswith(f"the method own-wrong returned {line}")


def test_a_method_that_fails_is_one_line_with_its_line(tiny):
    registry.method("own-wrong", words="words")(lambda task, options: 1 / 0)
    line = refused(ConfigError, make, "own-wrong", tiny.train)
    assert line.startswith("method own-wrong failed at line ")
    assert "of test_registry_results.py (ZeroDivisionError: division by zero)" in line


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int64, torch.float16, torch.float64])
def test_noise_of_any_type_of_number_is_taken(tiny, dtype):
    registry.method("own-typed", words="words")(lambda task, options: (task.zeros() - 3).to(dtype))
    assert (make("own-typed", tiny.train).delta == -3).all()


def test_whole_noise_beyond_the_budget_is_refused(tiny):
    registry.method("own-wrong", words="words")(lambda task, options: (task.zeros() - 128).to(torch.int8))
    assert "noise reaches 128 steps, beyond its budget of 4" in refused(DataError, make, "own-wrong", tiny.train)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (lambda channels, side, classes: nn.Sequential(nn.Flatten(), nn.Linear(432, 7)), "it gives (2, 7), not (2, 3)"),
        (lambda channels, side, classes: nn.Flatten(), "it gives (2, 432), not (2, 3)"),
        (lambda channels, side, classes: nn.Linear(5, 3), "given samples of (3, 12, 12), failed at line"),
        (lambda channels, side, classes: 1 / 0, "of test_registry_results.py (ZeroDivisionError: division by zero)"),
        (lambda channels: nn.Flatten(), "(TypeError: "),
        (lambda channels, side, classes: None, "its function returned NoneType, not an nn.Module"),
        (lambda channels, side, classes: nn.Flatten, "its function returned type, not an nn.Module"),
    ],
)
def test_what_is_no_network_for_these_data_is_refused_in_one_line(tiny, made, line):
    registry.network("own-wrong")(made)
    found = refused(ConfigError, models.for_data, "own-wrong", tiny.train, seed=0)
    assert found.startswith("network own-wrong")
    assert line in found
