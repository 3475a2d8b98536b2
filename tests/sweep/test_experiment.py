"""Experiment files: what they hold is checked before anything starts, and expands to the same jobs every time."""

from pathlib import Path

import nbformat
import pytest
import yaml

from workbench.cli import main
from workbench.config import ConfigError, DataError
from workbench.files import places
from workbench.parameters import check_parameters
from workbench.sweep import experiment as experiments
from workbench.sweep import notebook

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yml"))
GOOD = {
    "title": "T",
    "text": "Words.",
    "notebook": "book.ipynb",
    "figures": ["curves"],
    "sizes": {"quick": {"parameters": {"name": "b"}, "grid": {"epsilon": [1, 2]}, "seeds": [0, 1]}},
}
PARAMETERS = 'epsilon = 8  # pixel values\nname = "a"\nshares = [0.5]\nseed = 0\nout = "x"\nstore = ""'


@pytest.fixture
def make(tmp_path):
    """Writes an experiment's file, GOOD with changes, and its notebook; returns the file."""
    cell = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "book.ipynb")

    def write(size: dict | None = None, **changes) -> Path:
        content = {**GOOD, **changes}
        if size is not None:
            content["sizes"] = {"quick": {**GOOD["sizes"]["quick"], **size}}
        path = tmp_path / "try.yml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_a_grid_and_its_seeds_become_jobs(make):
    jobs = experiments.load(make()).jobs("quick", {})
    assert [job.name for job in jobs] == [
        "epsilon=1 seed=0", "epsilon=1 seed=1", "epsilon=2 seed=0", "epsilon=2 seed=1",
    ]  # fmt: skip
    assert jobs[2].values == {"name": "b", "epsilon": 2, "seed": 0}
    assert len({job.key for job in jobs}) == len({job.folder_name for job in jobs}) == 4
    assert [job.key for job in experiments.load(make()).jobs("quick", {})] == [job.key for job in jobs]


def test_a_job_has_the_key_that_its_run_will_have(make, tmp_path):
    job = experiments.load(make()).jobs("quick", {})[0]
    notebook.run(tmp_path / "book.ipynb", tmp_path / "run", job.values, store=tmp_path / "elsewhere")
    from workbench.records import run_folder

    assert run_folder.read(tmp_path / "run").key == job.key


def test_values_and_seeds_can_be_given_from_outside(make):
    jobs = experiments.load(make()).jobs("quick", {"name": "c", "shares": "[1, 0.25]"}, [7])
    assert [job.values for job in jobs] == [
        {"name": "c", "shares": [1.0, 0.25], "epsilon": epsilon, "seed": 7} for epsilon in (1, 2)
    ]


def test_an_edited_notebook_makes_other_jobs(make, tmp_path):
    before = experiments.load(make()).jobs("quick", {})[0]
    book = nbformat.read(tmp_path / "book.ipynb", as_version=4)
    book.cells.append(nbformat.v4.new_code_cell("x = 1"))
    nbformat.write(book, tmp_path / "book.ipynb")
    after = experiments.load(make()).jobs("quick", {})[0]
    assert before.name == after.name
    assert before.key != after.key


