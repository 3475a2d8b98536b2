"""Room for large tensors: memory while small, files without a name when large, and nothing lost by letting go."""

import gc
import os

import pytest
import torch

from workbench.config import DataError
from workbench.files import mapped


def mapped_files() -> int:
    """Files without a name that this process has mapped."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sum("(deleted)" in line for line in maps)


def test_small_is_plain_memory():
    room = mapped.room_for((2, 3), torch.uint8, "it")
    assert room.shape == (2, 3)
    assert not room.any()
    mapped.release(room.fill_(7))
    assert (room == 7).all()


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
@pytest.mark.parametrize("dtype", list(mapped.NUMPY))
def test_large_lies_in_a_file_that_is_gone_with_the_tensor(monkeypatch, tmp_path, dtype):
    monkeypatch.setattr(mapped, "MAPPED_FROM", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()  # what earlier tests left
    before = mapped_files()
    room = mapped.room_for((1000, 5), dtype, "it")
    assert not room.any()
    assert mapped_files() == before + 1
    assert not list(tmp_path.iterdir())
    room[17] = 3
    mapped.release(room)
    assert (room[17] == 3).all()
    assert room.sum() == 15
    view = room[10:20]
    mapped.release(view)  # a part of it is the same file
    assert (view[7] == 3).all()
    del room, view
    gc.collect()
    assert mapped_files() == before


def test_in_a_folder_it_stays_and_is_gone_on_with(tmp_path):
    mapped.room_for((4, 5), torch.int8, "it", tmp_path)[2] = -6
    again = mapped.room_for((4, 5), torch.int8, "it", tmp_path)
    assert (again[2] == -6).all()
    other = mapped.room_for((4, 6), torch.int8, "it", tmp_path)
    assert not other.any()  # of another size: begun anew


def test_a_full_disk_is_told_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(mapped, "MAPPED_FROM", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DataError, match=r"the noise needs 1,099,511,627,776,000 bytes in .* are free: set TMPDIR"):
        mapped.room_for((1024, 2**40 // 1024 * 1000), torch.uint8, "the noise")
    with pytest.raises(DataError, match="make room"):
        mapped.room_for((2**50,), torch.uint8, "the noise", tmp_path)
    assert not list(tmp_path.iterdir())


def test_room_is_looked_for_where_a_new_folder_will_be(tmp_path):
    mapped.check_room(tmp_path / "not" / "there", 1, "it", "")
    with pytest.raises(DataError, match="needs"):
        mapped.check_room(tmp_path / "not" / "there", 2**60, "it", "")


def test_parts_cover_everything_once():
    assert [*mapped.parts(7, 3)] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert [*mapped.parts(0, 3)] == []
