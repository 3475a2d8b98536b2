"""What the surroundings say (variables, folders, umask) changes neither which code runs nor what is told of it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from pictures import write_folder
from registered import as_before  # noqa: F401 (a fixture)

from workbench import installation
from workbench.apps.photos import private_folder
from workbench.cli import main
from workbench.config import DataError
from workbench.files import mapped, places
from workbench.records import record, run_folder
from workbench.sweep import kernel, kernels, notebook

PACKAGE = Path(notebook.__file__).resolve().parents[1]
SEEN = """
import json, multiprocessing, os, random, sys, tempfile
import torch, workbench, helper
from workbench import installation
from workbench.records import record
facts = {"workbench": workbench.__file__, "python": sys.executable, "random": random.__file__, "torch": torch.__file__,
         "helper": helper.__file__, "mark": os.environ.get("MARK"), "made_by": record.made_by(),
         "names": sorted(set(globals()) & {"from_profile", "from_startup"}), "here": os.getcwd(),
         "told": os.environ.get("WORKBENCH_MADE_BY"), "frontend": list(sys.argv)}
with open(out + "/seen.json", "w") as file:
    json.dump(facts, file)
print("\\u732b \\udcff")
"""


@pytest.fixture
def book(tmp_path):
    """Writes a notebook of one cell of code."""

    def write(code: str = "x = 1") -> Path:
        first = nbformat.v4.new_code_cell('out = "x"', metadata={"tags": ["parameters"]})
        nbformat.write(nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_code_cell(code)]), tmp_path / "b.ipynb")
        return tmp_path / "b.ipynb"

    return write


def repository(folder: Path) -> Path:
    """Somebody else's repository with one commit."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True, env=clean)
    return folder


