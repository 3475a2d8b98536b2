"""The settings a search takes where none are given are the paper's (the authors' scripts), and can be overruled."""

import pytest

from workbench import noise
from workbench.config import ConfigError, NoiseConfig

# data, kind, ε, step, T, M, stop error, batch size: the scripts of the authors' code
TABLE = [
    ("cifar10", "samplewise", 8, 0.8, 20, 10, 0.01, 512),
    ("cifar10", "classwise", 8, 0.8, 1, 10, 0.01, 512),
    ("cifar100", "samplewise", 8, 0.8, 20, 20, 0.01, 512),
    ("cifar100", "classwise", 8, 0.8, 1, 10, 0.01, 512),
    ("svhn", "samplewise", 8, 0.8, 20, 10, 0.01, 512),
    ("svhn", "classwise", 8, 0.8, 1, 10, 0.01, 512),
    ("cifar10", "samplewise", 16, 1.6, 20, 10, 0.01, 512),
    ("cifar10", "classwise", 24, 2.4, 1, 10, 0.01, 512),
]


def resolved(data, **settings):
    return noise.resolved(NoiseConfig(data=data, **settings), data.partition(":")[0])


@pytest.mark.parametrize(("data", "kind", "epsilon", "step", "t", "m", "stop", "batch"), TABLE)
def test_em_takes_the_papers_settings(data, kind, epsilon, step, t, m, stop, batch):
    found = resolved(data, method="em", kind=kind, epsilon=epsilon)
    assert found.step == pytest.approx(step)
    assert (found.noise_steps, found.train_steps, found.stop_error, found.batch_size) == (t, m, stop, batch)
    assert found.learning_rate == 0.1


@pytest.mark.parametrize(("kind", "stop"), [("samplewise", 0.9), ("classwise", 0.8)])
def test_em_max_climbs_to_the_papers_error(kind, stop):
    found = resolved("cifar100", method="em-max", kind=kind)
    assert (found.stop_error, found.train_steps, found.noise_steps) == (stop, 10, 20 if kind == "samplewise" else 1)


@pytest.mark.parametrize("method", ["em", "em-max", "em-joint"])
@pytest.mark.parametrize("kind", ["samplewise", "classwise"])
@pytest.mark.parametrize(
    "data", ["photo-digits:500", "synthetic-people", "folder:photos", "cifar10", "cifar100", "svhn"]
)
def test_every_search_is_complete_and_what_is_given_stays(method, kind, data):
    needed = {
        "em": ("batch_size", "step", "train_steps", "noise_steps", "rounds", "stop_error"),
        "em-joint": ("batch_size", "step", "shared_step", "rounds"),
    }
    for name in needed.get(method, needed["em"]):
        assert getattr(resolved(data, method=method, kind=kind), name) is not None
        assert getattr(resolved(data, method=method, kind=kind, **{name: 3}), name) == 3


def test_joint_steps_are_shares_of_the_budget():
    for kind in ("samplewise", "classwise"):
        small, large = (resolved("cifar10", kind=kind, epsilon=epsilon) for epsilon in (4, 8))
        assert large.step == 2 * small.step > 0
        assert large.shared_step == 2 * small.shared_step
        assert large.step <= 8


@pytest.mark.parametrize(
    ("settings", "nearest"),
    [({"method": "em-min"}, "em"), ({"surrogate": "resnet81"}, "resnet18"), ({"epsilon": 200}, "127")],
)
def test_what_does_not_exist_is_refused(settings, nearest):
    with pytest.raises(ConfigError, match=nearest):
        resolved("cifar10", **settings)
