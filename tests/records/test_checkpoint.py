"""Two generations, each whole or known to be damaged: no byte can be wrong unnoticed, no moment leaves none."""

import math
import os

import pytest
import torch
from pictures import snapshot

from workbench.config import DataError
from workbench.files import atomic
from workbench.records import checkpoint
from workbench.records.checkpoint import Keeper, load, previous, read, save


def state(number: int) -> dict:
    return {
        "noise": {"delta": torch.full((2, 3), float(number))},
        "facts": {"done": number, "error": 0.5, "none": None},
    }


def number(found) -> int:
    assert found["noise"]["delta"].eq(found["facts"]["done"]).all()
    return found["facts"]["done"]


@pytest.fixture
def path(tmp_path):
    """Of a checkpoint with two generations: 1 and 2."""
    path = tmp_path / "noise.ckpt"
    for turn in (1, 2):
        save(path, state(turn))
    return path


def refusal(path) -> str:
    with pytest.raises(DataError) as refused:
        load(path)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_the_newest_and_the_one_before_it_are_kept(path):
    assert (number(read(path)), number(read(previous(path)))) == (2, 1)
    save(path, state(3))
    assert (number(load(path)), number(read(previous(path)))) == (3, 2)
    assert set(snapshot(path.parent)) == {"noise.ckpt", "noise.ckpt.previous"}


def test_nothing_is_no_error(tmp_path, capsys):
    assert load(tmp_path / "noise.ckpt") is None
    assert capsys.readouterr().err == ""


def test_any_program_can_read_it_with_torch_alone(path):
    assert number(torch.load(path, weights_only=True)) == 2


@pytest.fixture
def unread(monkeypatch):
    """torch must not read what is damaged; call to let it again."""
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *given, **named: pytest.fail("read before the checksum"))
    return lambda: monkeypatch.setattr(torch, "load", load)


def test_one_bit_anywhere_is_noticed(path, unread):
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ (1 << position % 8)]) + whole[position + 1 :])
        with pytest.raises(DataError, match="checksum"):
            read(path)
    unread()
    path.write_bytes(whole)
    assert number(read(path)) == 2


def test_a_cut_anywhere_is_noticed_and_so_is_more(path, unread):
    whole = path.read_bytes()
    for content in [whole[:length] for length in range(len(whole))] + [whole + b"\0", b"\0" + whole, whole + whole]:
        path.write_bytes(content)
        with pytest.raises(DataError, match="checksum"):
            read(path)


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-1], lambda whole: b"", lambda whole: whole.replace(b"P", b"Q")]
)
def test_the_one_before_a_damaged_one_is_used_and_said_aloud(path, damage, capsys):
    path.write_bytes(damage(path.read_bytes()))
    assert number(load(path)) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{path} cannot be read (cut short or changed: its checksum is not right)" in line
    assert "going on from the one before it, noise.ckpt.previous" in line
    save(path, state(3))  # must not push a damaged one over the last good one
    path.unlink()
    assert number(load(path)) == 1


def test_killed_between_the_renames_the_one_before_is_used(path, capsys):
    path.rename(atomic.scratch(path))
    assert number(load(path)) == 1
    assert capsys.readouterr().err == ""
    assert not previous(path).exists()


def test_no_whole_generation_is_one_line(path):
    previous(path).write_bytes(b"half")
    path.write_bytes(b"")
    assert refusal(path).count("cannot be read") == 2
    path.unlink()
    assert "noise.ckpt.previous cannot be read" in refusal(path)
    previous(path).unlink()
    path.write_bytes(b"half")
    assert "there is no earlier one" in refusal(path)


@pytest.mark.parametrize("content", [{"a": print}, {"a": Keeper}])
def test_what_would_run_code_is_refused_though_its_checksum_is_right(tmp_path, content):
    path = tmp_path / "noise.ckpt"
    save(path, content)
    assert "noise.ckpt cannot be read" in refusal(path)