@pytest.fixture
def traps(tmp_path, monkeypatch):
    """The surroundings set against the program; gives the current folder, in which a module of one's own lies."""
    long = tmp_path / ("t" * 90)
    for name in (
        "jp/kernels/python3",
        "ipython/profile_default/startup",
        "mine/workbench",
        "other/workbench",
        "theirs",
    ):
        (tmp_path / name).mkdir(parents=True)
    long.mkdir()
    argv = ["/usr/bin/env", "MARK=other", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "x", "language": "python"}
    (tmp_path / "jp/kernels/python3/kernel.json").write_text(json.dumps(spec))
    (tmp_path / "ipython/profile_default/startup/0.py").write_text("from_profile = 1")
    (tmp_path / "startup.py").write_text("from_startup = 1")
    for name in ("workbench.py", "workbench/__init__.py", "torch.py", "random.py"):
        (tmp_path / "mine" / name).write_text("raise SystemExit('not the one')")
    (tmp_path / "other/workbench/__init__.py").write_text("raise SystemExit('not the one')")
    (tmp_path / "mine/helper.py").write_text("x = 1")
    theirs = repository(tmp_path / "theirs")
    for name, value in {
        "JUPYTER_PATH": tmp_path / "jp", "JUPYTER_DEFAULT_PROVISIONER_NAME": "nobody", "PYTHONPATH": tmp_path / "other",
        "IPYTHONDIR": tmp_path / "ipython", "PYTHONSTARTUP": tmp_path / "startup.py", "HOME": "/proc/nobody",
        "TMPDIR": long, "GIT_DIR": theirs / ".git", "GIT_WORK_TREE": theirs, "LANG": "C", "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "nonsense", "PYTHONHASHSEED": "7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def test_the_kernel_is_this_interpreter_with_this_code(book, traps, tmp_path, capfd):
    notebook.run(book(SEEN), tmp_path / "out", {})
    seen = json.loads((tmp_path / "out" / "seen.json").read_text())
    found = run_folder.read(tmp_path / "out")
    assert Path(seen["workbench"]).resolve() == PACKAGE / "__init__.py"
    assert seen["python"] == sys.executable
    assert (seen["mark"], seen["names"], seen["told"]) == (None, [], None)
    assert Path(seen["helper"]).parent == traps == Path(seen["here"])  # modules of one's own are found there
    assert traps not in {Path(seen["random"]).parent, Path(seen["torch"]).parent}  # and take nobody's place
    assert seen["made_by"] == {"versions": found.versions, "git": found.git, "code": found.code}
    assert found.git == installation.commit()
    assert os.listdir(tmp_path / ("t" * 90)) == []
    assert "\u732b" in capfd.readouterr().out


def test_a_kernel_that_is_not_what_the_record_tells_is_refused(book, tmp_path, monkeypatch, capfd):
    """As when the program's files are changed while it runs."""
    monkeypatch.setattr(record, "code_fingerprint", lambda: "0" * 12)
    assert main(["run", str(book("open(out + '/ran', 'w')")), "--out", str(tmp_path / "out")]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "code 000000000000 before" in line
    assert "start the program again" in line
    assert not (tmp_path / "out" / "ran").exists()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "failed"


@pytest.mark.parametrize("notebook_asks", ["python3", "ir", "../x"])
def test_whatever_a_notebook_asks_for_there_is_one_kernel(traps, notebook_asks):
    spec = kernels.Own().get_kernel_spec(notebook_asks)
    assert spec.argv == [sys.executable, "-P", kernel.__file__, "{connection_file}"]
    assert set(kernels.Own().get_all_specs()) == {"python3"}


@pytest.mark.parametrize(("length", "short", "found"), [
    (30, True, "ipc"), (90, True, "ipc"), (90, False, "tcp"), (200, True, "ipc"), (200, False, "tcp"),
])  # fmt: skip
def test_sockets_have_names_that_the_system_takes(tmp_path, monkeypatch, length, short, found):
    if not short:
        monkeypatch.setattr(kernels, "SHORT", str(tmp_path / "nowhere"))
    with kernels.talking(Path("/" + "t" * length)) as talk:
        if found == "tcp":
            assert talk == {}
            return
        socket = Path(talk["ip"])
        assert len(os.fsencode(socket)) < 90
        assert length == 30 or stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not socket.parent.exists()


@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
def test_a_temporary_folder_that_cannot_be_used_is_said_and_no_other_taken(book, tmp_path, monkeypatch, capsys, name):
    for other in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(other, raising=False)
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path / "nowhere", tmp_path / "file", "/proc"):
        monkeypatch.setenv(name, str(bad))
        assert main(["run", str(book()), "--out", str(tmp_path / "out"), "--resume"]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"{name} is {bad}" in line
        for user in (private_folder.private_folder, lambda: mapped.room_for((2**31,), mapped.torch.uint8, "it")):
            with pytest.raises(DataError, match=f"{name} is"):
                user()


def test_a_temporary_folder_that_was_named_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert places.temporary() == tmp_path


@pytest.fixture
def anew():
    """The commit is looked for again."""
    installation.commit.cache_clear()
    yield
    installation.commit.cache_clear()


def test_the_commit_is_the_programs_own_whatever_repository_is_named(tmp_path, monkeypatch, anew):
    own = installation.commit()
    (tmp_path / "theirs").mkdir()
    theirs = repository(tmp_path / "theirs")
    for name, value in {"DIR": theirs / ".git", "WORK_TREE": theirs, "INDEX_FILE": theirs / "x", "NAMESPACE": "x",
                        "OBJECT_DIRECTORY": theirs / ".git/objects", "COMMON_DIR": theirs / "x"}.items():  # fmt: skip
        installation.commit.cache_clear()
        monkeypatch.setenv(f"GIT_{name}", str(value))
        assert installation.commit() == own, name


def test_a_repository_that_is_broken_or_refused_is_none_and_not_the_one_around_it(tmp_path, monkeypatch, anew):
    around = repository(tmp_path)
    (around / "clone" / "workbench").mkdir(parents=True)
    (around / "clone" / ".git").mkdir()
    monkeypatch.setattr(installation, "PACKAGE", around / "clone" / "workbench")
    assert installation.commit() is None
    (around / "git").write_text("#!/bin/sh\necho 'fatal: detected dubious ownership in repository' >&2\nexit 128\n")
    (around / "git").chmod(0o755)
    for path in (str(around), "/nowhere"):  # refused, and no git at all
        installation.commit.cache_clear()
        monkeypatch.setenv("PATH", path)
        assert installation.commit() is None


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o000, 0o666), (0o027, 0o640)])
def test_files_are_readable_as_the_umask_says_and_private_folders_for_nobody_else(tmp_path, umask, mode):
    write_folder(tmp_path / "in", each=2, classes=("Anna", "Ben"), side=32)
    data = ["--data", f"folder:{tmp_path / 'in'}"]
    before = os.umask(umask)
    try:
        assert main(["noise", *data, "--kind", "classwise", "--method", "random", "--out", str(tmp_path / "n")]) == 0
        assert main(["export", *data, "--noise", str(tmp_path / "n"), "--out", str(tmp_path / "x")]) == 0
        assert main(["protect", str(tmp_path / "in"), str(tmp_path / "p"), "--method", "random"]) == 0
        private = private_folder.private_folder()
        with kernels.talking(Path("/" + "t" * 200)) as talk:
            folders = {stat.S_IMODE(folder.stat().st_mode) for folder in (private, Path(talk["ip"]).parent)}
        private_folder.remove(private)
    finally:
        os.umask(before)
    found = [path for name in ("n", "x", "p") for path in (tmp_path / name).rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {mode}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o777 & ~umask}
    assert folders == {0o700}


