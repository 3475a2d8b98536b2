"""Nothing of somebody else is written to, followed or removed, whatever name it has: every command, every name."""

import ast
import json
import os
import re
import threading
from pathlib import Path

import pytest
from forked import program
from pictures import snapshot, write_folder

from workbench import noise
from workbench.apps.photos import job
from workbench.apps.photos.ledger import UNFINISHED
from workbench.cli import main
from workbench.config import DataError
from workbench.data.sources import read_folder
from workbench.export import write
from workbench.files import atomic
from workbench.records import run_folder

NAMES = (
    "probe", ".lock", "run.json.partial", "manifest.json.partial", "noise.started", "noise.ckpt", "noise.ckpt.previous",
    "noise.ckpt.partial", "noise.safetensors", "noise.safetensors.partial", "victim.ckpt", "victim.ckpt.previous",
    "results.csv", "results.csv.partial", "study.json", "study.json.partial", "notebook.ipynb", "report.html",
    "report.html.partial", "README.md", "manifest.json", "run.json", "0.partial.png", "copies.part",
    "out.0123456789abcdef.partial", ".export", "figures", "jobs", "store", "finished.jsonl", "copies.zip", "chosen.zip",
    "open.html", "refusal.txt", "kernel.json", "judge.csv", "score.json", "case.safetensors", "case", "learners",
    "board.csv",
    "predictions.json", "copies-harder-to-learn-from.zip", "what-these-copies-still-teach.html",
)  # fmt: skip
WRITTEN = re.compile(
    r"\.?[a-z][\w-]*(\.\w+)*\.(json|jsonl|csv|safetensors|ckpt|previous|ipynb|html|md|started|zip|txt|png)"
)
READ_ALONE = {"direct_url.json", "page.html"}
COMMANDS = {
    "noise": ("noise", "--data", "folder:in", "--kind", "classwise", "--method", "random", "--device", "cpu", "--out"),
    "train": ("train", "--data", "folder:in", "--epochs", "1", "--victim", "convnet-w4", "--device", "cpu", "--out"),
    "judge": ("judge", "--data", "folder:in", "--learners", "none", "--epochs", "1", "--out"),
    "export": ("export", "--data", "folder:in", "--out"),
    "protect": ("protect", "in", "--method", "random", "--device", "cpu"),
    "demo": ("demo", "--out"),
    "run": ("run", "REPOSITORY/notebooks/01_clean_vs_unlearnable.ipynb", "--out"),
    "sweep": ("sweep", "REPOSITORY/experiments/budget_ablation.yml", "--size", "smoke", "--out"),
}  # fmt: skip
REPOSITORY = str(Path(__file__).resolve().parent.parent)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with two people's pictures in `in`."""
    write_folder(tmp_path / "in", each=4, classes=("Anna", "Ben"), side=32)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(command: str, out: str) -> int:
    return main([word.replace("REPOSITORY", REPOSITORY) for word in (*COMMANDS[command], out)])


