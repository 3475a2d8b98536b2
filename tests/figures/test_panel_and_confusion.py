"""What undoes the noise, and what is taken for what."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from tidy import CHANCE, ends, run, texts

from workbench import figures
from workbench.records import table

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
    em, clean = figures.STYLES[("em", "classwise")]["color"], "#000000"
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


def shares(right, wrong, classes=("ant", "bee")):
    """Confusion of two classes: each right share `right`, the rest taken for the other."""
    return [
        {"epoch": epoch, "split": "test", "metric": f"confusion/{a}/{b}", "value": right if a == b else wrong}
        for epoch in (1, 3)
        for a in classes
        for b in classes
    ]


@pytest.fixture
def confused():
    noisy = [
        run("em", "samplewise", seed=seed, fraction=share, test=ends(0.5), more=shares(right, 1 - right))
        for seed, right in ((0, 0.4), (1, 0.6))
        for share in (0.5, 1.0)
    ]
    return pd.concat([*noisy, run(more=shares(0.75, 0.25), test=ends(0.75)), run(seed=1, test=ends(0.75))])


def test_confusion_is_a_panel_a_training_set_the_clean_one_first(confused):
    figure = figures.confusion(confused)
    drawn = [axis for axis in figure.axes if axis.samples]
    assert [axis.get_title() for axis in drawn] == [
        "clean\nnothing protected\naccuracy 0.75 (0.75 to 0.75)",
        "em, sample-wise\n50 % of the images protected\naccuracy 0.50 (0.50 to 0.50)",
        "em, sample-wise\n100 % of the images protected\naccuracy 0.50 (0.50 to 0.50)",
    ]
    assert np.asarray(drawn[0].images[0].get_array()).tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert np.asarray(drawn[1].images[0].get_array()) == pytest.approx(np.full((2, 2), 0.5))
    assert drawn[0].images[0].get_cmap().name == "cividis"
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["ant", "bee"]
    assert drawn[0].get_aspect() == 1
    assert "seeds" in figure.get_suptitle()
    words = figures.words_of(figure)
    assert "clean, nothing protected: accuracy 0.75" in words
    assert "25 % of ant taken for bee" in words


def test_confusion_table_holds_the_drawn_numbers(confused):
    shown = figures.confusion_table(confused)
    assert shown.iloc[0].tolist() == ["clean, nothing protected", "ant", 0.75, 0.25]
    assert shown.iloc[2].tolist() == ["em, sample-wise, 50 % of the images protected", "ant", 0.5, 0.5]


def test_confusion_takes_any_name_any_number_of_classes_and_no_curve():
    names = [f"$x_{n}$ <b>" for n in range(30)]
    points = [p for p in shares(0.5, 0.5 / 29, names) if p["epoch"] == 3]
    rows = run(more=points)
    figures.png(figures.confusion(rows))
    bare = rows[rows["metric"].str.startswith("confusion")]
    assert "accuracy 0.50 (mean of classes)" in figures.words_of(figures.confusion(bare))
    figures.png(figures.confusion(run(more=shares(0.5, 0.25, names[:3]))))


def test_confusion_of_names_with_a_slash_is_refused():
    with pytest.raises(ValueError, match="no slash"):
        figures.confusion(run(more=shares(0.5, 0.5, ("a/b", "c"))))


def test_confusion_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"nothing to draw.*confusion"):
        figures.confusion(run())


def test_worst_case_of_the_panel_is_that_of_the_table(tried):
    shown = figures.table(table.summary(tried)).set_index(["method", "defence"])
    assert shown.loc[("em", "jpeg-10"), "peak"].startswith("0.800 (0.750 to 0.850")