def test_the_current_folder_need_not_be_writable(tmp_path, monkeypatch):
    write_folder(tmp_path / "in", each=4, classes=("Anna", "Ben"), side=32)
    monkeypatch.chdir("/proc")  # nobody can write there, not even root
    data = ["--data", f"folder:{tmp_path / 'in'}", "--device", "cpu"]
    noise = [*data, "--kind", "classwise", "--surrogate", "convnet-w2", "--rounds", "1"]
    assert main(["noise", *noise, "--out", str(tmp_path / "n")]) == 0
    victim = [*data, "--victim", "convnet-w2", "--epochs", "1"]
    assert main(["train", *victim, "--noise", str(tmp_path / "n"), "--out", str(tmp_path / "t")]) == 0


def test_files_of_ones_own_may_be_named_by_a_variable(monkeypatch, capsys, tmp_path):
    text = "import workbench as wb\nwb.network('{0}', words='my own')(lambda *sizes: None)"
    for name in ("mine-a", "mine-b"):
        (tmp_path / f"{name}.py").write_text(text.format(name))
    monkeypatch.setenv("WORKBENCH_WITH", str(tmp_path / "mine-a.py"))
    for name in ("mine-a", "mine-b"):
        assert main(["networks", name, "--with", str(tmp_path / "mine-b.py")]) == 0
        assert "my own" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "value", "part"), [
    ("WORKBENCH_PROGRESS", "bars", "did you mean 'bar'"), ("WORKBENCH_REUSE", "yes", "There are 0, 1"),
    ("WORKBENCH_HOME", "/dev/null", "name another"), ("WORKBENCH_DATA", "/dev/null", "not in /dev/null"),
    ("WORKBENCH_PHOTOS", "/proc/nowhere", "nowhere"), ("WORKBENCH_WITH", "nonsense", "no such Python file"),
])  # fmt: skip
def test_a_variable_of_ours_that_says_nonsense_is_one_line(monkeypatch, capsys, tmp_path, name, value, part):
    words = {"WORKBENCH_HOME": ["demo"], "WORKBENCH_PHOTOS": ["app", "--no-browser", "--port", "0"],
             "WORKBENCH_DATA": ["train", "--data", "cifar10", "--out", str(tmp_path / "out")]}  # fmt: skip
    monkeypatch.setenv(name, value)
    assert main(words.get(name, ["methods"])) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert part in line
    assert not (tmp_path / "out").exists()
