"""Progress: lines where nobody watches, one bar where somebody does, nothing when it is off."""

import sys
import threading

import pytest

from workbench.progress import listening, mode, progress, shown_as


def steps(total, done=0, lines=0, **numbers):
    with progress("search", total, done, lines) as shown:
        for _ in range(total - done):
            shown.advance(**numbers)


@pytest.fixture
def show(monkeypatch, capsys):
    """Run some steps in a mode; return stdout's lines and stderr."""

    def run(mode, *arguments, **names):
        monkeypatch.setenv("WORKBENCH_PROGRESS", mode)
        steps(*arguments, **names)
        out, err = capsys.readouterr()
        return out.splitlines(), err

    return run


def test_one_line_a_step_with_numbers_and_eta(show):
    lines, err = show("lines", 3, surrogate_error=0.25)
    assert [line.split(":")[0] for line in lines] == ["search 1/3", "search 2/3", "search 3/3"]
    assert all("surrogate error 0.250" in line and "ETA" in line for line in lines)
    assert err == ""


def test_resumed_steps_go_on_counting(show):
    lines, _ = show("lines", 5, done=3)
    assert [line.split(" (")[0] for line in lines] == ["search 4/5", "search 5/5"]


@pytest.mark.parametrize(("total", "lines"), [(1000, 5), (7, 5), (3, 5), (1003, 5)])
def test_many_steps_give_few_lines_and_always_the_last(show, total, lines):
    shown, _ = show("lines", total, lines=lines)
    assert len(shown) <= 2 * lines
    assert shown[-1].startswith(f"search {total}/{total} ")


def test_off_shows_nothing(show):
    assert show("off", 3) == ([], "")


def test_bar_is_one_bar_on_stderr(show):
    lines, err = show("bar", 3, error=0.5)
    assert lines == []
    assert "3/3" in err
    assert "error 0.500" in err
    assert err.count("\n") == 1


def test_bar_is_closed_after_an_error(monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_PROGRESS", "bar")
    with pytest.raises(ZeroDivisionError), progress("search", 3):
        raise ZeroDivisionError
    assert capsys.readouterr().err.endswith("\n")


@pytest.mark.parametrize("asked", ["bar", "lines", "off"])
def test_environment_decides(monkeypatch, asked):
    monkeypatch.setenv("WORKBENCH_PROGRESS", asked)
    assert mode() == asked


@pytest.mark.parametrize(
    ("kernel", "terminal", "expected"),
    [(False, False, "lines"), (False, True, "bar"), (True, False, "bar"), (True, True, "bar")],
)
@pytest.mark.parametrize("asked", [None, "nonsense"])
def test_bar_only_where_somebody_watches(monkeypatch, asked, kernel, terminal, expected):
    monkeypatch.delenv("WORKBENCH_PROGRESS", raising=False)
    if asked:
        monkeypatch.setenv("WORKBENCH_PROGRESS", asked)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    if kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    else:
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert mode() == expected


def test_whoever_listens_is_told_of_steps_that_another_thread_counts():
    heard = []
    with listening(heard.append), shown_as("off"), progress("learners", 2) as steps:
        thread = threading.Thread(target=steps.advance)
        thread.start()
        thread.join()
        steps.advance()
    assert [(step.label, step.done) for step in heard] == [("learners", 1), ("learners", 2)]
