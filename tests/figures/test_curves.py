"""Curves and bars: what is drawn is what the table says."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from tidy import CHANCE, lines, run, three_runs

from workbench import figures
from workbench.records import table


@pytest.fixture
def rows():
    return three_runs()


def test_curves_show_clean_test_left_and_training_right(rows):
    left, right = figures.curves(rows, CHANCE).axes
    assert "test" in left.get_title()
    assert "train" in right.get_title()
    assert set(lines(left)) == {"clean", "random, sample-wise", "em, class-wise"}
    assert lines(left)["em, class-wise"].get_ydata().tolist() == [0.4, 0.2, 0.1]
    assert lines(left)["em, class-wise"].get_xdata().tolist() == [1, 2, 3]
    assert lines(right)["em, class-wise"].get_ydata().tolist() == [0.2, 0.5, 0.8]
    assert any(list(line.get_ydata()) == [CHANCE, CHANCE] for line in left.get_lines())


def test_curves_of_several_seeds_are_mean_and_band_and_say_so(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    figure = figures.curves(more, CHANCE)
    assert lines(figure.axes[0])["clean"].get_ydata().tolist() == pytest.approx([0.4, 0.8, 0.7])
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.3, 0.9)
    assert "2 seeds" in figure.get_suptitle()
    assert "seed 0" in figures.curves(rows, CHANCE).get_suptitle()


def test_curves_leave_defended_runs_out(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.9, 0.9, 0.9), defence="jpeg-10")])
    assert lines(figures.curves(more, CHANCE).axes[0])["em, class-wise"].get_ydata().tolist() == [0.4, 0.2, 0.1]


def test_learners_who_use_something_are_drawn_when_asked_for_and_named(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.7, 0.9, 0.8), defence="jpeg-10")])
    figure = figures.curves(more, CHANCE, "jpeg-10")
    assert set(lines(figure.axes[0])) == {"em, class-wise"}
    assert lines(figure.axes[0])["em, class-wise"].get_ydata().tolist() == [0.7, 0.9, 0.8]
    assert figure.get_suptitle().startswith("learner uses jpeg-10")
    assert "ends at 0.80 after a best epoch of 0.90" in figures.words_of(figure)
    with pytest.raises(ValueError, match="no accuracy of a learner who uses blur"):
        figures.curves(more, CHANCE, "blur")


def test_bars_are_final_and_marks_are_peak(rows):
    figure = figures.bars(table.summary(rows), CHANCE)
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [0.6, 0.7, 0.1]
    assert lines(axis)["peak of all epochs"].get_xdata().tolist() == [0.9, 0.8, 0.4]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["clean", "random, sample-wise", "em, class-wise"]
    assert [to_hex(bar.get_facecolor()) for bar in axis.patches] == ["#000000", "#0072b2", "#e69f00"]


def test_bars_mark_runs_whose_clean_twin_did_not_learn(rows):
    grey = [run(defence="grayscale", test=(0.3, 0.35, 0.3)), run("em", "classwise", defence="grayscale")]
    (axis,) = figures.bars(table.summary(pd.concat([rows, *grey])), CHANCE).axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert [name for name in names if "did not learn" in name] == [name for name in names if "grayscale" in name]
    assert "em, class-wise, learner uses grayscale, says nothing" in figures.words_of(axis.figure)


def test_bars_of_several_seeds_have_whiskers_from_lowest_to_highest(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    figure = figures.bars(table.summary(more), CHANCE)
    (axis,) = figure.axes
    assert axis.patches[0].get_width() == pytest.approx(0.7)
    ends = [segment[:, 0].tolist() for group in axis.collections for segment in group.get_segments()]
    assert [0.6, 0.8] in [[pytest.approx(value) for value in pair] for pair in ends]


def test_bars_name_the_defence(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.9, 0.9, 0.5), defence="jpeg-10")])
    (axis,) = figures.bars(table.summary(more), CHANCE).axes
    assert axis.get_yticklabels()[-1].get_text() == "em, class-wise\nlearner uses jpeg-10"
    assert [bar.get_hatch() or "" for bar in axis.patches] == ["", "", "", "//"]


def test_bars_say_over_how_many_seeds(rows):
    assert "seed 0" in figures.bars(rows, CHANCE).get_suptitle()
    three = pd.concat([rows.assign(seed=seed, run=rows["run"] + str(seed)) for seed in range(3)])
    assert "mean of 3 seeds, whiskers: lowest to highest" in figures.bars(three, CHANCE).get_suptitle()
    uneven = pd.concat([rows, run(seed=1)])
    assert "mean of 1 to 2 seeds" in figures.bars(uneven, CHANCE).get_suptitle()


def test_several_budgets_and_victims_are_told_apart_by_name(rows):
    more = pd.concat([rows, run("em", "classwise", epsilon=16, test=(0.1, 0.1, 0.1)), run(victim="resnet9-w8")])
    names = set(lines(figures.curves(more, CHANCE).axes[0]))
    assert names == {
        "clean, victim convnet-w4",
        "clean, victim resnet9-w8",
        "random, sample-wise, ε = 8, victim convnet-w4",
        "em, class-wise, ε = 8, victim convnet-w4",
        "em, class-wise, ε = 16, victim convnet-w4",
    }
    (axis,) = figures.bars(more, CHANCE).axes
    assert {label.get_text() for label in axis.get_yticklabels()} == names
    looks = {(line.get_color(), line.get_marker()) for line in lines(figures.curves(more, CHANCE).axes[0]).values()}
    assert len(looks) == len(names)


def test_a_seed_that_ran_twice_counts_once():
    rows = pd.concat([run(), run().assign(run="again"), run(seed=1, test=(0.3, 0.9, 0.8))])
    (axis,) = figures.bars(rows, CHANCE).axes
    assert axis.patches[0].get_width() == pytest.approx(0.7)


def test_unknown_methods_are_drawn_grey_and_told_apart(rows):
    more = pd.concat([rows, run("mystery", "pixelwise"), run("riddle", "samplewise"), run("puzzle", "classwise")])
    drawn = lines(figures.curves(more, CHANCE).axes[0])
    unknown = [drawn[name] for name in ("mystery, pixelwise", "riddle, sample-wise", "puzzle, class-wise")]
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in unknown}) == 3
    for line in unknown:
        red, green, blue = (int(to_hex(line.get_color())[at : at + 2], 16) for at in (1, 3, 5))
        assert red == green == blue
