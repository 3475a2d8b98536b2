"""A wrong parameter of a notebook is one line, in its first cell and before any work; so it is on the command line."""

import re

import nbformat
import pytest
from forked import call

from workbench.cli import main
from workbench.config import ConfigError
from workbench.data import sources
from workbench.files import places
from workbench.parameters import check_parameters
from workbench.sweep import notebook

# For each notebook: wrong values of its parameters, and what the line must say.
WRONG = {
    "01_clean_vs_unlearnable": {
        "epsilon": ("8", "epsilon is '8': it must be of type int"),
        "data": ("photo-digit", "did you mean 'photo-digits'"),
        "defence": ("greyscale", "did you mean 'grayscale'"),
        "epochs": (-1, "epochs is -1"),
        "victim": ("resnet81", "did you mean 'resnet18'"),
        "out": (8, "out is 8: it must be the name of a folder"),
    },
    "03_budget_ablation": {
        "epsilons": (8, r"epsilons is 8: it must be a list, as in \[8\]"),
        "kinds": (["class-wise"], "did you mean 'classwise'"),
        "method": ("em-jiont", "did you mean 'em-joint'"),
        "seed": (-1, "seed is -1"),
    },
    "08_what_breaks_it": {
        "learners": ("grayscale,jpeg-11", "did you mean 'jpeg-10'"),
        "panel": ("fast", "unknown panel 'fast'"),
        "network": ("convnet", "did you mean 'convnet-w16'"),
        "kinds": ("classwise", r"kinds is 'classwise': it must be a list, as in \['classwise'\]"),
        "limit_train": (2.5, "limit_train is 2.5: it must be of type int"),
    },
    "09_faces": {"rounds": (0, "rounds is 0"), "shares": ([0.5, 1.5], r"protected-fraction is 1\.5")},
}
CASES = [(book, name, *case) for book, cases in WRONG.items() for name, case in cases.items()]
LAST_OF_SEVERAL = {"03_budget_ablation": {"epsilons": ([1, 2, 400], r"epsilon is 400: it must be in 0\.\.127")}}
CASES += [(book, name, *case) for book, cases in LAST_OF_SEVERAL.items() for name, case in cases.items()]


def first_cells(book: str) -> tuple[str, str]:
    """The code of a notebook's parameters and of the cell after them."""
    cells = nbformat.read(places.find(book, "notebooks"), as_version=4).cells
    first, second = [cell.source for cell in cells if cell.cell_type == "code"][:2]
    return first, second


@pytest.fixture
def nothing_read(monkeypatch):
    """No data may be read, no notebook started."""
    monkeypatch.setattr(sources, "load", lambda config: pytest.fail("data were read before parameters were checked"))
    monkeypatch.setattr(notebook, "run", lambda *given, **how: pytest.fail("the notebook was started"))


@pytest.mark.parametrize(("book", "name", "value", "said"), CASES)
def test_the_first_cell_refuses_a_wrong_parameter(nothing_read, book, name, value, said):
    parameters, second = first_cells(book)
    with pytest.raises(ConfigError, match=said) as refused:
        exec(compile(f"{parameters}\n{name} = {value!r}\n{second}", book, "exec"), {})  # as edited by hand
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(("book", "name", "value", "said"), CASES)
def test_the_command_line_refuses_it_too(nothing_read, capsys, tmp_path, book, name, value, said):
    assert main(["run", book, "--out", str(tmp_path / "run"), "-p", name, repr(value)]) == 2
    line = capsys.readouterr().err
    assert len(line.splitlines()) == 1
    assert name.rstrip("s") in line.replace("-", "_") or "did you mean" in line or "fraction" in line
    assert not (tmp_path / "run").exists()


BOOKS = sorted(path.stem for path in places.own("notebooks").rglob("[0-9]*_*.ipynb"))


UNTRAINED = ("00_explore", "11_read_a_sweep")  # which checks them itself; which makes no noise and trains nothing


@pytest.mark.parametrize("book", [book for book in BOOKS if book not in UNTRAINED])
def test_every_notebook_checks_its_parameters_first(book):
    parameters, second = first_cells(book)
    checked = re.search(r"check_parameters\((globals\(\)|{\*\*globals\(\), .+})\)", second)
    assert checked.start() < second.index("Study(")
    values = {}
    exec(compile(parameters, book, "exec"), values)
    check_parameters(values)  # as they stand they are right


def test_names_of_no_parameter_pass():
    check_parameters({"__name__": "x", "In": [1], "figures": object(), "epsilon": 8, "probe": ""})


def test_a_notebook_shows_an_error_as_one_line(tmp_path):
    code = "from workbench import check_parameters; check_parameters({'epsilon': 999})"

    def shell() -> None:
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell.instance().run_cell(code)

    done = call(shell, tmp_path / "said")
    done.join()
    assert done.exitcode == 0
    assert (tmp_path / "said").read_text().splitlines() == ["Error: epsilon is 999: it must be in 0..127"]
