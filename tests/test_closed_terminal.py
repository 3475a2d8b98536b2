"""A terminal that is closed ends the program as Ctrl-C does: photos are removed, work can go on later."""

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from multiprocessing.process import BaseProcess

import pytest
from forked import program
from pictures import write_folder

PATIENCE = 200  # seconds for what should take a few
SEARCH = ["noise", "--data", "folder:in", "--kind", "classwise", "--surrogate", "convnet-w4", "--rounds", "100000",
          "--device", "cpu", "--out", "out"]  # fmt: skip


@pytest.fixture
def start(tmp_path):
    """Starts `workbench WORDS` in a session of its own, in which nothing is ignored, and ends it with the test."""
    begun = []

    def begin(*words, **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "workbench", *words]
        begun.append(subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **options))
        return begun[-1]

    write_folder(tmp_path / "in", each=4, classes=("Anna", "Ben"), side=32)
    yield begin
    for one in begun:
        if one.poll() is None:
            one.kill()
        one.communicate()


def wait_for(condition, process):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def fork(tmp_path):
    """Starts `workbench WORDS` as `start` does, but forked from this process; what it says goes to the file `said`."""
    begun = []

    def begin(*words, before=lambda: None) -> BaseProcess:
        def first() -> None:
            os.setsid()
            os.chdir(tmp_path)
            before()

        begun.append(program(words, tmp_path / "said", first))
        return begun[-1]

    write_folder(tmp_path / "in", each=4, classes=("Anna", "Ben"), side=32)
    yield begin
    for one in begun:
        one.kill()
        one.join()


def wait_for_fork(condition, process):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def short():
    """A folder for temporary files with a short name: the names of sockets in it must not get long."""
    folder = tempfile.mkdtemp(dir="/tmp")
    yield folder
    shutil.rmtree(folder)


def put_a_photo(folder):
    """Leave a photo among those of the application that is at work."""
    (private,) = privates(folder)
    with open(os.path.join(folder, private, "photo.png"), "wb") as photo:
        photo.write(b"private")


def privates(folder):
    return [name for name in os.listdir(folder) if name.startswith("workbench-photos-")]


APP = ["app", "--port", "0", "--no-browser"]


def test_the_application_removes_its_photos_when_it_is_interrupted(start, short):
    running = start(
        *APP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": short}
    )
    assert running.stdout.readline().startswith("Open http://127.0.0.1:")
    put_a_photo(short)
    running.send_signal(signal.SIGINT)
    told = running.communicate(timeout=PATIENCE)[1]
    assert running.returncode == 0, told
    assert "Traceback" not in told
    assert not privates(short)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_the_application_removes_its_photos_whatever_ends_it(fork, short, tmp_path, number, monkeypatch):
    monkeypatch.setenv("TMPDIR", short)
    monkeypatch.setattr("tempfile.tempdir", None)
    running = fork(*APP)
    wait_for_fork(lambda: (tmp_path / "said").exists() and "Open http" in (tmp_path / "said").read_text(), running)
    put_a_photo(short)
    os.kill(running.pid, number)
    running.join(PATIENCE)
    told = (tmp_path / "said").read_text()
    assert running.exitcode == 0, told
    assert "Traceback" not in told
    assert not privates(short)


def test_a_run_whose_terminal_is_closed_can_go_on(start, tmp_path):
    """The terminal is gone for good: every word to it is an error."""
    ours, its = pty.openpty()
    running = start(*SEARCH, stdin=its, stdout=its, stderr=its, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                    env={**os.environ, "WORKBENCH_PROGRESS": "bar"})  # fmt: skip
    os.close(its)

    def at_work() -> bool:
        while select.select([ours], [], [], 0)[0]:
            os.read(ours, 10_000)
        return (tmp_path / "out" / "noise.ckpt").exists()

    wait_for(at_work, running)
    os.close(ours)
    assert running.wait(PATIENCE) == 130
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "interrupted"
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith((".partial", ".lock"))]


def test_nohup_stays_nohup(fork, tmp_path):
    running = fork(*SEARCH, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_fork((tmp_path / "out" / "noise.ckpt").exists, running)
    os.kill(running.pid, signal.SIGHUP)
    time.sleep(1)
    assert running.is_alive()
    os.kill(running.pid, signal.SIGTERM)
    running.join(PATIENCE)
    assert "the same command with --resume goes on" in (tmp_path / "said").read_text()
    assert running.exitcode == 130


@pytest.mark.parametrize("second", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_shell_and_system_may_both_tell_it(fork, tmp_path, second):
    """A second hang-up is no impatience, and does not cut short what the first one began."""
    running = fork(*SEARCH)
    wait_for_fork((tmp_path / "out" / "noise.ckpt").exists, running)
    os.kill(running.pid, signal.SIGHUP)
    os.kill(running.pid, second)
    running.join(PATIENCE)
    assert running.exitcode == 130
    if second == signal.SIGHUP:
        assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "interrupted"
