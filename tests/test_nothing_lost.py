"""Whatever ends a run, it goes on to the very bits of a run that nothing ended.

Real processes and real faults at chosen moments (see faults.py); a run has four rounds or epochs of four steps.
"""

import json
import signal

import pandas as pd
import pytest
from faults import code, named, start, wait_for
from safetensors.torch import load_file

from workbench.cli import main
from workbench.records import run_folder, table

DATA = ["--data", "photo-digits:200", "--limit-test", "100", "--device", "cpu", "--batch-size", "50"]
NOISE = ["noise", *DATA, "--surrogate", "convnet-w4", "--rounds", "4"]
TRAIN = ["train", *DATA, "--victim", "convnet-w4", "--epochs", "4"]
KILL, INTERRUPT, TERMINATE = (("signal", number) for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM))
HANG_UP = ("signal", signal.SIGHUP)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Nobody ended these: the noise's file, and the victim's table."""
    folder = tmp_path_factory.mktemp("whole")
    for words in (NOISE, TRAIN):
        assert main([*words, "--out", str(folder / words[0])]) == 0
    return {words[0]: product(folder / words[0]) for words in (NOISE, TRAIN)}


def product(folder):
    """What a run leaves: the bytes of its noise, or the values of its curve."""
    run_folder.read(folder)
    noise = folder / "noise.safetensors"
    return noise.read_bytes() if noise.exists() else table.read(folder).to_csv()


def goes_on(words, out, whole):
    """Run again with --resume: the same bits as the whole run's, and nothing left behind."""
    assert main([*words, "--out", str(out), "--resume"]) == 0
    assert product(out) == whole[words[0]]
    assert [path.name for path in out.iterdir() if path.name.endswith((".partial", ".lock"))] == []


def state(out):
    return json.loads((out / "run.json").read_text())["state"]


both = pytest.mark.parametrize("words", [NOISE, TRAIN], ids=["noise", "train"])


@both
@pytest.mark.parametrize("step", [2, 11], ids=["in the first round", "in the third"])
def test_killed_in_the_middle_of_a_round(words, step, whole, tmp_path):
    out = tmp_path / "out"
    assert code([*words, "--out", str(out)], tmp_path / "log", ("step", step, *KILL)) == -signal.SIGKILL
    assert state(out) == "running"
    with pytest.raises(run_folder.DataError, match="not complete"):
        run_folder.read(out)
    goes_on(words, out, whole)


# Of the second checkpoint: written, not yet safe; not yet in place; between the two renames; just in place.
MOMENTS = [("fsync", 1), ("fsync", 2), ("replace", 1), ("replace", 2), ("replaced", 2), ("replaced", 3)]


@pytest.mark.parametrize(
    ("words", "moment", "count"),
    [(NOISE, *moment) for moment in MOMENTS] + [(TRAIN, "fsync", 2), (TRAIN, "replaced", 2)],
    ids=lambda value: str(value[0] if isinstance(value, list) else value),
)
def test_killed_in_the_middle_of_a_checkpoint(words, moment, count, whole, tmp_path):
    out = tmp_path / "out"
    assert code([*words, "--out", str(out)], tmp_path / "log", (moment, count, *KILL)) == -signal.SIGKILL
    goes_on(words, out, whole)


