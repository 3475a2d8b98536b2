"""Configurations: unknown names, wrong types and values out of range are refused; the key tells runs apart."""

from dataclasses import asdict, fields, replace

import pytest

from workbench.config import (
    ConfigError,
    DataConfig,
    NoiseConfig,
    VictimConfig,
    WorkbenchError,
    check_choice,
    from_mapping,
    key,
)

ALL = (DataConfig, NoiseConfig, VictimConfig)


@pytest.mark.parametrize("kind", ALL)
def test_defaults_are_valid_and_documented(kind):
    config = kind()
    assert from_mapping(kind, asdict(config)) == config
    assert all(len(entry.metadata["help"]) > 5 and "\n" not in entry.metadata["help"] for entry in fields(kind))


def test_configurations_are_frozen():
    with pytest.raises(AttributeError):
        NoiseConfig().epsilon = 4


@pytest.mark.parametrize(
    ("kind", "wrong", "nearest"),
    [(NoiseConfig, "epsilonn", "epsilon"), (VictimConfig, "epoch", "epochs"), (DataConfig, "sed", "seed")],
)
def test_unknown_setting_names_the_nearest(kind, wrong, nearest):
    with pytest.raises(ConfigError, match=rf"'{wrong}'.*did you mean '{nearest}'"):
        from_mapping(kind, {wrong: 1})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (NoiseConfig, "epsilon", "8"),
        (NoiseConfig, "epsilon", 8.0),
        (NoiseConfig, "epsilon", True),
        (NoiseConfig, "epsilon", None),
        (NoiseConfig, "rounds", 1.5),
        (NoiseConfig, "step", "0.8"),
        (NoiseConfig, "step", False),
        (NoiseConfig, "method", 3),
        (VictimConfig, "protected_fraction", "half"),
        (VictimConfig, "epochs", "many"),
        (DataConfig, "data", None),
        (DataConfig, "seed", 0.0),
    ],
)
def test_wrong_type_is_refused_by_name(kind, name, value):
    with pytest.raises(ConfigError, match=f"{name}.*must be of type"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (NoiseConfig, "epsilon", -1),
        (NoiseConfig, "epsilon", 256),
        (NoiseConfig, "rounds", 0),
        (NoiseConfig, "batch_size", 0),
        (NoiseConfig, "step", -0.5),
        (NoiseConfig, "learning_rate", float("nan")),
        (VictimConfig, "protected_fraction", 1.5),
        (VictimConfig, "protected_fraction", -0.1),
        (VictimConfig, "protected_fraction", float("nan")),
        (VictimConfig, "epochs", 0),
        (VictimConfig, "weight_decay", -1.0),
        (DataConfig, "limit_train", -1),
        (DataConfig, "limit_test", -1),
        (DataConfig, "side", -1),
        (DataConfig, "side", 7),
        (DataConfig, "side", 1025),
        (DataConfig, "seed", -1),
        (DataConfig, "seed", 2**31),
    ],
)
def test_value_out_of_range_is_refused_with_option_and_value(kind, name, value):
    with pytest.raises(ConfigError) as refusal:
        kind(**{name: value})
    assert name.replace("_", "-") in str(refusal.value)
    assert str(value) in str(refusal.value)


def test_ends_of_ranges_are_valid():
    NoiseConfig(epsilon=0, seed=2**31 - 1, rounds=1, step=0)
    VictimConfig(protected_fraction=0)
    VictimConfig(protected_fraction=1)


@pytest.mark.parametrize(
    ("kind", "values", "nearest"),
    [(NoiseConfig, {"kind": "classwize"}, "classwise"), (DataConfig, {"device": "gpu"}, "cpu")],
)
def test_unknown_choice_names_the_nearest(kind, values, nearest):
    with pytest.raises(ConfigError, match=f"did you mean '{nearest}'"):
        kind(**values)


@pytest.mark.parametrize("value", ["", "x", "完全", "a\nb"])
def test_hopeless_choice_still_gets_a_refusal_of_one_line(value):
    with pytest.raises(ConfigError) as refusal:
        check_choice("kind", value, ("classwise", "samplewise"))
    assert len(str(refusal.value).splitlines()) == 1


def test_choice_from_nothing_is_a_refusal():
    with pytest.raises(ConfigError, match="unknown parameter 'x'"):
        check_choice("parameter", "x", ())


def test_refusals_are_workbench_errors():
    assert issubclass(ConfigError, WorkbenchError)


def test_key_is_stable_across_order_and_machines():
    values = {"epsilon": 8, "data": "folder:größe", "step": 0.5, "rounds": None}
    assert key(values) == key(dict(reversed(values.items()))) == "1baf6cf237a7"


@pytest.mark.parametrize("kind", ALL)
def test_key_changes_with_every_field(kind):
    base = kind()
    other = {
        "data": "cifar10", "limit_train": 1, "limit_test": 1, "side": 8, "seed": 1, "device": "cpu", "method": "em",
        "kind": "classwise", "epsilon": 4, "surrogate": "resnet18", "batch_size": 3, "step": 0.1, "shared_step": 0.1,
        "train_steps": 2, "noise_steps": 2, "rounds": 2, "stop_error": 0.3, "learning_rate": 0.2, "victim": "resnet18",
        "epochs": 3, "weight_decay": 0.1, "augmentation": "none", "defence": "blur", "protected_fraction": 0.5,
        "protected_classes": "3", "confusion": True, "devices": 2, "num_nodes": 2, "precision": "bf16", "compile": True,
        "start": "zero",
    }  # fmt: skip
    keys = {key(asdict(replace(base, **{entry.name: other[entry.name]}))) for entry in fields(kind)}
    assert len(keys | {key(asdict(base))}) == len(fields(kind)) + 1
