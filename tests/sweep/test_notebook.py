"""Notebooks: parameters are checked before anything starts, run.json says what succeeded, git holds no outputs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from forked import ForkedKernel

from workbench import figures
from workbench.cli import main
from workbench.files import places
from workbench.records import run_folder, study_file, table
from workbench.sweep import experiment as experiments
from workbench.sweep import notebook

HERE = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))
EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yml"))
PARAMETERS = 'epsilon = 8  # pixel values\nname = "a"\nshare = 0.5\nout = "x"'


@pytest.fixture
def make(tmp_path):
    """Writes a notebook of the given code cells after a cell of parameters."""

    def write(*cells: str, parameters: str = PARAMETERS) -> Path:
        first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
        book = nbformat.v4.new_notebook(cells=[first, *map(nbformat.v4.new_code_cell, cells)])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, tmp_path / "book.ipynb")
        return tmp_path / "book.ipynb"

    return write


def refused(capsys, *words: str) -> str:
    assert main(["run", *map(str, words)]) == 2
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1, printed
    assert "Traceback" not in printed
    return printed


def test_parameters_are_names_and_defaults(make):
    assert notebook.parameters(make()) == {"epsilon": 8, "name": "a", "share": 0.5, "out": "x"}


@pytest.mark.parametrize(("words", "part"), [
    (["epsilo", "4"], "did you mean 'epsilon'"),
    (["epsilon", "8/255"], "type int"),
    (["epsilon", "2.5"], "type int"),
    (["epsilon", "True"], "type int"),
    (["share", "much"], "type float"),
    (["out", "elsewhere"], "--out"),
    (["epsilon=__import__('os').mkdir('owned');x", "1"], "unknown parameter"),
])  # fmt: skip
def test_a_wrong_parameter_is_refused_before_anything_starts(make, capsys, tmp_path, monkeypatch, words, part):
    monkeypatch.chdir(tmp_path)
    assert part in refused(capsys, make(), "--out", tmp_path / "run", "-p", *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.ipynb"]


@pytest.mark.parametrize("parameters", ["limit = None", "# none"])
def test_a_parameter_that_takes_no_text_gets_none(make, capsys, tmp_path, parameters):
    assert "parameter" in refused(capsys, make(parameters=parameters), "--out", tmp_path / "run", "-p", "limit", "many")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("parameters", ["epsilon = 8 / 255", "from math import pi", "a, b = 1, 2"])
def test_parameters_must_be_plain_values(make, capsys, tmp_path, parameters):
    assert "plain" in refused(capsys, make(parameters=parameters), "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"not json", b"{}"])
def test_a_file_that_is_no_notebook_is_refused(capsys, tmp_path, content):
    (tmp_path / "book.ipynb").write_bytes(content)
    refused(capsys, tmp_path / "book.ipynb", "--out", tmp_path / "run")
    refused(capsys, tmp_path / "absent.ipynb", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_gets_its_values_and_is_recorded_as_complete(make, tmp_path):
    book = make("open(out + '/seen', 'w').write(f'{epsilon} {name} {share}')")
    run = tmp_path / "run"
    assert (
        main(["run", str(book), "--out", str(run), "-p", "epsilon", "4", "-p", "name", "b c", "-p", "share", "1"]) == 0
    )
    assert (run / "seen").read_text() == "4 b c 1.0"
    assert run_folder.read(run).state == "complete"
    same = [
        "run",
        str(book),
        "--out",
        str(run),
        "-p",
        "epsilon",
        "4",
        "-p",
        "name",
        "b c",
        "-p",
        "share",
        "1",
        "--resume",
    ]
    assert main(same) == 0  # complete: nothing to do
    assert main(["run", str(book), "--out", str(run), "-p", "epsilon", "5"]) == 2  # another run is there
    make("x = 'edited'")
    assert main(same) == 2  # another notebook


def test_a_failing_cell_is_named_and_recorded(make, capsys, tmp_path):
    book = make("x = 1", "raise ValueError('no such\\nthing')", "open(out + '/later', 'w')")
    line = refused(capsys, book, "--out", tmp_path / "run").splitlines()[-1]
    assert "cell 3" in line or "cell 4" in line  # papermill counts its own cell of parameters
    assert "ValueError: no such" in line
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"
    assert not (tmp_path / "run" / "later").exists()


def test_a_killed_kernel_is_never_complete(make, capsys, tmp_path):
    book = make("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "x = 1")
    assert main(["run", str(book), "--out", str(tmp_path / "run")]) == 2
    assert "kernel died" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


def test_kernels_show_progress_by_lines(make, tmp_path):
    book = make("import os\nopen(out + '/mode', 'w').write(os.environ['WORKBENCH_PROGRESS'])")
    assert main(["run", str(book), "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "mode").read_text() == "lines"


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_notebook_runs_in_smoke_size_and_its_table_can_be_drawn(path, tmp_path, monkeypatch, request):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one learner at a time
    if path.stem != "worst_case_by_budget":  # its kernel and learners start as users' do, the others spare imports
        monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", ForkedKernel)
        request.getfixturevalue("learners_here")
    experiment = experiments.load(path)
    job = experiment.jobs("smoke", {})[0]
    run = tmp_path / "run"
    notebook.run(experiment.notebook, run, job.values)
    assert run_folder.read(run).key == job.key
    rows = table.read(run)
    assert "clean" in set(rows["method"]) or path.stem == "noise_gallery"
    pictures = [
        output
        for cell in nbformat.read(run / "notebook.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
        if "<img" in output.get("data", {}).get("text/html", "")
    ]
    assert len(pictures) == len(list((run / "figures").glob("*.png"))) == len(list((run / "figures").glob("*.svg")))
    assert all(re.search(r'alt="[^"]{40,}"', output.data["text/html"]) for output in pictures)
    for name in experiment.figures:
        assert figures.words_of(figures.FIGURES[name](rows, study_file.read(run)["chance"]))
    assert (run / "notebook.ipynb").stat().st_size < 1_500_000


def test_a_table_is_read_without_torch(tmp_path):
    code = "\n".join(
        cell.source
        for cell in nbformat.read(places.own("notebooks") / "11_read_a_sweep.ipynb", as_version=4).cells
        if cell.cell_type == "code"
    )
    program = f"{code}\nimport sys\nassert 'workbench.figures' in sys.modules and 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "11_read_a_sweep" / "figures" / "bars.png").is_file()


def test_any_table_is_read_by_any_of_its_columns(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    table.write(table.read(places.own("experiments") / "results" / "photo_digits.csv"), study)
    values = {"table": str(study), "by": ["seed"], "metric": "final", "figure": "curves"}
    notebook.run(places.find("11_read_a_sweep", "notebooks"), tmp_path / "run", values)
    assert (tmp_path / "run" / "figures" / "curves.png").is_file()
    cells = nbformat.read(tmp_path / "run" / "notebook.ipynb", as_version=4).cells
    text = "".join(
        str(output.get("data", {}).get("text/html", "")) for cell in cells for output in cell.get("outputs", [])
    )
    assert "worst case" in text
    assert "learner uses" in text or "grayscale" in text


@pytest.mark.parametrize("path", HERE, ids=lambda path: path.stem)
def test_notebooks_in_git_are_thin_and_clean(path):
    book = nbformat.read(path, as_version=4)
    if path.parent.name in ("notebooks", "course"):
        assert re.match(r"# .+\n\n\*About .* minutes? on two calm CPU cores, for ", book.cells[0].source)
    assert book.metadata.kernelspec.name == "python3"
    assert not {"widgets", "papermill"} & set(book.metadata)
    if path.parent.name != "app":  # the page for people's photos is worked by hand
        assert len(notebook.parameters(path)) > 0
    for cell in book.cells:
        assert "papermill" not in cell.metadata
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
            assert "class " not in cell.source or cell.source.startswith("%%writefile")  # a file of one's own
            assert len(cell.source.splitlines()) <= 15
