"""Whole judgements of tiny data: what they leave, that killed ones go on, and that ceilings are shared."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from clips import pair_of_sound
from forked import ForkedWorker

import workbench as wb
from workbench.cli import main
from workbench.config import ConfigError, DataError
from workbench.data.dataset import DataPair
from workbench.judging import case_file, judgement, pool, trial
from workbench.judging.config import JudgeConfig
from workbench.judging.stage import case_of

DATA = {  # with a drawn noise and learners
    "photo-digits:200": ("plaid", "none-avg,grayscale,early-stop"),
    "spoken-digits:60": ("tones", "none-avg,trim-silence-15,early-stop"),
}
on_both = pytest.mark.parametrize("noise", DATA, indirect=True)
SAME = ("judge.csv", "score.json", "results.csv", "figures/learners.png")


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def data_of(noise: Path) -> str:
    return next(data for data in DATA if data.startswith(noise.parent.name))


def learners_of(noise: Path) -> str:
    return DATA[data_of(noise)][1]


def words(noise, out):
    return [
        "judge", "--data", data_of(noise), "--limit-test", "60", "--noise", str(noise),
        "--learners", learners_of(noise),
        "--network", "convnet-w4", "--epochs", "2", "--seeds", "0,1", "--out", str(out),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def noise(tmp_path_factory, request):
    data = getattr(request, "param", "photo-digits:200")
    folder = tmp_path_factory.mktemp("noise") / data.partition(":")[0]
    folder.mkdir()
    return wb.make_noise(wb.load(data, limit_test=60).train, method=DATA[data][0]).save(folder)


def program(arguments, **more):
    return subprocess.Popen([sys.executable, "-m", "workbench", *arguments], stderr=subprocess.PIPE, **more)


def state(out: Path):
    return {name: (out / name).read_bytes() for name in SAME}


def killed(signum: int, noise: Path, out: Path, workers: int, fresh: int) -> None:
    """Judge in another process until so many trainings more are complete, and end it so."""
    learners = [out / "learners", Path(os.environ["WORKBENCH_HOME"]) / "runs" / "ceilings"]

    def complete() -> int:
        return len([path for folder in learners for path in folder.glob("*/results.csv")])

    before = complete()
    asked = [*words(noise, out), "--workers", str(workers), "--resume"]
    process = multiprocessing.get_context("fork").Process(target=main, args=(asked,))  # nothing is imported anew
    process.start()
    deadline = time.monotonic() + 300
    while process.is_alive() and complete() < before + fresh and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.is_alive(), process.exitcode
    os.kill(process.pid, signum)
    process.join()


@on_both
def test_killed_resumed_and_with_two_workers_it_is_what_the_library_gives_with_one(
    noise, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pool, "_start", ForkedWorker)
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # threads that this process has do not count: learners train in processes of one
    try:
        pair, made = wb.load(data_of(noise), limit_test=60), wb.Perturbation.load(noise)
        how = {"learners": learners_of(noise), "network": "convnet-w4", "epochs": 2, "seeds": [0, 1]}
        one = wb.judge(pair, made, out=tmp_path / "one", workers=1, **how)
    finally:
        torch.set_num_threads(before)

    out = tmp_path / "killed"
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "other"))  # with no ceilings yet
    if data_of(noise).startswith("photo"):
        killed(signal.SIGKILL, noise, out, workers=2, fresh=1)
        killed(signal.SIGINT, noise, out, workers=1, fresh=2)
    else:
        killed(signal.SIGTERM, noise, out, workers=1, fresh=3)
    capsys.readouterr()
    assert main([*words(noise, out), "--workers", "2", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "score.json").read_text()) == one.as_json()
    assert state(out) == state(tmp_path / "one")
    assert not (out / "case").exists()

    read = pd.read_csv(out / "judge.csv")
    pd.testing.assert_frame_equal(read, one.learners.reset_index(drop=True), check_dtype=False)
    assert len(one.learners) == 3
    assert set(one.learners["head"]) == {"max", "avg"}
    assert {"clean", made.method} == set(one.rows["method"])


def test_workers_end_with_their_parent(noise, tmp_path):
    parent = program([*words(noise, tmp_path / "out"), "--epochs", "500", "--workers", "2"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (found := workers(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in found) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)


def workers(parent: int) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        pytest.skip("no /proc here")


def test_clean_data_retains_everything(patterned, learners_here):
    pair = DataPair(patterned(600, seed=1), patterned(60, seed=2), "photo-digits")
    found = wb.judge(pair, None, learners="none,adamw", network="convnet-w4", epochs=6)
    assert found.retained == 1
    assert "can still be learnt from" in found.sentence


def test_ceilings_are_trained_once_for_all_judgements(tiny, at_home, learners_here):
    how = {"learners": "none", "network": "convnet-w4", "epochs": 1}
    noises = [wb.make_noise(tiny.train, method="random", seed=seed) for seed in (0, 1)]
    first = wb.judge(tiny, noises[0], **how)
    kept = sorted((at_home / "runs" / "ceilings").glob("*/run.json"))
    stamp = [path.stat().st_mtime_ns for path in kept]
    second = wb.judge(tiny, noises[1], **how)
    assert [path.stat().st_mtime_ns for path in kept] == stamp
    assert len(kept) == 1
    assert first.learners["ceiling"][0] == second.learners["ceiling"][0]
    other = DataPair(tiny.train, tiny.test.subset(torch.arange(12)), "photo-digits")
    wb.judge(other, None, **how)  # tested on other samples
    assert len(list((at_home / "runs" / "ceilings").glob("*/run.json"))) == 2


@pytest.mark.parametrize(("more", "again"), [((), 1), (("--reuse",), 0)])
def test_ceilings_of_other_code_are_made_again_unless_they_are_asked_for(
    more, again, noise, at_home, tmp_path, monkeypatch, learners_here
):
    monkeypatch.setenv("WORKBENCH_REUSE", "")  # and put back afterwards
    given = [
        "judge", "--data", "photo-digits:200", "--limit-test", "60", "--noise", str(noise), "--learners", "none",
        "--network", "convnet-w4", "--epochs", "1",
    ]  # fmt: skip
    assert main([*given, "--out", str(tmp_path / "first")]) == 0
    (record,) = (at_home / "runs" / "ceilings").glob("*/run.json")
    record.write_text(record.read_text().replace(json.loads(record.read_text())["code"], "0" * 12))
    stamp = record.stat().st_mtime_ns
    assert main([*given, "--out", str(tmp_path / "second"), *more]) == 0
    assert (record.stat().st_mtime_ns != stamp) == again


def test_what_any_tool_published_is_judged_as_arrays(tiny, learners_here):
    published = wb.Dataset.of(255 - tiny.train.samples, tiny.train.labels, tiny.train.classes)
    found = wb.judge(tiny, published, learners="none", network="convnet-w4", epochs=1)
    assert set(found.rows["method"]) == {"clean", "foreign"}
    wrong = wb.Dataset.of(tiny.train.samples, tiny.train.labels.roll(1), tiny.train.classes)
    with pytest.raises(DataError, match="same labels"):
        wb.judge(tiny, wrong, learners="none")


def test_who_cannot_take_part_is_left_out_or_refused(tiny):
    with pytest.raises(ConfigError, match="leave-out"):
        wb.judge(tiny, None, learners="leave-out")
    with pytest.raises(ConfigError, match="no learner is left"):
        wb.judge(tiny, None, learners="pretrained-elsewhere")
    with pytest.raises(ConfigError, match="unknown setting 'paneel'"):
        wb.judge(tiny, None, paneel="quick")
    with pytest.raises(ConfigError, match="goes into load"):
        wb.judge(tiny, None, limit_train=3)


def test_who_needs_a_package_that_is_missing_is_left_out_and_it_is_said(monkeypatch, capsys):
    pytest.importorskip("soundfile")
    config = JudgeConfig(data="spoken-digits", panel="standard", network="convnet-w4")
    case = case_of(config, pair_of_sound(), None)
    names = [{one.name for one in judgement.chosen(config, case)}]
    monkeypatch.setitem(sys.modules, "soundfile", None)
    names.append({one.name for one in judgement.chosen(config, case)})
    assert names[0] - names[1] == {"mp3", "opus", "vorbis"}
    told = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(told) == 3
    assert all("soundfile" in line for line in told)
    with pytest.raises(ConfigError, match="soundfile"):
        judgement.chosen(replace(config, learners="mp3"), case)


def test_the_learner_who_knew_other_classes_starts_from_them(tiny, at_home, learners_here):
    config = JudgeConfig(data="photo-digits", learners="pretrained-elsewhere", network="convnet-w4", epochs=1)
    case = case_of(config, tiny, None)
    other = wb.load("photo-digits:100", limit_test=20)
    case = trial.Case(case.pair, case.train, case.made, other)
    found = judgement.judge(config, case, at_home / "out")
    assert len(list((at_home / "runs" / "ceilings").glob("elsewhere-*/run.json"))) == 1
    first = found.rows[(found.rows["epoch"] == 0) & (found.rows["metric"] == "accuracy")]
    assert len(first) == 2  # tested before any training, on both sides
    assert found.with_help == {} or found.with_help["binding"] == "pretrained-elsewhere"


@pytest.mark.parametrize("what", ["images", "sound"])
def test_a_case_comes_back_from_its_file(tiny, tmp_path, what):
    pair = tiny if what == "images" else pair_of_sound()
    case = case_of(JudgeConfig(data=pair.name), pair, wb.make_noise(pair.train, method="random"))
    turned = replace(case.train, samples=case.train.samples.transpose(1, 2).contiguous().transpose(1, 2))  # in memory
    case_file.write(trial.Case(case.pair, turned, case.made, tiny), tmp_path)
    found = case_file.read(tmp_path)
    for mine, theirs in ((found.pair.train, pair.train), (found.pair.test, pair.test), (found.train, case.train)):
        assert torch.equal(mine.samples, theirs.samples)
        assert torch.equal(mine.labels, theirs.labels)
        facts = [(one.classes, one.source, one.space, one.rate, one.fingerprint) for one in (mine, theirs)]
        assert facts[0] == facts[1]
        assert (mine.lengths is None) == (what == "images")
    assert found.made == case.made
    assert found.elsewhere is not None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "Give two folders"),
        (["photos"], "Give two folders"),
        (["photos", "copies", "--data", "photo-digits"], "not both"),
        (["--data", "photo-digits", "--learners", "greyscale"], "did you mean 'grayscale'"),
        (["--data", "photo-digits", "--network", "convnet"], "convnet-w16"),
        (["--data", "photo-digit"], "photo-digits"),
        (["--data", "photo-digits", "--seeds", "a"], "whole numbers"),
        (["--data", "photo-digits", "--noise", "nowhere"], "nowhere"),
    ],
)
def test_a_senseless_command_is_one_line_and_leaves_nothing(given, why, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["judge", *given, "--out", "out"]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert why in found.err
    assert found.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