def test_a_full_disk_is_one_line_and_both_generations_stay(path, full_disk):
    before = snapshot(path.parent)
    full_disk()
    with pytest.raises(DataError, match=r"noise\.ckpt cannot be written \(No space left on device\): make room"):
        save(path, state(3))
    assert snapshot(path.parent) == before


def test_ctrl_c_that_torch_hides_is_found(path, monkeypatch):
    def hidden(state, file):
        file.write(b"half")
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RuntimeError("unexpected pos 64 vs 0")

    before = snapshot(path.parent)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", hidden)
        with pytest.raises(KeyboardInterrupt):
            save(path, state(3))
    assert snapshot(path.parent) == before


def test_a_pipe_is_not_waited_for(path):
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="no file"):
        read(path)


def test_what_a_killed_process_left_half_written_is_removed_by_the_next_one(path):
    atomic.scratch(path).write_bytes(b"half")
    Keeper(path)
    save(path, state(3))
    assert set(snapshot(path.parent)) == {"noise.ckpt", "noise.ckpt.previous"}


def test_a_keeper_keeps_copies(tmp_path):
    for keeper in (Keeper(None), Keeper(tmp_path / "a")):
        assert keeper.newest() is None
        live = state(1)
        keeper.keep(live)
        live["noise"]["delta"] += 1
        keeper.newest()["noise"]["delta"] += 1
        assert number(keeper.newest()) == 1


@pytest.fixture
def clock(monkeypatch):
    """Time stands still but for what is added: add(seconds), and `cost` seconds for each write."""

    class Clock:
        now, cost, written = 0.0, 2.0, 0

        def add(self, seconds):
            self.now += seconds

        def save(self, path, state):
            save(path, state)
            self.add(self.cost)
            self.written += 1

    clock = Clock()
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(checkpoint, "save", clock.save)
    return clock


@pytest.mark.parametrize("seconds", [0.5, 10, 40, 100])
def test_writing_takes_no_more_than_its_share_of_the_time(clock, tmp_path, seconds):
    keeper = Keeper(tmp_path / "a")
    rounds = 400
    for turn in range(1, rounds + 1):
        clock.add(seconds)
        keeper.keep(state(turn))
    assert clock.written * clock.cost <= 0.03 * rounds * seconds + clock.cost
    assert clock.written >= min(rounds, 0.03 * rounds * seconds / clock.cost / 2)
    if seconds == 100:
        assert clock.written == rounds  # after every round
    keeper.write()
    assert number(read(tmp_path / "a")) == rounds


def test_what_is_written_is_not_written_again(clock, tmp_path):
    keeper = Keeper(tmp_path / "a")
    keeper.begin(state(0))
    keeper.write()
    assert clock.written == 0  # nothing is done yet
    clock.add(1000)
    keeper.keep(state(1))
    keeper.write()
    assert clock.written == 1
    assert Keeper(tmp_path / "a").newest()["facts"]["done"] == 1


def test_a_keeper_on_a_full_disk_says_so_once(tmp_path, monkeypatch, full_disk):
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    atomic.scratch(tmp_path / "a").write_text("half")
    keeper = Keeper(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    full_disk()
    with pytest.raises(DataError, match="No space left"):
        keeper.keep(state(1))
    keeper.write()
    assert list(tmp_path.iterdir()) == []


def test_a_large_state_is_not_copied_in_memory(tmp_path, monkeypatch):
    """It is written, and read by mapping its file."""
    monkeypatch.setattr(checkpoint, "MOST", 1)
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    monkeypatch.setattr(checkpoint.copy, "deepcopy", lambda state: pytest.fail("copied"))
    keeper = Keeper(tmp_path / "a")
    keeper.begin(state(0))
    assert keeper.newest() is None
    for turn in (1, 2):
        keeper.keep(state(turn))
        assert number(keeper.newest()) == turn
    keeper.write()
    assert number(Keeper(tmp_path / "a").newest()) == 2
    alone = Keeper(None)
    alone.keep(state(1))
    assert alone.newest() is None
