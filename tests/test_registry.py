"""One's own methods, defences, networks and data: registered, loaded from files and packages, refused in one line."""

import os
from pathlib import Path

import pytest
from registered import as_before, make, refused  # noqa: F401 (a fixture)
from torch import nn

from workbench import noise, registry
from workbench.catalogue import METHODS
from workbench.config import ConfigError, DataConfig, NoiseConfig
from workbench.data import sources
from workbench.data.dataset import DataPair

METHOD = """
from workbench import registry

@registry.method("own-zero", words="no change at all")
def search(task, options):
    return task.zeros()
"""


@pytest.fixture
def write(tmp_path):
    """Writes a Python file; returns its path."""

    def written(code: str, name: str = "own.py") -> Path:
        path = tmp_path / name
        path.write_text(code)
        return path

    return written


# Registered by a decorator


def test_a_method_of_ones_own_makes_noise(tiny):
    @registry.method("own-full", words="the budget everywhere")
    def search(task, options):
        assert options is None
        return task.zeros() + task.epsilon

    assert (make("own-full", tiny.train).delta == 4).all()
    assert make("own-full", tiny.train, "classwise").delta.shape == (3, 3, 12, 12)
    assert METHODS["own-full"].words == "the budget everywhere"


def test_a_function_in_place_of_a_name_is_registered_by_its_own():
    def my_Network(channels, side, classes):
        return nn.Flatten()

    assert registry.named("network", my_Network) == "my-network"
    assert registry.named("network", my_Network) == "my-network"
    assert registry.look_up("network", "my-network") is my_Network
    assert registry.named("network", "convnet-w4") == "convnet-w4"
    assert "give a name or a function" in refused(ConfigError, registry.named, "network", 3)


def test_a_defence_of_ones_own_is_found():
    @registry.defence("own-defence", words="nothing at all")
    class Nothing:
        pass

    assert registry.look_up("defence", "own-defence") is Nothing


def test_data_of_ones_own_is_loaded(tiny):
    @registry.data_set("own-data", words="patterns", form="own-data[:N]")
    def patterns(rest, seed):
        return DataPair(tiny.train.limited(int(rest or 48)), tiny.test)

    assert len(sources.load(DataConfig(data="own-data:12")).train) == 12
    assert len(sources.load(DataConfig(data="own-data")).train) == 48


# Names


@pytest.mark.parametrize("name", ["clean", "none", "Own", "1st", "", "a b", "a/b", "-a", "x" * 41, "größe", "a\nb"])
def test_malformed_names_are_refused(name):
    assert "a name is lower-case letters, digits and hyphens" in refused(
        ConfigError, registry.method(name, words="words"), lambda task, options: None
    )


@pytest.mark.parametrize(
    ("decorator", "name"),
    [
        (registry.method, "em"),
        (registry.defence, "mixup"),
        (registry.network, "convnet"),
        (registry.data_set, "cifar10"),
    ],
)
def test_taken_names_are_refused(decorator, name):
    line = refused(ConfigError, decorator(name, words="words"), lambda *given: None)
    assert f"{name}: the workbench has one of this name" in line


def test_unknown_names_get_the_nearest():
    assert "did you mean 'linear'" in refused(ConfigError, registry.look_up, "method", "linea")


def test_one_name_in_two_files_is_refused(write):
    registry.load([write(METHOD)])
    line = refused(ConfigError, registry.load, [write(METHOD, "other.py")])
    assert "own-zero is registered twice, in" in line
    assert line.endswith("rename one")


# Files


def test_a_file_is_loaded_and_named_for_the_processes_to_come(write, tiny):
    path = write(METHOD)
    registry.load([path])
    assert os.environ[registry.VARIABLE] == str(path)
    assert not make("own-zero", tiny.train).delta.any()
    assert list(registry.of_files()) == ["own.py"]


def test_a_file_named_in_the_environment_is_loaded_when_a_name_is_unknown(write, monkeypatch, tiny):
    monkeypatch.setenv(registry.VARIABLE, str(write(METHOD)))
    assert "own-zero" not in METHODS
    assert not make("own-zero", tiny.train).delta.any()


