"""Data and runs have one place for the command line and the notebooks; what is shipped is found by its name."""

import os
from pathlib import Path

import pytest

from workbench import Study
from workbench.config import DataError
from workbench.data.downloads import data_root
from workbench.files import places

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with notebooks/, in which the test stands."""
    (tmp_path / "notebooks" / "mine").mkdir(parents=True)
    (tmp_path / "notebooks" / places.FIRST).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(places.HOME, raising=False)
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    return tmp_path


def test_kernels_of_the_notebooks_and_the_command_line_find_the_same(clone, monkeypatch):
    assert (places.home(), data_root()) == (Path(), Path("data"))
    monkeypatch.chdir("notebooks")  # where JupyterLab starts a notebook's kernel
    assert data_root().resolve() == clone / "data"
    study = Study("runs/x", data="photo-digits:20", limit_test=10)
    assert (study.out.resolve(), study.store.resolve()) == (clone / "runs" / "x",) * 2
    assert not study.out.is_absolute()  # so that no notebook says on whose machine it ran


def test_a_folder_within_the_notebooks_has_the_same_home(clone, monkeypatch):
    monkeypatch.chdir("notebooks/mine")
    assert places.home() == Path("..") / ".."
    assert data_root().resolve() == clone / "data"


def test_another_home_can_be_named(clone, monkeypatch):
    monkeypatch.setenv(places.HOME, str(clone))  # as `workbench lab` does
    assert places.home() == Path()
    monkeypatch.chdir("notebooks/mine")
    assert places.home() == Path("..") / ".."
    monkeypatch.setenv(places.HOME, "/elsewhere")
    assert places.home() == Path("/elsewhere")
    assert data_root() == Path("/elsewhere/data")
    monkeypatch.setenv("WORKBENCH_DATA", "/big")
    assert data_root() == Path("/big")


@pytest.mark.parametrize("folder", ["", "notebooks/"])
@pytest.mark.parametrize("suffix", ["", ".ipynb"])
def test_a_notebook_is_found_by_its_name_from_anywhere(folder, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        places.find(f"{folder}03_budget_ablation{suffix}", "notebooks")
        == ROOT / "notebooks" / "03_budget_ablation.ipynb"
    )
    assert places.find("budget_ablation", "experiments") == ROOT / "experiments" / "budget_ablation.yml"


@pytest.mark.parametrize("folder", ["", "course/", "notebooks/course/"])
@pytest.mark.parametrize("suffix", ["", ".ipynb"])
def test_a_lesson_is_found_by_its_name_too(folder, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lesson = ROOT / "notebooks" / "course" / "1_unlearnable_picture.ipynb"
    assert places.find(f"{folder}1_unlearnable_picture{suffix}", "notebooks") == lesson
    for other in (".", "app/1_unlearnable_picture", "course/03_budget_ablation"):
        with pytest.raises(DataError, match="did you mean"):
            places.find(other, "notebooks")


def test_ones_own_file_comes_before_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("03_budget_ablation.ipynb").touch()
    assert places.find("03_budget_ablation.ipynb", "notebooks") == Path("03_budget_ablation.ipynb")


def test_what_is_not_there_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"there is no 03_bugdet: did you mean 03_budget_ablation\?"):
        places.find("03_bugdet", "notebooks")
    with pytest.raises(DataError, match="did you mean"):
        places.find("elsewhere/03_budget_ablation", "notebooks")


def test_notebooks_are_copied_once_and_never_over_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notebooks").mkdir()
    Path("notebooks/01_clean_vs_unlearnable.ipynb").write_text("mine")
    for _ in range(2):
        assert places.copy_notebooks() == Path("notebooks")
    assert Path("notebooks/01_clean_vs_unlearnable.ipynb").read_text() == "mine"
    copied = {os.path.relpath(path, "notebooks") for path in Path("notebooks").rglob("*.ipynb")}
    assert copied == {os.path.relpath(path, ROOT / "notebooks") for path in (ROOT / "notebooks").rglob("*.ipynb")}


def test_a_result_is_found_as_a_file_a_run_or_by_its_name(clone, monkeypatch):
    (clone / "runs" / "x").mkdir(parents=True)
    (clone / "runs" / "x" / "results.csv").touch()
    (clone / "mine.csv").touch()
    assert places.result("photo_digits") == ROOT / "experiments" / "results" / "photo_digits.csv"
    assert places.result("runs/x") == Path("runs/x/results.csv")
    monkeypatch.chdir("notebooks")  # where JupyterLab starts a notebook's kernel
    assert places.result("runs/x").resolve() == clone / "runs" / "x" / "results.csv"
    assert places.result("mine.csv").resolve() == clone / "mine.csv"
    for absent in ("photo_digit", "runs/y", "elsewhere/photo_digits"):
        with pytest.raises(DataError, match=f"there is no {absent}: name a results.csv"):
            places.result(absent)