def refused(command: str, out: str, capsys) -> str:
    assert call(command, out) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize("beside", [True, False], ids=["beside a file", "alone"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_somebody_else_stays_as_it_is(place, capsys, command, beside):
    for number, name in enumerate(NAMES):
        folder = place / f"mine{number}"
        folder.mkdir()
        (folder / name).write_text("somebody's own\n")
        if beside:
            (folder / "thesis.txt").write_text("years of work")
        before = snapshot(folder)
        assert refused(command, folder.name, capsys)
        assert snapshot(folder) == before, name


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_not_followed_into_somebody_elses_file(place, capsys, command, name):
    (place / "own").write_text("somebody's own\n")
    (place / "mine").mkdir()
    (place / "mine" / name).symlink_to(place / "own")
    assert refused(command, "mine", capsys)
    assert (place / "mine" / name).is_symlink()
    assert (place / "own").read_text() == "somebody's own\n"


@pytest.mark.parametrize("command", ["noise", "train", "export", "protect"])
def test_what_lies_beside_the_folder_stays(place, capsys, command):
    for end in (".partial", ".lock", ".log", ".previous", ".part", ".0123456789abcdef.partial"):
        (place / f"out{end}").mkdir()
        (place / f"out{end}" / "thesis.txt").write_text("years of work")
    before = snapshot(place)
    assert call(command, "out") == 0, capsys.readouterr().err
    after = snapshot(place)
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in set(after) - set(before)} == {"out"}
    assert not [name for name in after if name.startswith("out/") and ("partial" in name or name.endswith(".lock"))]


@pytest.mark.parametrize("command", ["noise", "train", "export", "protect"])
@pytest.mark.parametrize("linked", [True, False])
def test_an_existing_empty_folder_is_filled_and_not_replaced(place, capsys, command, linked):
    folder = place / "big"
    folder.mkdir(mode=0o750)
    number = folder.stat().st_ino
    if linked:
        (place / "out").symlink_to("big")
    assert call(command, "out" if linked else "big") == 0, capsys.readouterr().err
    assert (folder.stat().st_ino, folder.stat().st_mode & 0o777) == (number, 0o750)
    assert not linked or (place / "out").is_symlink()
    assert (folder / ("run.json" if command in ("noise", "train") else "manifest.json")).is_file()


def test_all_names_that_the_program_knows_are_tried():
    found = set()
    for file in (Path(REPOSITORY) / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and WRITTEN.fullmatch(node.value):
                found.add(node.value)
    assert found - READ_ALONE - {path.name for path in Path(REPOSITORY, "notebooks").rglob("*.ipynb")} <= set(NAMES)


@pytest.mark.parametrize("command", ["noise", "train", "export", "protect"])
def test_all_names_that_are_left_in_a_folder_are_tried(place, capsys, command):
    assert call(command, "out") == 0, capsys.readouterr().err
    assert {path.name for path in (place / "out").iterdir()} <= {*NAMES, "Anna", "Ben"}


@pytest.mark.parametrize(("command", "names"), [
    ("noise", ("noise.safetensors", "noise.ckpt", "noise.ckpt.previous", "noise.started", ".lock")),
    ("train", ("results.csv", "victim.ckpt", "victim.ckpt.previous", ".lock")),
])  # fmt: skip
@pytest.mark.parametrize("hard", [False, True], ids=["link", "second name"])
def test_a_run_that_goes_on_changes_no_file_that_its_names_lead_to(place, capsys, command, names, hard):
    """As when somebody moved a large file elsewhere and left a link, or keeps a second name of it."""
    assert call(command, "out") == 0, capsys.readouterr().err
    record = json.loads((place / "out" / "run.json").read_text()) | {"state": "interrupted"}
    for name in names:
        folder, own = place / f"out-{name}", place / f"own-{name}"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(record))
        own.write_text("somebody's own")
        (folder / name).hardlink_to(own) if hard else (folder / name).symlink_to(own)
        words = [word.replace("REPOSITORY", REPOSITORY) for word in (*COMMANDS[command], str(folder))]
        assert main([*words, "--resume"]) in (0, 2)
        assert own.read_text() == "somebody's own", name


def test_a_link_to_nowhere_is_refused_before_the_work(place, capsys):
    (place / "out").symlink_to("nowhere")
    assert "not an empty folder" in refused("export", "out", capsys)


def test_two_exports_into_one_folder_never_take_each_others_half(place, monkeypatch):
    data, held, go = read_folder(place / "in"), threading.Event(), threading.Event()
    write_one, done = write._write_one, []

    def slow(*given):
        held.set()
        assert go.wait(60)
        return write_one(*given)

    monkeypatch.setattr(write, "_write_one", slow)
    first = threading.Thread(target=lambda: done.append(write.export(data, None, place / "out")))
    first.start()
    assert held.wait(60)
    second = program([*COMMANDS["export"], "out"], place / "said")
    second.join(300)
    go.set()
    first.join()
    assert second.exitcode == 2
    (line,) = (place / "said").read_text().strip().splitlines()
    assert "another process" in line
    assert len(done[0]["files"]) == 8
    assert len(snapshot(place / "out")) == 8 + 2


def test_what_a_killed_export_left_does_not_stop_the_next(place):
    data = read_folder(place / "in")
    left = atomic.scratch(place / "out" / write.GROWING)
    (left / "Anna").mkdir(parents=True)
    write.export(data, None, place / "out")
    assert {path.name for path in (place / "out").iterdir()} == {"Anna", "Ben", "manifest.json", "README.md"}


def test_an_export_never_replaces_what_is_put_into_its_folder_meanwhile(place, monkeypatch):
    write_one = write._write_one

    def put(*given):
        (place / "out" / "manifest.json").write_text("somebody's own")
        return write_one(*given)

    monkeypatch.setattr(write, "_write_one", put)
    with pytest.raises(DataError, match="never replaced"):
        write.export(read_folder(place / "in"), None, place / "out")
    assert snapshot(place / "out") == {"manifest.json": b"somebody's own"}


def test_files_of_other_names_in_a_run_stay(place, capsys):
    """As noise.ckpt.backup, which is the owner's own copy of a checkpoint."""
    assert call("noise", "out") == 0, capsys.readouterr().err
    names = ("noise.ckpt.backup", "noise.ckpt.partial", "noise.ckpt2", "run.json.partial")
    for name in names:
        (place / "out" / name).write_text("kept")
    noise.forget(place / "out")
    with run_folder.opened(place / "other", "noise", {}, resume=False) as run:
        for name in names:
            (run.folder / name).write_text("kept")
    with run_folder.opened(place / "other", "noise", {}, resume=True, again=True):
        pass
    assert all((folder / name).is_file() for folder in (place / "out", place / "other") for name in names)


def test_half_files_of_killed_processes_do_not_pile_up_in_a_run(tmp_path):
    for _ in range(3):
        with run_folder.opened(tmp_path / "out", "noise", {}, resume=True, again=True) as run:
            for name in ("run.json", "noise.safetensors", "noise.ckpt", "results.csv"):
                atomic.scratch(run.folder / name).write_text("half")
    with run_folder.opened(tmp_path / "out", "noise", {}, resume=True, again=True):
        pass
    assert set(snapshot(tmp_path / "out")) == {"run.json"}


@pytest.mark.parametrize("name", [UNFINISHED, f"{UNFINISHED}/run.json"])
def test_an_unfinished_folder_of_somebody_else_stays(place, capsys, name):
    """Also beside copies of this very job."""
    assert call("protect", "out") == 0, capsys.readouterr().err
    for folder in ("out", "new"):
        mine = place / folder / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text("somebody's own")
        main(["protect", "in", folder, "--method", "random", "--device", "cpu"])
        assert mine.read_text() == "somebody's own"


def test_a_copy_is_not_put_over_a_link(place, monkeypatch):
    """One that came while the job was at work."""
    put, copy = place / "out" / "Anna" / "Anna-00.png", job._copy

    def first(*given):
        put.parent.mkdir(exist_ok=True)
        if not os.path.lexists(put):
            put.symlink_to("nowhere")
        return copy(*given)

    monkeypatch.setattr(job, "_copy", first)
    assert main(["protect", "in", "out", "--method", "random", "--device", "cpu"]) == 2
    assert put.is_symlink()
    assert not put.exists()