def test_a_file_is_run_once_for_each_content(write, tmp_path):
    code = METHOD + f"open({str(tmp_path / 'runs')!r}, 'a').write('1')\n"
    path = write(code)
    for _ in range(3):
        registry.load([path])
    assert (tmp_path / "runs").read_text() == "1"
    before = registry.of_files()
    path.write_text(code + "# changed\n")
    registry.load([path])
    assert (tmp_path / "runs").read_text() == "11"
    assert registry.of_files() != before


def test_a_changed_file_has_what_it_says_now(write, tiny):
    path = write(METHOD)
    registry.load([path])
    path.write_text(METHOD.replace("task.zeros()", "task.zeros() + 1"))
    registry.load([path])
    assert (make("own-zero", tiny.train).delta == 1).all()


@pytest.mark.parametrize("name", ["missing.py", "own.txt", ""])
def test_what_is_no_python_file_is_refused(write, tmp_path, name):
    write(METHOD, "own.txt")
    assert "there is no such Python file (.py)" in refused(ConfigError, registry.load, [tmp_path / name])


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("x = 1\ny = 1 / 0\n", ("line 2", "ZeroDivisionError: division by zero")),
        ("x = 1\n\ndef broken(:\n", ("line 3", "SyntaxError")),
        ("import sys\nsys.exit('no')\n", ("line 2", "SystemExit: no")),
        ("import nothing_of_this_name\n", ("line 1", "ModuleNotFoundError")),
        ("raise ValueError('two\\nlines')\n", ("line 1", "ValueError: two lines")),
        ("def f():\n    raise KeyError(3)\n\nf()\n", ("line 2", "KeyError: 3")),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_name_and_line(write, code, parts):
    line = refused(ConfigError, registry.load, [write(code)])
    for part in ("own.py", *parts):
        assert part in line
    assert registry.of_files() == {}


def test_bytes_that_are_no_python_are_one_line(write):
    path = write("")
    path.write_bytes(b"\xff\xfe\x00")
    assert "own.py" in refused(ConfigError, registry.load, [path])


def test_a_refusal_within_a_file_keeps_its_words(write):
    line = refused(ConfigError, registry.load, [write(METHOD.replace("own-zero", "em"))])
    assert "own.py: method em: the workbench has one of this name" in line


# Packages


def package(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[workbench.methods]\nown-zero = {name}:search\n")


def test_a_package_is_loaded_when_its_name_is_asked_for_alone(tmp_path, monkeypatch, tiny):
    package(tmp_path, "foreign_noise", f"open({str(tmp_path / 'ran')!r}, 'w')\n" + METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    refused(ConfigError, registry.look_up, "method", "own-zer")
    assert not (tmp_path / "ran").exists()
    assert not make("own-zero", tiny.train).delta.any()
    assert (tmp_path / "ran").exists()


def test_a_package_that_fails_is_one_line_with_its_name(tmp_path, monkeypatch):
    package(tmp_path, "broken_noise", "raise ValueError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    line = refused(ConfigError, registry.look_up, "method", "own-zero")
    assert "the package broken_noise failed at line 1 of broken_noise.py (ValueError: no)" in line


# Hashes


def test_the_source_of_what_is_ones_own_changes_with_its_file(write):
    config = NoiseConfig(method="own-zero")
    path = write(METHOD)
    registry.load([path])
    before = noise.sources(config)
    assert list(before) == ["method own-zero"]
    path.write_text(METHOD + "\n# changed\n")
    registry.load([path])
    assert noise.sources(config) != before
    assert noise.sources(NoiseConfig(method="em")) == {}


def test_the_source_changes_with_values_that_a_function_encloses():
    def made(count, rate=0.1):
        def search(task, options, rate=rate):
            return task.zeros() + count

        return search

    hashes = {registry.source(made(*values)) for values in ((1,), (2,), (1, 0.2), (1,))}
    assert len(hashes) == 3


def test_the_surrogate_and_the_data_of_a_search_count_where_they_are_used():
    registry.network("own-flat")(lambda channels, side, classes: nn.Flatten())
    registry.data_set("own-data", words="words")(lambda rest, seed: None)
    named = {"surrogate": "own-flat", "data": "own-data:3"}
    assert set(noise.sources(NoiseConfig(**named))) == {"network own-flat", "data own-data"}
    assert set(noise.sources(NoiseConfig(method="linear", **named))) == {"data own-data"}
    both = NoiseConfig(method="targeted", surrogate="convnet-w2+own-flat")
    assert set(noise.sources(both)) == {"network own-flat"}
