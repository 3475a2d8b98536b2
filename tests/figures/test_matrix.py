"""Heat maps: surrogates by victims, and what is taken for what."""

import numpy as np
import pandas as pd
import pytest
from tidy import CHANCE, clean, ends, noisy, run, texts

from workbench import figures


def test_transfer_is_surrogates_by_victims_under_the_clean_twins():
    rows = [clean(victim="a"), clean(victim="b")]
    rows += [noisy(0.2, surrogate="a", victim="a"), noisy(0.4, surrogate="a", victim="b")]
    rows += [noisy(0.3, surrogate="b", victim="b")]
    figure = figures.transfer(pd.concat(rows), CHANCE)
    axis = figure.axes[0]
    values = np.asarray(axis.images[0].get_array().filled(np.nan))
    assert values == pytest.approx(np.array([[0.85, 0.85], [0.2, 0.4], [np.nan, 0.3]]), nan_ok=True)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["clean, no noise", "a", "b"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b"]
    for part in ("0.40", "0.30 to 0.50", "0.80 to 0.90", "not run"):
        assert part in texts(figure)
    assert axis.images[0].get_cmap().name == "cividis"
    assert "a to b 0.40 (0.30 to 0.50)" in figures.words_of(figure)


def test_transfer_has_one_panel_per_kind_and_budget_and_ink_that_can_be_read():
    rows = [run("em", kind, epsilon=e, test=ends(0.1)) for kind in ("classwise", "samplewise") for e in (4, 8)]
    figure = figures.transfer(pd.concat([run(test=ends(1.0)), run("random", "samplewise"), *rows]), CHANCE)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [f"em, {kind}-wise, ε = {e}" for kind in ("class", "sample") for e in (4, 8)]
    ink = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert ink == {"1.00": "black", "0.10": "white"}


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


def test_confusion_has_one_panel_per_training_set_the_clean_one_first(confused):
    figure = figures.confusion(confused)
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == [
        "clean\nnothing protected\naccuracy 0.75 (0.75 to 0.75)",
        "em, sample-wise\n50 % of the data protected\naccuracy 0.50 (0.50 to 0.50)",
        "em, sample-wise\n100 % of the data protected\naccuracy 0.50 (0.50 to 0.50)",
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
    assert shown.iloc[2].tolist() == ["em, sample-wise, 50 % of the data protected", "ant", 0.5, 0.5]


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
