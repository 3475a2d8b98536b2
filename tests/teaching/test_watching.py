"""A judgement that is watched: its curves grow in one place, and end as the whole table has them."""

from itertools import pairwise

import pytest

from workbench import Study, figures, teaching
from workbench.judging import case_file, pool, trial
from workbench.progress import listening
from workbench.teaching import live, watching


@pytest.mark.parametrize("live", [True, False])
def test_curves_grow_in_one_place(live, tmp_path, monkeypatch):
    def run(trials, folder, workers, told):
        case = case_file.read(folder)
        for one in trials:
            with listening(lambda step, one=one: told(one, step.share, None, step.numbers.get("test_accuracy"))):
                rows = trial.learn(one, case)
            told(one, 1.0, figures.peak(rows), None)

    shown = []
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(pool, "run", run)
    monkeypatch.setattr(watching, "watched", lambda: live)
    monkeypatch.setattr(watching, "PAUSE", 0.0)
    monkeypatch.setattr(figures, "show", lambda figure, **how: shown.append((figure, how)))
    study = Study("run", data="photo-digits:60", limit_test=30, device="cpu")
    noise = study.noise("random", "classwise", 8)
    score = teaching.judge(study, noise, "curves", learners="none", network="convnet-w2", epochs=3)
    assert len(shown) == (7 if live else 1)
    assert [how["update"] for _, how in shown] == ([False] + [True] * 6 if live else [False])
    assert len({how["display_id"] for _, how in shown}) == 1
    drawn = [[len(line.get_xdata()) for line in figure.axes[0].get_lines()][:-1] for figure, _ in shown]  # but guessing
    assert drawn[-1] == [3, 3]
    assert all(sum(later) >= sum(before) for before, later in pairwise(drawn))
    assert figures.words_of(shown[-1][0]) == figures.words_of(figures.learning(score.rows, study.chance))
    assert (study.out / "figures" / "curves.png").is_file()


@pytest.mark.parametrize("watched", [True, False])
def test_noise_and_victims_are_drawn_at_every_step_for_who_watches_and_once_for_nobody(watched, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(live, "watched", lambda: watched)
    monkeypatch.setattr(live.Picture, "show", lambda self, figure: shown.append(figures.words_of(figure)))
    study = Study(tmp_path / "run", data="photo-digits:60", limit_test=30, device="cpu")
    watch = teaching.Watch(study)
    made = watch.noise("em-joint", "classwise", 8, surrogate="convnet-w2", rounds=2)
    count = len(shown)
    assert count == (2 if watched else 1)
    assert "round 2" in shown[-1]
    watch.victims(None, made, victim="convnet-w2", epochs=2)
    assert len(shown) - count == (6 if watched else 1)  # two epochs of each, and each when it is done
    assert "clean" in shown[-1]
    assert "em-joint" in shown[-1]
