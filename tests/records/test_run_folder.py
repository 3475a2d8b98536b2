"""A run's folder: run.json tells the truth whatever happens inside, and no folder is shared by two runs."""

import json
import re
import subprocess
import sys
from contextlib import suppress

import pytest
from pictures import snapshot

from workbench.config import DataError, key
from workbench.files import atomic
from workbench.records import record as run_record
from workbench.records import run_folder
from workbench.records.record import code_fingerprint

CONFIG = {"epsilon": 8, "seed": 3, "data": "folder:größe"}


def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def go(folder, config=None, resume=False, command="noise", error=None):
    """One run that does nothing, or fails; returns what was open."""
    with run_folder.opened(folder, command, CONFIG if config is None else config, resume=resume) as run:
        if not run.complete:
            assert record(folder)["state"] == "running"
        if error is not None:
            raise error
    return run


def test_finished_run_is_complete(tmp_path):
    go(tmp_path / "a" / "run")
    found = record(tmp_path / "a" / "run")
    assert (found["state"], found["error"]) == ("complete", None)
    assert run_folder.read(tmp_path / "a" / "run").as_json() == found
    assert list(snapshot(tmp_path)) == ["a/run/run.json"]


def test_record_names_what_was_run_and_with_what(tmp_path):
    go(tmp_path / "run")
    found = record(tmp_path / "run")
    assert (found["command"], found["config"], found["seed"], found["key"]) == ("noise", CONFIG, 3, key(CONFIG))
    assert {"python", "torch", "workbench"} <= set(found["versions"])
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", found["git"] or "0" * 40)
    assert found["started"] <= found["ended"]


@pytest.mark.parametrize(
    ("error", "state", "line"),
    [
        (ValueError("first\nsecond"), "failed", "ValueError: first"),
        (RuntimeError(), "failed", "RuntimeError: "),
        (SystemExit(1), "failed", "SystemExit: 1"),
        (KeyboardInterrupt(), "interrupted", None),
    ],
)
def test_state_after_an_error_is_true_and_the_error_goes_on(tmp_path, error, state, line):
    with pytest.raises(type(error)):
        go(tmp_path / "run", error=error)
    assert (record(tmp_path / "run")["state"], record(tmp_path / "run")["error"]) == (state, line)
    assert list(snapshot(tmp_path)) == ["run/run.json"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_only_a_complete_run_can_be_read(tmp_path, error):
    with pytest.raises(type(error)):
        go(tmp_path, error=error)
    with pytest.raises(DataError, match="not complete"):
        run_folder.read(tmp_path)
    go(tmp_path, resume=True)
    assert run_folder.read(tmp_path).error is None


def test_running_state_of_a_killed_process_is_not_trusted(tmp_path):
    go(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(record(tmp_path) | {"state": "running"}))
    with pytest.raises(DataError, match="running, not complete"):
        run_folder.read(tmp_path)
    assert not go(tmp_path, resume=True).complete


def test_missing_record_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no run\.json"):
        run_folder.read(tmp_path)


def test_complete_run_is_opened_as_complete_and_left_alone(tmp_path):
    go(tmp_path)
    before = snapshot(tmp_path)
    assert go(tmp_path, resume=True).complete
    assert snapshot(tmp_path) == before


def test_same_run_without_resume_is_refused(tmp_path):
    go(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="--resume"):
        go(tmp_path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    ("config", "command", "difference"),
    [
        (CONFIG | {"epsilon": 4}, "noise", "epsilon 8 there, 4 asked"),
        ({"epsilon": 8, "seed": 3}, "noise", "data folder:größe there"),
        (CONFIG | {"rounds": 2}, "noise", "rounds None there, 2 asked"),
        (CONFIG, "train", "`workbench noise`"),
    ],
)
def test_other_run_is_refused_with_the_difference(tmp_path, config, command, difference, resume):
    go(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match=re.escape(difference)):
        go(tmp_path, config, resume, command)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("resume", [True, False])
def test_foreign_folder_is_refused_and_left_alone(tmp_path, resume):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not empty"):
        go(tmp_path, resume=resume)
    assert list(snapshot(tmp_path)) == ["thesis.txt"]


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match="file"):
            go(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "5", '"run"', "{}", '{"command": "noise"}', "\x00",
     '{"command": "noise", "state": "complete", "key": "x", "config": 3, "seconds": {}}',
     '{"command": "noise", "state": "failed", "key": "x", "config": {}, "seconds": 3}'],
)  # fmt: skip
def test_damaged_record_is_refused_and_left_alone(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    for attempt in (lambda: run_folder.read(tmp_path), lambda: go(tmp_path, resume=True), lambda: go(tmp_path)):
        with pytest.raises(DataError, match=r"run\.json"):
            attempt()
    assert (tmp_path / "run.json").read_text() == content


def test_stage_seconds_add_up_over_a_resume(tmp_path):
    with suppress(KeyboardInterrupt), run_folder.opened(tmp_path, "noise", CONFIG, resume=False) as run:
        run.record.seconds["noise"] = 100.0  # as if it had taken so long
        with run.stage("noise"):
            raise KeyboardInterrupt
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=True) as run, run.stage("noise"):
        assert run.resumed
    assert 100 <= record(tmp_path)["seconds"]["noise"] < 200


