"""The book's notebooks are run one after the other: what fails is named, what is complete is read back."""

import sys
from pathlib import Path

import nbformat
import pytest
from forked import ForkedKernel

pytest.importorskip("sphinx")

ROOT = Path(__file__).resolve().parents[2]
GOOD, BAD, STOPPED = "print('all', word)", "1 / 0", "raise KeyboardInterrupt"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Make notebooks (name, code) the only ones of the book; gives the module that runs them."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "book"))
    monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", ForkedKernel)
    import executed
    import running

    monkeypatch.setattr(executed, "ROOT", tmp_path)
    folder = tmp_path / "notebooks" / "course"
    folder.mkdir(parents=True)

    def put(**notebooks: str) -> None:
        for name, code in notebooks.items():
            told = nbformat.v4.new_markdown_cell("# Title\n\n*About 2 minutes on two calm CPU cores.*")
            given = nbformat.v4.new_code_cell("word = 'right'", metadata={"tags": ["parameters"]})
            book = nbformat.v4.new_notebook(cells=[told, given, nbformat.v4.new_code_cell(code)])
            nbformat.write(book, folder / f"{name}.ipynb")

    return put, running


def test_notebooks_run_in_turn_failures_are_named_and_complete_ones_are_read_back(shelf, tmp_path, capfd):
    put, running = shelf
    put(a_bad=BAD, b_good=GOOD)
    runs = tmp_path / "runs"
    (line,) = running.run(running.wanted([]), runs)
    assert line.startswith("course/a_bad: a_bad.ipynb, cell 3 failed: ZeroDivisionError")
    (done,) = (path.parent for path in runs.glob("executed/course/b_good-*/run.json"))
    said = capfd.readouterr()
    assert "2 notebooks: 0 complete already, 2 to run, ETA 4 minutes" in said.out
    assert "2/2 course/b_good" in said.out
    assert "failed: course/a_bad" in said.err
    before = (done / "run.json").stat().st_mtime_ns
    put(a_bad=GOOD)
    assert running.run(running.wanted(["course"]), runs) == []
    assert "2 notebooks: 1 complete already, 1 to run" in capfd.readouterr().out
    assert (done / "run.json").stat().st_mtime_ns == before

    import executed

    executed.lay_out(tmp_path / "source", runs)
    cells = nbformat.read(tmp_path / "source" / "notebooks" / "course" / "b_good.ipynb", as_version=4).cells
    assert "The outputs are of one run" in cells[1].source
    assert cells[-1].outputs[0].text == "all right\n"


def test_stopped_it_builds_nothing_and_says_that_it_goes_on(shelf, tmp_path, monkeypatch, capfd):
    put, _ = shelf
    put(a_stopped=STOPPED)
    import build

    words = ["build.py", "--run", "--out", str(tmp_path / "book"), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", words)
    assert build.main() == 130
    assert "the same command goes on" in capfd.readouterr().err
    assert not (tmp_path / "book").exists()


def test_a_notebook_that_is_not_there_is_refused_with_those_that_are(shelf, monkeypatch, capsys):
    put, _ = shelf
    put(a_good=GOOD)
    import build

    monkeypatch.setattr(sys, "argv", ["build.py", "--run", "good"])
    with pytest.raises(SystemExit) as ended:
        build.main()
    assert ended.value.code == 2
    assert "--run good: there is no such notebook; say course/a_good" in capsys.readouterr().err