@both
@pytest.mark.parametrize("sent", [INTERRUPT, TERMINATE, HANG_UP], ids=["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_interrupted_once(words, sent, whole, tmp_path):
    out = tmp_path / "out"
    assert code([*words, "--out", str(out)], tmp_path / "log", ("step", 11, *sent)) == 130
    assert state(out) == "interrupted"
    lines = (tmp_path / "log").read_text().strip().splitlines()
    assert lines == [f"workbench {words[0]}: interrupted; the same command with --resume goes on"]
    goes_on(words, out, whole)


@pytest.mark.parametrize("second", [INTERRUPT, TERMINATE], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_twice_ends_at_once_and_spoils_nothing(second, whole, tmp_path):
    """The second one comes while a search writes down what the first one interrupted; a victim has nothing to write."""
    out, words = tmp_path / "out", NOISE
    faults = ("step", 11, *INTERRUPT), ("leaving", 1, *second)
    assert code([*words, "--out", str(out)], tmp_path / "log", *faults) == 130
    assert state(out) == "running"  # it was not given the time to say more
    assert (tmp_path / "log").read_text() == ""
    goes_on(words, out, whole)


@both
def test_full_disk_is_one_line_and_the_checkpoints_before_it_stay(words, whole, tmp_path):
    out = tmp_path / "out"
    faulty = code([*words, "--out", str(out)], tmp_path / "log", ("step", 11, "full", 4000))
    assert faulty == 2
    (line,) = (tmp_path / "log").read_text().strip().splitlines()
    assert f"{out}/{'noise' if words is NOISE else 'victim'}.ckpt cannot be written (File too large): make room" in line
    assert state(out) == "failed"
    assert [path.name for path in out.iterdir() if path.name.endswith(".partial")] == []
    assert sum(".ckpt" in path.name for path in out.iterdir()) == 2
    goes_on(words, out, whole)


def test_disk_that_was_full_from_the_start(whole, tmp_path):
    out = tmp_path / "out"
    assert code([*NOISE, "--out", str(out)], tmp_path / "log", ("step", 1, "full", 600)) == 2
    (line,) = (tmp_path / "log").read_text().strip().splitlines()
    assert "cannot be written" in line
    goes_on(NOISE, out, whole)


def test_two_processes_in_one_folder(whole, tmp_path, capsys):
    out, words = tmp_path / "out", [*NOISE, "--out", str(tmp_path / "out")]
    first = start(words, tmp_path / "log", ("step", 6, "hold", tmp_path / "holding"))
    wait_for((tmp_path / "holding").exists, first)
    for more in ([], ["--resume"]):
        assert main([*words, *more]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert named(line, first.pid), line
        assert "another process" in line
    assert code([*words, "--resume"], tmp_path / "second") == 2
    assert named((tmp_path / "second").read_text(), first.pid)
    assert first.is_alive()
    first.kill()
    first.join()
    assert (out / ".lock").exists()  # nobody was left to take it away, and nobody minds
    goes_on(NOISE, out, whole)


def test_changed_settings_are_refused_one_by_one(whole, tmp_path, capsys):
    out = tmp_path / "out"
    assert code([*NOISE, "--out", str(out)], tmp_path / "log", ("step", 6, *INTERRUPT)) == 130
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*NOISE, "--epsilon", "4", "--seed", "1", "--out", str(out), "--resume"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "epsilon 8 there, 4 asked" in line
    assert "seed 0 there, 1 asked" in line
    assert "rounds" not in line
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    goes_on(NOISE, out, whole)


def test_changed_data_are_refused_with_both_fingerprints(tmp_path, capsys):
    from pictures import picture, write_folder
    from PIL import Image

    root, out = write_folder(tmp_path / "data"), tmp_path / "out"
    words = ["noise", "--data", f"folder:{root}", "--surrogate", "convnet-w4", "--rounds", "4", "--batch-size", "4"]
    words += ["--device", "cpu", "--out", str(out)]
    assert code(words, tmp_path / "log", ("step", 6, *INTERRUPT)) == 130
    old = json.loads((out / "run.json").read_text())["data_fingerprint"]
    kept = next((root / "cat").glob("*.png")).read_bytes()
    Image.fromarray(picture(77)).save(next((root / "cat").glob("*.png")))
    assert main([*words, "--resume"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "another data fingerprint" in line
    assert f"({old[:12]} there, " in line
    next((root / "cat").glob("*.png")).write_bytes(kept)
    assert main([*words, "--resume"]) == 0


def test_another_number_of_threads_is_said_aloud_and_noted(tmp_path, capsys):
    out = tmp_path / "out"
    assert code([*NOISE, "--out", str(out)], tmp_path / "log", ("step", 6, *INTERRUPT)) == 130
    record = json.loads((out / "run.json").read_text())
    elsewhere = record["device"].replace("1 threads", "64 threads")
    (out / "run.json").write_text(json.dumps(record | {"device": elsewhere}))
    capsys.readouterr()
    assert main([*NOISE, "--out", str(out), "--resume"]) == 0
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"another device ({elsewhere} before, {record['device']} now): the bits may differ" in line
    assert run_folder.read(out).changed[0]["device"] == elsewhere


def test_damaged_checkpoint_is_said_aloud_and_costs_a_round(whole, tmp_path, capsys):
    for words in (NOISE, TRAIN):
        out = tmp_path / words[0]
        assert code([*words, "--out", str(out)], tmp_path / "log", ("step", 14, *KILL)) == -signal.SIGKILL
        newest = next(path for path in out.iterdir() if path.suffix == ".ckpt")
        content = bytearray(newest.read_bytes())
        content[len(content) // 3] ^= 1
        newest.write_bytes(content)
        capsys.readouterr()
        goes_on(words, out, whole)
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"{newest} cannot be read" in line
        assert f"going on from the one before it, {newest.name}.previous" in line


def test_no_checkpoint_left_whole_is_one_line(tmp_path, capsys):
    out = tmp_path / "out"
    assert code([*NOISE, "--out", str(out)], tmp_path / "log", ("step", 14, *KILL)) == -signal.SIGKILL
    for path in out.glob("noise.ckpt*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert main([*NOISE, "--out", str(out), "--resume"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.count("cannot be read") == 2
    assert "start again" in line
    assert not (out / "noise.safetensors").exists()


def test_the_oracle_can_tell(whole, tmp_path):
    """Another seed gives other bits: equal ones mean something."""
    assert main([*NOISE, "--seed", "1", "--out", str(tmp_path / "noise")]) == 0
    assert product(tmp_path / "noise") != whole["noise"]
    assert load_file(tmp_path / "noise" / "noise.safetensors")["delta"].any()
    assert len(pd.read_csv(pd.io.common.StringIO(whole["train"]))) == 16
