"""Configurations: unknown names, wrong types and values out of range are refused; the key tells runs apart."""

from dataclasses import asdict, dataclass, fields, replace

import pytest

from workbench.config import (
    ConfigError,
    DataConfig,
    NoiseConfig,
    ProtectConfig,
    VictimConfig,
    WorkbenchError,
    check_choice,
    check_values,
    key,
    option,
)

ALL = (DataConfig, NoiseConfig, VictimConfig, ProtectConfig)


@pytest.mark.parametrize("kind", ALL)
def test_defaults_are_valid_and_documented(kind):
    config = kind()
    assert kind(**asdict(config)) == config
    for entry in fields(kind):
        if entry.name != "options":  # a mapping, documented by the methods
            assert len(entry.metadata["help"]) > 5, entry.name
            assert "\n" not in entry.metadata["help"]


def test_configurations_are_frozen():
    with pytest.raises(AttributeError):
        NoiseConfig().epsilon = 4


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (NoiseConfig, "epsilon", "8"),
        (NoiseConfig, "epsilon", 8.0),
        (NoiseConfig, "epsilon", True),
        (NoiseConfig, "epsilon", None),
        (NoiseConfig, "options", [("rounds", 3)]),
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
        (NoiseConfig, "epsilon", -97),
        (NoiseConfig, "epsilon", 256),
        (NoiseConfig, "devices", 0),
        (ProtectConfig, "epsilon", 0),
        (VictimConfig, "batch_size", 0),
        (VictimConfig, "learning_rate", float("nan")),
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
    NoiseConfig(epsilon=0, seed=2**31 - 1)
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
        "kind": "classwise", "epsilon": 4, "surrogate": "resnet18", "options": {"rounds": 2}, "batch_size": 3,
        "learning_rate": 0.2, "victim": "resnet18", "epochs": 3, "weight_decay": 0.1, "augmentation": "none",
        "defence": "blur", "protected_fraction": 0.5, "protected_classes": "3", "confusion": True, "devices": 2,
        "num_nodes": 2, "precision": "bf16", "compile": True, "optimiser": "adamw", "schedule": "constant",
        "where": "faces", "shape": "envelope", "format": "jpeg",
    }  # fmt: skip
    values = getattr(kind, "identity", asdict)
    keys = {key(values(replace(base, **{entry.name: other[entry.name]}))) for entry in fields(kind)}
    assert len(keys | {key(values(base))}) == len(fields(kind)) + 1


def test_what_is_no_field_of_a_noise_configuration_is_an_option_of_its_method():
    found = NoiseConfig.of(method="em", epsilon=4, rounds=3, step=0.5)
    assert found == NoiseConfig(method="em", epsilon=4, options={"rounds": 3, "step": 0.5})
    assert NoiseConfig.of(options={"rounds": 2, "step": 0.5}, rounds=3).options == {"rounds": 3, "step": 0.5}


def test_an_option_under_its_former_name_gives_the_former_key():
    found = NoiseConfig.of(begin="bands", own=3).identity()
    assert (found["start"], found["own"]) == ("bands", 3)
    assert "begin" not in found
    assert "options" not in found
    assert NoiseConfig(method="random").identity()["rounds"] is None


@dataclass(frozen=True)
class Options:
    """Options of a method, with values to be checked."""

    rounds: int = option("rounds", least=1)
    step: float = option("size of a step", least=0)
    begin: str = option("where it starts", choices=("zero", "bands"))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ((0, 1.0, "zero"), "rounds is 0: it must be at least 1"),
        ((1, -1, "zero"), "step is -1: it must be at least 0"),
        ((1, float("nan"), "zero"), "step is nan: it must be at least 0"),
        ((1, 0, "band"), "unknown begin 'band': did you mean 'bands'? There are zero, bands"),
        ((1.0, 0, "zero"), "rounds is 1.0: it must be of type int"),
        ((True, 0, "zero"), "rounds is True: it must be of type int"),
        ((1, "0", "zero"), "step is '0': it must be of type float or int"),
        ((1, None, "zero"), "step is None: it must be of type float or int"),
    ],
)
def test_values_of_options_are_held_to_types_least_values_and_choices(values, line):
    with pytest.raises(ConfigError) as refusal:
        check_values(Options(*values))
    assert str(refusal.value) == line


def test_good_values_of_options_pass():
    check_values(Options(1, 0, "bands"))