@pytest.mark.parametrize(("changes", "part"), [
    ({"figurs": []}, "did you mean 'figures'"),
    ({"figures": ["budgit"]}, "did you mean 'budget'"),
    ({"figures": "budget"}, "figures must be a list"),
    ({"notebook": "absent.ipynb"}, "there is no absent.ipynb"),
    ({"title": 3}, "title must be a str"),
    ({"sizes": {}}, "no size"),
    ({"sizes": {"quick": {"seed": [0]}}}, "did you mean 'seeds'"),
    ({"sizes": {"quick": {"seeds": []}}}, "seeds must be"),
    ({"sizes": {"quick": {"seeds": [0.5]}}}, "seeds must be"),
    ({"sizes": {"quick": {"seeds": [True]}}}, "seeds must be"),
    ({"sizes": {"quick": [1]}}, "must be a mapping"),
    ({"size": {"grid": {"epsilo": [1]}}}, "did you mean 'epsilon'"),
    ({"size": {"grid": {"epsilon": 1}}}, "must be a list of values"),
    ({"size": {"grid": {"epsilon": []}}}, "must be a list of values"),
    ({"size": {"grid": {"epsilon": ["8/255"]}}}, "type int"),
    ({"size": {"grid": {"epsilon": [1, 1]}}}, "twice"),
    ({"size": {"grid": {"seed": [1]}}}, "given twice"),
    ({"size": {"grid": {"name": ["c"]}}}, "given twice"),
    ({"size": {"parameters": {"nam": "b"}}}, "did you mean 'name'"),
    ({"size": {"parameters": {"name": 3}}}, "type str"),
    ({"size": {"parameters": {"shares": [1, "x"]}}}, "type float"),
    ({"size": {"parameters": {"out": "/tmp"}}}, "the program sets it"),
    ({"size": {"parameters": {"store": "/tmp"}}}, "the program sets it"),
    ({"size": {"parameters": {"x=__import__('os').mkdir('owned')": 1}}}, "unknown parameter"),
])  # fmt: skip
def test_a_wrong_file_is_refused_with_its_name_in_one_line(make, capsys, tmp_path, monkeypatch, changes, part):
    path = make(**changes)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1, printed
    assert part in printed
    assert path.name in printed or "notebook" in changes
    assert sorted(file.name for file in tmp_path.iterdir()) == ["book.ipynb", "try.yml"]


@pytest.mark.parametrize(
    "content", [b"", b"[1", b"\xff\xfe\x00", b"!!python/object/apply:os.mkdir [owned]", b"a: &a [*a]"]
)
def test_what_is_no_experiment_is_refused(capsys, tmp_path, monkeypatch, content):
    (tmp_path / "try.yml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "try.yml"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["try.yml"]


def test_a_missing_experiment_names_the_nearest(capsys):
    assert main(["sweep", str(FILES[0].with_name("budget_ablatio.yml"))]) == 2
    assert "budget_ablation.yml" in capsys.readouterr().err
    with pytest.raises(DataError):
        places.find("/nowhere/at/all.yml", "experiments")


def test_parameters_out_of_range_never_become_jobs(make):
    experiment = experiments.load(make({"grid": {"epsilon": [1, 300]}}))
    with pytest.raises(ConfigError, match="epsilon is 300"):
        experiment.jobs("quick", {}, check=check_parameters)
    with pytest.raises(ConfigError, match="in the grid"):
        experiment.jobs("quick", {"epsilon": 3})
    with pytest.raises(ConfigError, match="did you mean 'quick'"):
        experiment.jobs("quik", {})


@pytest.mark.parametrize(("values", "part"), [
    ({"epsilons": [8, 300]}, "epsilon is 300"),
    ({"kinds": ["classwize"]}, "did you mean 'classwise'"),
    ({"methods": ["em", "emm"]}, "unknown method"),
    ({"victims": ["resnet19"]}, "did you mean 'resnet18'"),
    ({"defences": ["greyscale"]}, "did you mean 'grayscale'"),
    ({"fractions": [0.5, 1.5]}, "protected-fraction is 1.5"),
    ({"data": "cifar11"}, "did you mean"),
    ({"epochs": -1}, "epochs is -1"),
    ({"seed": -1}, "seed is -1"),
    ({"device": "gpu"}, "unknown device"),
])  # fmt: skip
def test_check_parameters_knows_what_no_run_could_have(values, part):
    with pytest.raises(ConfigError, match=part):
        check_parameters(values)


def test_check_parameters_passes_what_it_does_not_know():
    check_parameters({"epochs": 0, "probe": "", "classes": [3], "whatever": "x", "epsilons": [0, 127]})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_experiments_of_this_project_are_sound(path):
    experiment = experiments.load(path)
    assert set(experiment.sizes) == {"smoke", "quick", "paper"}
    for size in experiment.sizes:
        jobs = experiment.jobs(size, {}, check=check_parameters)
        assert len({job.values["seed"] for job in jobs}) >= (1 if size == "smoke" else 3)
    assert experiment.notebook.parent.name == "notebooks"


def test_every_notebook_but_the_explorer_has_an_experiment():
    told = {experiments.load(path).notebook.name for path in FILES}
    there = {path.name for path in experiments.load(FILES[0]).notebook.parent.glob("*.ipynb")}
    assert there - told == {"00_explore.ipynb", "11_read_a_sweep.ipynb"}
