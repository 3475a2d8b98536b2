"""What is said may have nowhere to go: verdict, files and exit code are the same, and nothing looks like bad input."""

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from forked import call
from pictures import write_folder

from workbench import cli, progress
from workbench.data.sources import read_folder
from workbench.export.write import export

ROOT = Path(__file__).resolve().parents[1]
WORDS = [sys.executable, "-m", "workbench"]
ENDS = {
    "no stdout": ">&-", "no stderr": "2>&-", "neither": ">&- 2>&-", "none": "<&- >&- 2>&-", "full": ">/dev/full",
    "all full": ">/dev/full 2>&1", "gone": "| true", "all gone": "2>&1 | true",
}  # fmt: skip


def shell(words: list[str], end: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run the program in a shell with its streams as `end` says; its exit code is left in the file `code`."""
    command = f"{{ {shlex.join([*WORDS, *words])} 3>&-; echo $? >&3; }} 3>code {end}"
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=surroundings, capture_output=True, timeout=200, check=False
    )


def code(folder: Path) -> int:
    return int((folder / "code").read_text())


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_exit_code_is_that_of_the_work(tmp_path, end, unbuffered):
    words, expected = (["networks", "nonsense"], 2) if "2>" in end else (["networks", "--json"], 0)
    done = shell(words, end, tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert code(tmp_path) == expected
    assert b"Traceback" not in done.stderr
    assert b"Errno" not in done.stderr


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """A folder of two people with originals and copies, of which one is missing: a "no" for `verify`."""
    folder = tmp_path_factory.mktemp("copies")
    write_folder(folder / "in", each=2, classes=("猫", "Ben"), side=32)
    export(read_folder(folder / "in"), None, folder / "out")
    next((folder / "out" / "猫").iterdir()).unlink()
    return folder


def test_a_verdict_is_the_same_for_whoever_listens(copies, tmp_path):
    """Without stderr, as Python would open the streams then."""

    def deaf() -> int:
        os.chdir(copies)
        os.close(2)
        sys.stderr = sys.__stderr__ = None
        return cli.main(["verify", "in", "out"])

    done = call(deaf, tmp_path / "said", encoding="ascii")
    done.join(200)
    assert done.exitcode == 1
    said = (tmp_path / "said").read_bytes()
    assert rb"\u732b" in said
    assert b"NOT KEPT" in said


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1"])
@pytest.mark.parametrize("unbuffered", [False, True])
def test_what_an_encoding_lacks_is_escaped_on_both_streams(monkeypatch, copies, encoding, unbuffered):
    """In this process, as Python opens the streams; of a folder that is not there for stderr."""
    said = []
    for words, name in ((["verify", "in", "out"], "stdout"), (["verify", "in", "\u732b"], "stderr")):
        with open(copies / "said", "w+b", buffering=0) as file, monkeypatch.context() as here:
            raw = io.FileIO(file.fileno(), "wb", closefd=False)
            stream = io.TextIOWrapper(raw if unbuffered else io.BufferedWriter(raw), encoding, write_through=unbuffered)
            here.setattr(sys, name, stream)
            here.setattr(sys, f"__{name}__", stream)
            here.chdir(copies)
            said.append(cli.main(words))
            getattr(sys, name).flush()
            file.seek(0)
            assert rb"\u732b" in file.read()
    assert said == [1, 2]


def test_a_run_that_nobody_listens_to_is_done_and_its_files_are_its_own(copies):
    """Without stdout and stderr the next files that are opened would get their numbers, and OpenMP's complaints."""
    words = [
        "noise",
        "--data",
        "folder:in",
        "--kind",
        "classwise",
        "--method",
        "random",
        "--device",
        "cpu",
        "--out",
        "n",
    ]
    shell(words, ">&- 2>&- <&-", copies, OMP_NUM_THREADS="nonsense", WORKBENCH_PROGRESS="bar")
    assert code(copies) == 0
    assert json.loads((copies / "n" / "run.json").read_text())["state"] == "complete"
    assert {path.name for path in (copies / "n").iterdir()} == {"run.json", "noise.safetensors"}
    assert not any(b"libgomp" in path.read_bytes() for path in (copies / "n").iterdir())


def pipe(monkeypatch) -> int:
    """Let stdout be a pipe, as Python would open it; give the end to read from."""
    read, write = os.pipe()
    stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(write, "wb")), "ascii")
    for name in ("stdout", "__stdout__"):
        monkeypatch.setattr(sys, name, stream)
    return read


def test_a_reader_may_go_at_any_time(monkeypatch):
    read = pipe(monkeypatch)
    with monkeypatch.context():
        cli._open_streams()
        print("one", flush=True)
        assert os.read(read, 100) == b"one\n"
        os.close(read)
        for _ in range(3):
            print("more " * 10_000, flush=True)
        assert os.path.samestat(os.fstat(sys.stdout.fileno()), os.stat(os.devnull))


def test_a_reader_may_be_slower_than_a_pipe_that_does_not_wait(monkeypatch):
    import threading

    read = pipe(monkeypatch)
    os.set_blocking(sys.stdout.fileno(), False)
    cli._open_streams()
    got = []
    reader = threading.Thread(target=lambda: got.extend(iter(lambda: os.read(read, 1000), b"")))
    reader.start()
    print("x" * 1_000_000, flush=True)
    os.close(sys.stdout.fileno())
    reader.join()
    os.close(read)
    assert sum(map(len, got)) == 1_000_001


def test_streams_are_opened_once(monkeypatch):
    read = pipe(monkeypatch)
    cli._open_streams()
    first = sys.stdout
    cli._open_streams()
    assert sys.stdout is first
    assert isinstance(first.buffer.raw, cli.Outlet)
    os.close(read)


@pytest.mark.parametrize("mode", ["bar", "lines", "off", ""])
def test_progress_needs_no_streams(monkeypatch, mode):
    """As in a program of one's own under pythonw."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv("WORKBENCH_PROGRESS", mode)
    with progress.progress("rounds", 2) as shown:
        shown.advance(loss=0.5)
        progress.say("something")
    assert shown.done == 1
