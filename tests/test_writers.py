"""No writer goes through a link or over a file that is not its own, whoever calls it."""

import pandas as pd
import pytest
import torch
from pictures import snapshot

from workbench import figures, noise
from workbench.apps.photos import private_folder
from workbench.config import DataError
from workbench.files import atomic, lock, mapped
from workbench.records import table
from workbench.study import Study
from workbench.sweep.run import work


def test_an_empty_lock_may_be_anybodys_and_stays(tmp_path):
    (tmp_path / lock.LOCK).touch()
    with lock.alone(tmp_path):
        pass
    assert snapshot(tmp_path) == {lock.LOCK: b""}


def test_a_probe_is_nobodys_file(tmp_path):
    (tmp_path / "probe").symlink_to("own")
    (tmp_path / "own").write_text("somebody's own")
    atomic.check_writable(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"probe", "own"}
    assert (tmp_path / "own").read_text() == "somebody's own"


def _table(folder):
    table.write(pd.DataFrame([[0] * len(table.COLUMNS)], columns=list(table.COLUMNS)), folder)


def _figure(folder):
    from matplotlib.figure import Figure

    figures.save(Figure(), folder, "curves")


def _text(folder):
    atomic.write_atomically(folder / "run.json", "{}")


def _large(folder):
    mapped.room_for((4, 5), torch.int8, "it", folder)


def _job(folder):
    work({"out": str(folder / "job"), "threads": 1, "gpus": [], "notebook": "no.ipynb", "values": {}, "store": "s",
          "cwd": ".", "with": "", "reuse": False})  # fmt: skip


WRITERS = [(_table, "results.csv"), (_figure, "curves.png"), (_figure, "curves.svg"), (_text, "run.json"),
           (_large, mapped.STARTED), (_job, "job.log"), (_job, "job.lock")]  # fmt: skip


@pytest.mark.parametrize(("write", "name"), WRITERS, ids=lambda value: getattr(value, "__name__", value))
def test_no_writer_goes_through_a_link(tmp_path, write, name):
    (tmp_path / "own").write_text("somebody's own")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).symlink_to(tmp_path / "own")
    try:
        write(tmp_path / "folder")
    except (DataError, OSError):
        assert (tmp_path / "folder" / name).is_symlink()
    assert (tmp_path / "own").read_text() == "somebody's own"


@pytest.mark.parametrize("name", ["noise.started", "results.csv"])
def test_a_folder_that_is_no_run_keeps_its_files(tmp_path, patterned, name):
    (tmp_path / name).write_text("somebody's own")
    if name == "results.csv":
        with pytest.raises(DataError, match="no table of this program"):
            _table(tmp_path)
    else:
        data = patterned(6)
        delta = torch.zeros((6, *data.samples.shape[1:]), dtype=torch.int8)
        noise.Perturbation(delta, "samplewise", 8, "random", data.fingerprint).save(tmp_path)
    assert (tmp_path / name).read_text() == "somebody's own"


def test_a_folder_named_like_ours_is_not_removed(tmp_path, monkeypatch):
    monkeypatch.setenv(private_folder.PLACE, str(tmp_path))
    for name in ("holidays in France", "holiday"):
        folder = tmp_path / f"{private_folder.PREFIX}{name}"
        folder.mkdir()
        (folder / private_folder.LOCK).touch()
    assert private_folder.clear_stale() == 0


def test_a_data_folder_that_was_there_stays(tmp_path, monkeypatch):
    from torchvision import datasets

    from workbench.config import DataConfig
    from workbench.data.sources import load

    def offline(*given, **named):
        raise OSError("no network")

    monkeypatch.setattr(datasets, "CIFAR10", offline)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="could not be downloaded"):
        load(DataConfig(data="cifar10"))
    assert tmp_path.is_dir()


@pytest.mark.parametrize("name", ["study.json", "results.csv"])
def test_a_study_writes_over_nothing_of_somebody_else(tmp_path, name):
    study = Study.__new__(Study)
    study.out, study.chance, study.classes, study._stages = tmp_path, 0.1, ("a", "b"), {}
    (tmp_path / name).write_text("somebody's own")
    with pytest.raises(DataError, match=name):
        study.finish(pd.DataFrame([[0] * len(table.COLUMNS)], columns=list(table.COLUMNS)))
    assert snapshot(tmp_path) == {name: b"somebody's own"}
