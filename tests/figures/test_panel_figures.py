"""Rows of marks: every defence with its numbers; every scene with its own runs, and none takes another's."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from tidy import ends, run, texts

from workbench import figures
from workbench.records import table
from workbench.records.table import OTHERS, PROTECTED

CHANCE = 0.1
WAYS = {"none": (0.2, 0.4), "blur": (0.3, 0.35), "jpeg-10": (0.7, 0.8)}


@pytest.fixture
def tried():
    rows = [run("random", "samplewise")]
    for defence, (final, peak) in WAYS.items():
        for seed in range(3):
            change = (seed - 1) * 0.05
            test = ends(final + change, peak + change)
            rows.append(run("em", "classwise", seed=seed, defence=defence, test=test))
            rows.append(run(seed=seed, defence=defence, test=ends(0.9 + change)))
    return pd.concat(rows)


def labels(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def marks(axis, colour, filled):
    """x by row of the marks of a colour."""
    return {
        round(float(line.get_ydata()[0])): float(line.get_xdata()[0])
        for line in axis.get_lines()
        if line.get_marker() not in ("None", "|", "")
        and to_hex(line.get_color()) == colour.lower()
        and (to_hex(line.get_markerfacecolor()) != "#ffffff") == filled
    }


def test_panel_has_the_best_defence_for_the_learner_on_top(tried):
    figure = figures.panel(tried, CHANCE)
    (axis,) = figure.axes
    rows = ["early stopping (best epoch)", "training as usual", "JPEG compression at quality 10", "blurring"]
    assert labels(axis) == rows
    assert axis.yaxis_inverted()
    em, clean = figures.styles()["em", "classwise"]["color"], "#000000"
    assert marks(axis, em, filled=True) == pytest.approx({1: 0.2, 2: 0.7, 3: 0.3})
    assert marks(axis, em, filled=False) == pytest.approx({0: 0.4, 1: 0.4, 2: 0.8, 3: 0.35})
    assert marks(axis, clean, filled=True) == pytest.approx({1: 0.9, 2: 0.9, 3: 0.9})
    assert 0 in marks(axis, clean, filled=False)
    whiskers = [segment[:, 0].tolist() for group in axis.collections for segment in group.get_segments()]
    assert [pytest.approx(0.65), pytest.approx(0.75)] in whiskers
    assert "mean of 3 seeds" in figure.get_suptitle()


def test_panel_marks_the_worst_case(tried):
    figure = figures.panel(tried, CHANCE)
    assert "worst case 0.80" in texts(figure)
    assert "worst case 0.80, by JPEG compression at quality 10" in figures.words_of(figure)
    assert "training as usual: em, class-wise 0.20 (0.15 to 0.25), best epoch 0.40" in figures.words_of(figure)
    assert "random" not in figures.words_of(figure)
    assert any(line.get_xdata() == pytest.approx([0.8, 0.8]) for line in figure.axes[0].get_lines()[-1:])


def test_panel_of_clean_runs_alone_has_no_worst_case(tried):
    figure = figures.panel(tried[tried["method"] == "clean"], CHANCE)
    assert "worst" not in figures.words_of(figure)


def test_worst_case_of_the_panel_is_that_of_the_table(tried):
    shown = figures.table(table.summary(tried)).set_index(["method", "defence"])
    assert shown.loc[("em", "jpeg-10"), "peak"].startswith("0.800 (0.750 to 0.850")


def groups(protected, others):
    return [
        {"epoch": 3, "split": "test", "metric": metric, "value": value}
        for metric, value in ((PROTECTED, protected), (OTHERS, others))
    ]


def all_scenes(seed=0, shift=0.0):
    em, both = ("em-joint", "classwise"), {"seed": seed}
    return pd.concat(
        [
            run(test=ends(0.95 + shift), more=groups(0.94, 0.96), **both),
            run(*em, test=ends(0.31 + shift), **both),
            run(*em, test=ends(0.42 + shift), defence="grayscale", **both),
            run(*em, test=ends(0.73 + shift), defence="jpeg-75", **both),
            run(test=ends(0.91 + shift), defence="jpeg-75", **both),
            run(*em, test=ends(0.83), fraction=0.25, more=groups(0.52 + shift, 0.97), **both),
            run(*em, test=ends(0.64 + shift), fraction=0.75, **both),
            run(*em, test=ends(0.61), fraction=0.75, defence="leave-out", **both),
            run(*em, test=ends(0.89 + shift), victim="convnet-w4 after clean", **both),
            run(test=ends(0.93), victim="convnet-w4 after clean", **both),
            run(*em, test=ends(0.87 + shift), victim="matching:convnet-w4", **both),
            run(test=ends(0.88), victim="matching:convnet-w4", **both),
            run(test=ends(0.77), victim="matching:probe-resnet18", **both),
        ]
    )


def test_every_scene_shows_the_accuracy_of_its_own_runs():
    words = figures.words_of(figures.people(all_scenes(), CHANCE))
    for part in (
        "everybody protects all photos: clean 0.95, em-joint, class-wise 0.31, guessing 0.10",
        "best countermeasure tried: clean 0.91 by jpeg-75, em-joint, class-wise 0.73 by jpeg-75",
        "some people protect: these people: clean 0.94, em-joint, class-wise 0.52",
        "some people protect: everybody else: clean 0.96, em-joint, class-wise 0.97",
        "knew clean photos of them before: clean 0.93, em-joint, class-wise 0.89",
        "learnt from other people: clean 0.88, em-joint, class-wise 0.87, guessing 0.20",
        "pretrained on ImageNet: clean 0.77, guessing 0.20",
    ):
        assert part in words


def test_marks_stand_at_the_numbers_in_the_colours_of_all_figures():
    figure = figures.people(all_scenes(), CHANCE)
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "s" and len(line.get_xdata())]
    assert [round(float(line.get_xdata()[0]), 2) for line in marks] == [0.31, 0.73, 0.52, 0.97, 0.89, 0.87]
    assert {to_hex(line.get_color()).upper() for line in marks} == {figures.styles()["em-joint", "classwise"]["color"]}
    assert "0.73 by jpeg-75" in texts(figure)


def test_seeds_are_averaged_and_their_spread_said():
    rows = pd.concat([all_scenes(seed, shift) for seed, shift in ((0, -0.02), (1, 0.0), (2, 0.02))])
    figure = figures.people(rows, CHANCE)
    assert "0.31 (0.29 to 0.33)" in figures.words_of(figure)
    assert "mean of 3 seeds" in figure.get_suptitle()


def test_a_scene_without_runs_is_left_out_and_nothing_at_all_is_refused():
    rows = all_scenes()
    few = rows[~rows["victim"].str.startswith("matching:") & (rows["metric"] == "accuracy")]
    labels = [label.get_text() for label in figures.people(few, CHANCE).axes[0].get_yticklabels()]
    assert len(labels) == 3
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.people(rows[rows["metric"] == "loss"], CHANCE)


def test_the_other_figures_get_their_own_scenes_only():
    rows = all_scenes()
    assert set(figures.whole(rows)["victim"]) == set(figures.shares(rows)["victim"]) == {"convnet-w4"}
    assert set(figures.whole(rows)["protected_fraction"]) == {0, 1}
    assert set(figures.shares(rows)["protected_fraction"]) == {0, 0.75, 1}
    assert "leave-out" in set(figures.shares(rows)["defence"])
    for name in ("people_panel", "people_fractions"):
        words = figures.words_of(figures.FIGURES[name](rows, CHANCE))
        assert "0.31" in words
        assert "0.87" not in words
