"""The settings a search takes where none are given are the paper's (the authors' scripts), and can be overruled."""

from dataclasses import fields

import pytest

from workbench import catalogue, noise
from workbench.config import KINDS, OUTSIDE, ConfigError, NoiseConfig

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
    entry = catalogue.METHODS.get(settings.get("method"))
    settings = {"epsilon": OUTSIDE, **settings} if entry and entry.outside else settings
    return noise.resolved(NoiseConfig.of(data=data, **settings), data.partition(":")[0])


@pytest.mark.parametrize(("data", "kind", "epsilon", "step", "t", "m", "stop", "batch"), TABLE)
def test_em_takes_the_papers_settings(data, kind, epsilon, step, t, m, stop, batch):
    found = resolved(data, method="em", kind=kind, epsilon=epsilon)
    expected = {"step": step, "noise_steps": t, "train_steps": m, "stop_error": stop, "batch_size": batch}
    assert {name: found.options[name] for name in expected} == pytest.approx(expected)
    assert found.options["learning_rate"] == 0.1


@pytest.mark.parametrize(("kind", "stop"), [("samplewise", 0.9), ("classwise", 0.8)])
def test_em_max_climbs_to_the_papers_error(kind, stop):
    found = resolved("cifar100", method="em-max", kind=kind).options
    assert (found["stop_error"], found["train_steps"], found["noise_steps"]) == (
        stop,
        10,
        20 if kind == "samplewise" else 1,
    )


@pytest.mark.parametrize("method", [name for name, entry in catalogue.METHODS.items() if "image" in entry.spaces])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data", ["photo-digits:500", "synthetic-people", "folder:photos", "cifar10", "cifar100", "svhn"]
)
def test_every_search_is_complete_and_what_is_given_stays(method, kind, data):
    if (method, kind) == ("cuda", "classwise"):
        pytest.skip("it follows each image")
    for entry in fields(noise.options_of(method)):
        asked = {"method": method, "kind": kind}
        value = 3 if "choices" not in entry.metadata or not entry.metadata["choices"] else entry.metadata["choices"][-1]
        assert resolved(data, **asked).options[entry.name] is not None
        assert resolved(data, **asked, **{entry.name: None}) == resolved(data, **asked)
        assert resolved(data, **asked, **{entry.name: value}).options[entry.name] == value


def test_every_option_is_documented_in_a_line():
    for method in catalogue.METHODS:
        for entry in fields(noise.options_of(method)):
            assert len(entry.metadata["help"]) > 5, (method, entry.name)
            assert "\n" not in entry.metadata["help"]


def test_what_is_resolved_stays_as_it_is():
    for method, entry in catalogue.METHODS.items():
        for space, data, epsilon in (("image", "photo-digits", 8), ("audio", "spoken-digits", -30)):
            if space in entry.spaces:
                found = resolved(data, method=method, epsilon=OUTSIDE if entry.outside else epsilon)
                assert noise.resolved(found, data) == found


def test_joint_steps_are_shares_of_the_budget():
    for kind in KINDS:
        small, large = (resolved("cifar10", kind=kind, epsilon=epsilon).options for epsilon in (4, 8))
        assert large["step"] == 2 * small["step"] > 0
        assert large["shared_step"] == 2 * small["shared_step"]
        assert large["step"] <= 8


@pytest.mark.parametrize(
    ("settings", "nearest"),
    [
        ({"method": "em-min"}, "em"),
        ({"surrogate": "resnet81"}, "resnet18"),
        ({"epsilon": 200}, "127"),
        ({"round": 3}, "unknown setting of the method em-joint 'round': did you mean 'rounds'"),
        ({"method": "em", "shared_step": 1.0}, "unknown setting of the method em 'shared_step'"),
        ({"method": "random", "rounds": 3}, "unknown setting of the method random 'rounds'"),
        ({"rounds": 0}, "rounds is 0: it must be at least 1"),
        ({"batch_size": 0}, "batch-size is 0: it must be at least 1"),
        ({"step": -0.5}, "step is -0.5: it must be at least 0"),
        ({"learning_rate": float("nan")}, "learning-rate is nan: it must be at least 0"),
        ({"rounds": 1.5}, "rounds is 1.5: it must be of type int"),
        ({"rounds": True}, "rounds is True: it must be of type int"),
        ({"step": "0.8"}, "step is '0.8': it must be of type float"),
        ({"step": False}, "step is False: it must be of type float"),
        ({"begin": 3}, "begin is 3: it must be of type str"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_line(settings, nearest):
    with pytest.raises(ConfigError, match=nearest) as refusal:
        resolved("cifar10", **settings)
    assert "\n" not in str(refusal.value)
