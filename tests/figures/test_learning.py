"""The figure of a judgement by epoch: one panel per learner, every line there, also while it is not finished."""

import pytest
from tidy import CHANCE

from workbench import figures
from workbench.records import table


def rows(given):
    """given: (learner, method) -> accuracies by epoch."""
    tables = []
    for (learner, method), values in given.items():
        kind = "none" if method == "clean" else "classwise"
        identity = table.Identity(
            f"{learner}{method}", "photo-digits", method, kind, victim="convnet-w8", defence=learner
        )
        points = [{"epoch": n + 1, "split": "test", "metric": "accuracy", "value": v} for n, v in enumerate(values)]
        tables.append(table.table(identity, points))
    return table.merged(tables)


def test_every_learner_has_a_panel_with_its_twin():
    names = ["none", "mine", "grayscale", "adamw", "jpeg-10"]
    given = {(name, "clean"): [0.3, 0.9] for name in names} | {(name, "em-joint"): [0.2, 0.1] for name in names}
    figure = figures.learning(rows(given), CHANCE)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == names
    for axis in shown:
        drawn = [list(line.get_ydata()) for line in axis.get_lines()]
        assert [0.3, 0.9] in drawn
        assert [0.2, 0.1] in drawn
    words = figures.words_of(figure)
    assert "mine, em-joint, class-wise: peak 0.20, final 0.10" in words
    assert "mine, clean: peak 0.90, final 0.90" in words


def test_it_can_be_drawn_from_the_first_epoch_of_the_first_learner_on():
    figure = figures.learning(rows({("none", "clean"): [0.3]}), CHANCE)
    assert figures.png(figure)
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.learning(rows({("none", "clean"): [0.3]}).iloc[:0], CHANCE)
