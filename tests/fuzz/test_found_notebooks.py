"""What was found in notebooks, their parameters and experiments of others, each kept as a case of its own."""

import json

import nbformat
import pytest
from refusing import refused

from workbench.config import ConfigError, DataError
from workbench.parameters import check_parameters
from workbench.records import study_file
from workbench.sweep import experiment, notebook


@pytest.fixture
def book(tmp_path):
    """Writes a notebook whose parameters are the given code, after changes to its JSON; returns its path."""

    def write(code='epsilon = 8\nname = "a"\nshares = []\nseed = 0', **changes):
        cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["parameters"]})
        content = json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
        (tmp_path / "book.ipynb").write_text(json.dumps({**content, **changes}))
        return tmp_path / "book.ipynb"

    return write


@pytest.mark.parametrize("code", [
    "a = " + "(" * 3000 + ")" * 3000, "a = " + "-" * 3000 + "1", "a = {[]: 1}",
    "a = 0x" + "f" * 5000, 'a = "\\ud800"', "a = {1}",
    "a = b'x'", "a = 1j", "a = (1, 2)", "a = '\0'", "a = 1\n" * 3000,
])  # fmt: skip
def test_parameters_that_no_record_can_hold_are_refused(book, code):
    assert "plain" in refused(DataError, lambda: notebook.identity(book(code), {}))


@pytest.mark.parametrize(
    "value", ["(" * 3000, "-" * 3000 + "1", "{[]: 1}", "[{1}]", "[0x" + "f" * 5000 + "]", "'\\ud800'"]
)
def test_values_that_no_record_can_hold_are_refused(book, value):
    assert "shares" in refused(ConfigError, lambda: notebook.identity(book(), {"shares": value}))


@pytest.mark.parametrize("changes", [
    {"metadata": {"papermill": 3}}, {"metadata": []}, {"cells": [3]}, {"cells": {}}, {"nbformat": "x"},
    {"nbformat": 10**400},
    {"cells": [{"cell_type": "code", "source": 3, "metadata": {"tags": "parameters"}}]},
    {"cells": [{"cell_type": "code"}]},
])  # fmt: skip
def test_json_that_is_no_notebook_is_refused(book, changes):
    assert "notebook" in refused(DataError, lambda: notebook.identity(book(**changes), {}))


def test_braces_in_a_path_are_no_parameters(book, tmp_path):
    path = book("epsilon = 8").rename(tmp_path / "{epsilon.__class__}.ipynb")
    notebook.run(path, tmp_path / "out{x}", {"epsilon": 4})
    assert (tmp_path / "out{x}" / "notebook.ipynb").is_file()


@pytest.mark.parametrize("path", ["a\0b", "a\nb", "x" * 3000])
def test_an_experiments_notebook_is_a_plain_path(book, tmp_path, path):
    book()
    size = {"quick": {"grid": {"epsilon": [1]}, "seeds": [0]}}
    content = {"title": "t", "text": "t", "notebook": path, "figures": [], "sizes": size}
    (tmp_path / "try.yml").write_text(json.dumps(content))
    assert "plain path" in refused(ConfigError, lambda: experiment.load(tmp_path / "try.yml"))


def test_a_grid_does_not_grow_without_bound(book, tmp_path):
    book("\n".join([*(f"p{n} = 0" for n in range(20)), "seed = 0"]))
    size = {"quick": {"grid": {f"p{n}": list(range(10)) for n in range(20)}, "seeds": [0]}}
    content = {"title": "t", "text": "t", "notebook": "book.ipynb", "figures": [], "sizes": size}
    (tmp_path / "try.yml").write_text(json.dumps(content))
    assert "jobs" in refused(ConfigError, lambda: experiment.load(tmp_path / "try.yml"))


def test_odd_facts_of_a_study_are_refused(tmp_path):
    good = {"chance": 0.1, "classes": ["a"], "stages": {"s": {"seconds": {"noise": 1.0}}}}
    for change in ({"chance": "x"}, {"classes": [1]}, {"stages": []}, {"stages": {"s": {"seconds": {"noise": "x"}}}}):
        (tmp_path / study_file.FACTS).write_text(json.dumps({**good, **change}))
        assert "run the notebook again" in refused(DataError, lambda: study_file.read(tmp_path))


def test_checked_parameters_are_checked_in_time():
    refused(ConfigError, lambda: check_parameters({"data": "x" * 100, "epsilon": 8}))


@pytest.mark.parametrize(
    "value", ["010", "08", "0o10", "0x8", "0b1", "1_000", "1e3", "8.0", "1:30", "True", "yes", "2020-01-01"]
)
def test_a_value_that_is_no_plain_whole_number_is_none(book, value):
    for given in ({"epsilon": value}, {"seeds": f"[{value}]"}, {"seeds": f"[1, {value}]"}):
        with pytest.raises(ConfigError, match="type"):
            notebook.identity(book("epsilon = 8\nseeds = [0]"), given)


def test_numbers_texts_and_lists_are_read_as_they_are_written(book):
    path = book('epsilon = 8\nrate = 0.1\nname = "a"\nshares = [0.5]\nkinds = ["a"]\nflag = False')
    given = {
        "epsilon": "-4",
        "rate": "1e-3",
        "name": "010",
        "shares": "[1,.25, 1e-1]",
        "kinds": '["010", b]',
        "flag": "True",
    }
    found = notebook.identity(path, given)
    assert {name: found[name] for name in given} == {
        "epsilon": -4, "rate": 0.001, "name": "010", "shares": [1.0, 0.25, 0.1], "kinds": ["010", "b"], "flag": True,
    }  # fmt: skip


@pytest.mark.parametrize("size", [
    "{parameters: {epsilon: 010}, seeds: [0]}", "{seeds: [010, 011]}", "{seeds: [0o10]}", "{seeds: [1:30]}",
    "{seeds: [1_0]}", "{grid: {epsilon: [1, 08]}, seeds: [0]}", "{parameters: {epsilon: yes}, seeds: [0]}",
])  # fmt: skip
def test_an_experiments_numbers_are_refused_in_one_line_that_names_it(book, tmp_path, size):
    book("epsilon = 8\nseed = 0")
    lines = ["title: t", "text: t", "notebook: book.ipynb", "figures: []", f"sizes: {{quick: {size}}}"]
    (tmp_path / "try.yml").write_text("\n".join(lines))
    said = refused(ConfigError, lambda: experiment.load(tmp_path / "try.yml"))
    assert "try.yml" in said
    assert "line 5 can be read in two ways" in said