def test_notes_are_in_the_record_at_once(tmp_path):
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=False) as run:
        run.note(device="cpu: größer")
        assert record(tmp_path)["device"] == "cpu: größer"
    assert record(tmp_path)["device"] == "cpu: größer"


def test_complete_run_can_be_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    go(tmp_path / "run")

    def refuse(folder, wait):
        raise DataError("no lock here")

    monkeypatch.setattr(run_folder.lock, "alone", refuse)
    assert go(tmp_path / "run", resume=True).complete
    with pytest.raises(DataError, match="no lock"):
        go(tmp_path / "other")


def test_folder_that_holds_only_what_a_killed_process_left_is_free(tmp_path):
    for path in (tmp_path / ".lock", atomic.scratch(tmp_path / "run.json")):
        path.write_text("1\nhere\n")
    go(tmp_path)
    assert list(snapshot(tmp_path)) == ["run.json"]


def test_run_is_held_against_others_while_it_is_open(tmp_path):
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=False):
        for resume in (True, False):
            with pytest.raises(DataError, match="another process"):
                go(tmp_path, resume=resume)
        with pytest.raises(DataError, match="another process"):
            run_folder.check_free(tmp_path, "noise", CONFIG, resume=True)
        run_folder.check_free(tmp_path, "noise", CONFIG, resume=True, wait=True)
        assert record(tmp_path)["state"] == "running"
    assert record(tmp_path)["state"] == "complete"


def test_surroundings_that_changed_are_said_aloud_and_noted(tmp_path, capsys):
    with suppress(KeyboardInterrupt), run_folder.opened(tmp_path, "noise", CONFIG, resume=False) as run:
        run.note(device="cpu: one, 2 threads", seed=3)
        raise KeyboardInterrupt
    found = record(tmp_path)
    old = found["versions"] | {"torch": "1.0"}
    (tmp_path / "run.json").write_text(json.dumps(found | {"versions": old}))
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=True) as run:
        run.note(device="cuda: two", seed=4)
    first, second = capsys.readouterr().err.strip().splitlines()
    assert f"torch 1.0 before, {run_record.versions()['torch']} now" in first
    assert "pillow" not in first
    assert "device (cpu: one, 2 threads before, cuda: two now)" in second
    assert [set(change) for change in record(tmp_path)["changed"]] == [{"when", "versions"}, {"when", "device"}]
    assert (record(tmp_path)["device"], record(tmp_path)["versions"]) == ("cuda: two", run_record.versions())


def test_first_error_of_a_full_disk_is_the_one_that_is_told(tmp_path, monkeypatch):
    def full(path, text):
        raise DataError("run.json cannot be written")

    def run():
        with run_folder.opened(tmp_path, "noise", CONFIG, resume=False):
            monkeypatch.setattr(run_folder, "write_atomically", full)
            raise DataError("noise.ckpt cannot be written")

    with pytest.raises(DataError, match=r"noise\.ckpt"):
        run()


def made_by(folder, code, **facts):
    """The record in a folder as if other code had written it; None: code that did not say so."""
    found = record(folder) | {"code": code, "git": "0123456789abcdef+changes", **facts}
    (folder / "run.json").write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


@pytest.mark.parametrize("code", ["0" * 12, None])
def test_complete_run_of_other_code_is_made_again_in_its_place(tmp_path, capsys, code):
    go(tmp_path)
    made_by(tmp_path, code, ended="2026-01-01T00:00:00+00:00", seconds={"noise": 9.0})
    for name in ("noise.ckpt", "noise.ckpt.previous", "noise.started", "victim.ckpt", "noise.safetensors"):
        (tmp_path / name).write_text("")
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=True) as run:
        assert (run.complete, run.resumed, run.record.seconds) == (False, False, {})
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "noise.safetensors", "run.json"]
        assert record(tmp_path)["state"] == "running"
    line = capsys.readouterr().err.strip()
    assert line == (
        f"workbench: {tmp_path} was made by other code (commit 0123456789ab+changes, finished "
        "2026-01-01T00:00:00+00:00): made again; --reuse takes it as it is"
    )
    found = record(tmp_path)
    assert (found["state"], found["code"]) == ("complete", code_fingerprint())
    assert found["changed"][0]["code"] == code
    assert go(tmp_path, resume=True).complete


