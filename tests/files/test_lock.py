"""One process at a time works in a folder; a dead one holds nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from workbench.config import DataError
from workbench.files import lock

HOLD = """
import sys, pathlib
from workbench.files import lock
with lock.alone(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def hold(folder):
    with lock.alone(folder):
        pass


def refusal(folder, attempt=hold) -> str:
    with pytest.raises(DataError) as refused:
        attempt(folder)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_second_process_is_refused_by_name_until_the_first_is_dead(tmp_path):
    process = holder(tmp_path)
    try:
        for attempt in (hold, lock.check_free):
            message = refusal(tmp_path, attempt)
            assert f"pid {process.pid} on {socket.gethostname()}, started 2" in message
            assert str(tmp_path) in message
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (tmp_path / lock.LOCK).exists()
    lock.check_free(tmp_path)
    with lock.alone(tmp_path):
        assert (tmp_path / lock.LOCK).read_text().startswith(f"{os.getpid()}\n")
    assert list(tmp_path.iterdir()) == []


def test_number_of_a_dead_process_that_lives_again_is_not_mistaken(tmp_path):
    """The file names this very process, which holds nothing."""
    (tmp_path / lock.LOCK).write_text(f"{os.getppid()}\n{socket.gethostname()}\n2020-01-01T00:00:00+00:00\n")
    lock.check_free(tmp_path)
    with lock.alone(tmp_path):
        pass


@pytest.mark.parametrize(
    "text", ["", "\n", "x\ny", "12", "\0\0", "12\nhere\nsince\nand more", "1\n\x1b[2Jhere", "9" * 10**6]
)
def test_file_of_another_kind_only_makes_the_message_shorter(tmp_path, text):
    with lock.alone(tmp_path):
        (tmp_path / lock.LOCK).write_text(text)
        message = refusal(tmp_path)
        assert "another process" in message
        assert message.isprintable()
        assert len(message) < 300


def test_folder_is_made_and_what_was_made_for_nothing_goes(tmp_path):
    new, used = tmp_path / "a" / "new", tmp_path / "used"
    with lock.alone(new):
        assert new.is_dir()
    with lock.alone(used):
        (used / "file").touch()
    with pytest.raises(KeyError), lock.alone(used):
        raise KeyError
    assert not new.exists()
    assert [path.name for path in used.iterdir()] == ["file"]


def test_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be written to" in refusal(tmp_path / "file" / "below")
    assert "cannot be written to" in refusal(tmp_path / "file")


def test_who_waits_gets_the_folder_and_leaves_nothing(tmp_path, capsys):
    process = holder(tmp_path)
    threading.Timer(0.5, process.stdin.close).start()
    with lock.alone(tmp_path, wait=True):
        assert (tmp_path / lock.LOCK).read_text().startswith(f"{os.getpid()}\n")
    process.wait()
    process.stdout.close()
    said = capsys.readouterr().err
    assert f"another process (pid {process.pid} on " in said
    assert said.strip().endswith(f"is at work in {tmp_path}: waiting for it")
    assert list(tmp_path.iterdir()) == []
