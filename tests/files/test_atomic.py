"""Files are whole or as they were."""

import os

import pytest
from pictures import snapshot

from workbench.config import DataError
from workbench.files import atomic


def test_writing_replaces_whole_files_and_leaves_nothing_beside(tmp_path):
    atomic.write_atomically(tmp_path / "f", "old and long")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_atomically(tmp_path / "f", "new \udcff")
    assert snapshot(tmp_path) == {"f": b"old and long"}
    atomic.write_atomically(tmp_path / "f", "new")
    assert snapshot(tmp_path) == {"f": b"new"}


def test_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        atomic.write_atomically(tmp_path / "nowhere" / "f", "text")


def test_full_disk_leaves_the_old_file_and_nothing_beside(tmp_path, full_disk):
    atomic.write_atomically(tmp_path / "f", "old")
    full_disk()
    with pytest.raises(DataError, match=r"f cannot be written \(No space left on device\): make room") as refused:
        atomic.write_atomically(tmp_path / "f", "new")
    assert len(str(refused.value).splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"f"}
    assert (tmp_path / "f").read_text() == "old"


def test_the_old_file_is_kept_when_asked(tmp_path):
    for text in ("one", "two", "three"):
        with atomic.replacing(tmp_path / "f", keep=tmp_path / "g") as file:
            file.write(text.encode())
    assert snapshot(tmp_path) == {"f": b"three", "g": b"two"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x")])
def test_whoever_breaks_off_leaves_what_was_there(tmp_path, error):
    atomic.write_atomically(tmp_path / "f", "old")

    def breaks_off():
        with atomic.replacing(tmp_path / "f", keep=tmp_path / "g") as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        breaks_off()
    assert snapshot(tmp_path) == {"f": b"old"}


def test_a_file_is_safe_on_disk_before_it_is_put_in_place(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, n=name, o=original: (done.append(n), o(*given))[1])
    atomic.write_atomically(tmp_path / "f", "text")
    assert done == ["fsync", "replace", "fsync"]


def test_scratch_names_are_known_again_and_no_others(tmp_path):
    name = atomic.scratch(tmp_path / "run.json").name
    assert atomic.is_scratch(name)
    assert atomic.is_scratch(name, "run.json")
    assert not atomic.is_scratch(name, "noise.ckpt")
    for other in ("run.json.partial", name + ".bak", name.removeprefix("run.json"), name.replace(".partial", "")):
        assert not atomic.is_scratch(other)
    assert len({atomic.scratch(tmp_path / "run.json") for _ in range(100)}) == 100


def test_only_plain_scratch_files_of_the_name_are_swept(tmp_path):
    mine, other, folder, link = (atomic.scratch(tmp_path / name) for name in ("a", "b", "a", "a"))
    mine.write_text("half")
    other.write_text("half")
    folder.mkdir()
    link.symlink_to(other)
    (tmp_path / "a.partial").write_text("somebody's own")
    atomic.sweep(tmp_path, "a")
    assert {path.name for path in tmp_path.iterdir()} == {other.name, folder.name, link.name, "a.partial"}
    atomic.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, link.name, "a.partial"}