def test_complete_run_of_other_code_is_taken_where_that_is_asked_for(tmp_path, capsys, monkeypatch):
    go(tmp_path)
    made_by(tmp_path, "0" * 12)
    before = snapshot(tmp_path)
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=True, reuse=True) as run:
        assert run.complete
    assert run.record.changed[0]["code"] == "0" * 12
    assert "was made by other code (commit 0123456789ab+changes, finished" in capsys.readouterr().err
    monkeypatch.setenv("WORKBENCH_REUSE", "1")
    assert go(tmp_path, resume=True).complete
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("code", ["0" * 12, None])
def test_interrupted_run_of_other_code_goes_on_and_says_so(tmp_path, capsys, code):
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, error=KeyboardInterrupt())
    made_by(tmp_path, code, seconds={"noise": 9.0})
    (tmp_path / "noise.ckpt").write_text("")
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=True) as run:
        assert (run.resumed, run.record.seconds) == (True, {"noise": 9.0})
        assert (tmp_path / "noise.ckpt").exists()
    line = capsys.readouterr().err.strip()
    assert line.endswith("was made by other code (commit 0123456789ab+changes): going on with it, the bits may differ")
    assert record(tmp_path)["changed"][0]["code"] == code
    assert record(tmp_path)["code"] == code_fingerprint()


def test_what_is_read_back_is_said(tmp_path, capsys):
    go(tmp_path)
    assert capsys.readouterr().err == ""
    go(tmp_path, resume=True)
    printed = capsys.readouterr()
    assert printed.err == f"workbench: read back from {tmp_path}, finished {record(tmp_path)['ended']}\n"
    assert printed.out == ""


def test_code_fingerprint_is_of_the_files_that_decide_numbers(tmp_path, monkeypatch):
    def found():
        code_fingerprint.cache_clear()
        return code_fingerprint()

    try:
        for name in ("config.py", "noise/em.py", "apps/server.py"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("x = 1\n")
        monkeypatch.setattr(run_record, "PACKAGE", tmp_path)
        first = found()
        (tmp_path / "apps" / "server.py").write_text("x = 2\n")
        (tmp_path / "noise" / "em.py").write_bytes(b"x = 1\r\n")
        assert found() == first
        (tmp_path / "noise" / "em.py").rename(tmp_path / "noise" / "em_joint.py")
        renamed = found()
        (tmp_path / "noise" / "em_joint.py").write_text("x = 3\n")
        assert len({first, renamed, found()}) == 3
    finally:
        code_fingerprint.cache_clear()


def test_sources_of_a_configuration_stand_in_the_record(tmp_path):
    go(tmp_path, CONFIG | {"sources": {"mine.py": "0123456789ab"}})
    assert run_folder.read(tmp_path).sources == {"mine.py": "0123456789ab"}


def test_record_has_declared_fields_only(tmp_path):
    def run():
        with run_folder.opened(tmp_path, "noise", CONFIG, resume=False) as run:
            run.note(accuracy=1)

    with pytest.raises(TypeError, match="no field accuracy"):
        run()
    assert "accuracy" not in record(tmp_path)


def test_record_of_an_older_version_is_read(tmp_path):
    old = {"command": "noise", "state": "complete", "key": key(CONFIG), "config": CONFIG, "seconds": {"noise": 1},
           "seed": None, "git": None, "mood": "good", "rolled_back": {"round": 2}, "image_passes": 0}  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(old))
    found = run_folder.read(tmp_path)
    assert (found.rolled_back, found.image_passes, found.code) == ({"round": 2}, 0, None)
    assert "mood" not in found.as_json()
    assert found.as_json()["image_passes"] == 0


def test_record_is_parsed_once_an_opening(tmp_path, monkeypatch):
    seen = []
    parse = run_record.parse
    monkeypatch.setattr(run_record, "parse", lambda content: seen.append(1) or parse(content))
    go(tmp_path)
    assert seen == []
    go(tmp_path, resume=True)
    assert seen == [1]
    made_by(tmp_path, "0" * 12)
    go(tmp_path, resume=True)
    assert seen == [1, 1]


def test_other_data_is_refused_and_left_alone(tmp_path):
    for code in (code_fingerprint(), "0" * 12):
        go(tmp_path / code)
        made_by(tmp_path / code, code, data_fingerprint="a" * 64)
        before = snapshot(tmp_path / code)
        with (
            pytest.raises(DataError, match=r"another data fingerprint \(aaaaaaaaaaaa there, bbbbbbbbbbbb now\)"),
            run_folder.opened(tmp_path / code, "noise", CONFIG, resume=True, data_fingerprint="b" * 64),
        ):
            pass
        assert snapshot(tmp_path / code) == before


def test_second_process_may_wait_and_then_reads_back(tmp_path):
    code = f"""
from pathlib import Path
from workbench.records import run_folder
with run_folder.opened(Path({str(tmp_path)!r}), "noise", {CONFIG!r}, resume=True, wait=True) as run:
    print(run.complete)
"""
    with run_folder.opened(tmp_path, "noise", CONFIG, resume=False):
        other = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "is at work in" in other.stderr.readline()
    out, error = other.communicate(timeout=60)
    assert (out, "read back from" in error) == ("True\n", True)
