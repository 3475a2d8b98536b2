"""One's own learners and networks in a judgement, whose processes know what stands in named files alone."""

import pytest
from registered import as_before as as_before

import workbench as wb
from workbench import registry
from workbench.config import ConfigError

MINE = """
import workbench as wb
from torch import nn

@wb.defence("darker", words="halving all values")
class Darker:
    def inputs(self, x):
        return x // 2

@wb.network("flat")
def flat(channels, side, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))
"""


def test_ones_own_learner_and_network_take_part_from_a_file_alone(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.py").write_text(MINE)
    registry.load([tmp_path / "mine.py"])
    found = wb.judge(tiny, None, learners="darker", network="flat", epochs=1)
    assert set(found.learners["network"]) == {"flat"}
    assert list(found.learners["words"]) == ["halving all values"]

    @wb.defence("here", words="defined in this process alone")
    class Here:
        def inputs(self, x):
            return x

    with pytest.raises(ConfigError, match="put it into a file"):
        wb.judge(tiny, None, learners="here", network="convnet-w4", epochs=1)


def test_a_changed_countermeasure_is_judged_anew_in_the_same_study(tmp_path, monkeypatch, learners_here):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    study = wb.Study("run", data="photo-digits:60", limit_test=30, device="cpu")
    noise = study.noise("random", "classwise", 8)
    file = tmp_path / "mine.py"
    folders = []
    for code in (MINE, MINE.replace("x // 2", "255 - x"), MINE):
        file.write_text(code)
        registry.load([file])
        study.judge(noise, learners="darker", network="convnet-w2", epochs=1)
        folders.append(len(list((tmp_path / "run").glob("judged-*"))))
    assert folders == [1, 2, 2]
