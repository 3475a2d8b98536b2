"""The processes of a judgement: each trial's own answers are told of it, and a worker does what it is asked."""

import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from forked import ForkedWorker

from workbench.config import DataError
from workbench.data.dataset import DataPair
from workbench.figures import peak
from workbench.judging import case_file, judgement, pool, trial
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import named
from workbench.judging.trial import PUBLISHED, Case
from workbench.records import table

# A worker without torch: says a half and a peak that tells seed, side and learner; learner `blur` fails, `coin` ends it
WORKER = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    name, seed = asked["learner"]["name"], asked["config"]["seed"]
    if name == "coin":
        sys.exit(3)
    if name == "blur":
        print(json.dumps({"error": "no room"}), flush=True)
        continue
    print(json.dumps({"share": 0.5, "now": seed / 10}), flush=True)
    time.sleep(0.02 * seed)
    reached = seed / 100 + (asked["side"] == "published") / 10 + (name == "none-avg") / 2
    print(json.dumps({"share": 1.0, "peak": reached}), flush=True)
"""


@pytest.fixture
def case(tiny) -> Case:
    made = table.Identity("", "photo-digits", "foreign", "samplewise", protected_fraction=1.0)
    return Case(tiny, replace(tiny.train, samples=tiny.train.samples ^ 255), made)


@pytest.fixture
def simple(monkeypatch):
    def start(folder):
        command = [sys.executable, "-c", WORKER]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    monkeypatch.setattr(pool, "_start", start)


def planned(case, tmp_path, learners, seeds="0,1,2"):
    config = JudgeConfig(data="photo-digits", network="convnet-w4", epochs=2, seeds=seeds, device="cpu")
    return judgement.trials(config, case, [named(name) for name in learners], tmp_path / "out", tmp_path / "store")


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_worker_says_is_told_of_the_trial_that_it_was_asked_for(case, simple, tmp_path, workers):
    wanted = planned(case, tmp_path, ["none", "none-avg"])
    told: dict[trial.Trial, list] = {one: [] for one in wanted}
    pool.run(wanted, tmp_path, workers, lambda one, share, reached, now: told[one].append((share, reached, now)))
    assert len(told) == 12
    for one, said in told.items():
        reached = one.config.seed / 100 + (one.side == PUBLISHED) / 10 + (one.learner.name == "none-avg") / 2
        assert said == [(0.5, None, one.config.seed / 10), (1.0, pytest.approx(reached), None)]


@pytest.mark.parametrize(("name", "why"), [("blur", "learner blur: no room"), ("coin", "trained coin ended .code 3.")])
def test_a_refusal_names_the_learner(case, simple, tmp_path, name, why):
    with pytest.raises(DataError, match=why) as refusal:
        pool.run(planned(case, tmp_path, ["none", name]), tmp_path, 2, lambda *given: None)
    assert "\n" not in str(refusal.value)


def test_a_worker_trains_what_it_is_asked_and_the_same_as_here(tiny, case, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_start", ForkedWorker)
    case = Case(DataPair(*map(case_file.counted, (tiny.train, tiny.test)), "photo-digits"), case.train, case.made)
    wanted = planned(case, tmp_path, ["none-avg"], seeds="4")
    case_file.write(case, tmp_path / "case")
    reached = {}
    pool.run(wanted, tmp_path / "case", 1, lambda one, share, best, now: reached.update({one: best}))
    for one, other in zip(wanted, planned(case, tmp_path / "here", ["none-avg"], seeds="4"), strict=True):
        assert one.done
        mine, ours = table.read(one.folder), trial.learn(other, case)
        assert peak(mine) == reached[one]
        assert set(mine["seed"]) == {4}
        pd.testing.assert_frame_equal(mine.drop(columns="run"), ours.drop(columns="run"))
