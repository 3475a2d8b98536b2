"""The leaderboard: scores as the judge has them, the figure tells its numbers, sentences never lack theirs."""

import pandas as pd
import pytest

from workbench import figures
from workbench.config import DataError
from workbench.figures.leaderboard import _has_help, _words
from workbench.judging import score
from workbench.judging.learners import known
from workbench.judging.trial import CLEAN, PUBLISHED
from workbench.records import table

CHANCE = 0.1
# learner: clean, em, random; peaks of two seeds
REACHED = {
    "none": ((0.66, 0.64), (0.20, 0.24), (0.65, 0.63)),
    "grayscale": ((0.62, 0.60), (0.60, 0.58), (0.61, 0.61)),
    "blur": ((0.12, 0.14), (0.70, 0.70), (0.11, 0.12)),
    "clean-share-5": ((0.66, 0.64), (0.65, 0.65), (0.66, 0.66)),
}


def rows_of(reached=REACHED, names=("clean", "em", "random")):
    parts = []
    for learner, sides in reached.items():
        for method, peaks in zip(names, sides, strict=True):
            for seed, best in enumerate(peaks):
                kind = "none" if method == "clean" else "samplewise"
                run = f"{learner}-{method}-{seed}"
                who = table.Identity(
                    run,
                    "cifar",
                    method,
                    kind,
                    8 * (method != "clean"),
                    victim="convnet-w16",
                    defence=learner,
                    seed=seed,
                )
                curve = [(1, best), (2, best - 0.05)]
                parts.append(
                    table.table(
                        who, [{"epoch": e, "split": "test", "metric": "accuracy", "value": v} for e, v in curve]
                    )
                )
    return table.merged(parts)


def test_scores_are_those_of_the_judge():
    rows = rows_of()
    for method in ("em", "random"):
        part = rows[rows["method"].isin(["clean", method])]
        sides = {run: CLEAN if "-clean-" in run else PUBLISHED for run in part["run"]}
        judged = score.of([known()[name] for name in REACHED], part, sides, CHANCE)
        ours = figures.scores(rows, CHANCE).set_index("method").loc[method]
        for name in ("worst", "clean_best", "retained", "binding"):
            assert ours[name] == getattr(judged, name), name
        if method == "em":
            assert judged.sentence.startswith(figures.verdicts(rows, CHANCE)[0].partition(": ")[2])


def test_the_smallest_worst_case_stands_first_and_nobody_with_help_or_without_learning_counts():
    ranked = figures.scores(rows_of(), CHANCE)
    assert list(ranked["method"]) == ["em", "random"]
    assert list(ranked["binding"]) == ["grayscale", "none"]
    assert list(ranked["worst"]) == [pytest.approx(0.59), pytest.approx(0.64)]
    assert (ranked["low"][0], ranked["high"][0], ranked["ceiling"][0]) == (0.58, 0.60, pytest.approx(0.61))
    assert list(ranked["learners"]) == [2, 2]
    assert list(ranked["seeds"]) == [2, 2]


def test_without_a_clean_twin_there_is_no_score():
    rows = rows_of()
    assert figures.scores(rows[rows["method"] != "clean"], CHANCE).empty
    assert figures.scores(rows[rows["metric"] == "loss"], CHANCE).empty
    assert figures.verdicts(rows[rows["method"] == "clean"], CHANCE) == []


def test_the_control_gets_no_verdict():
    said = figures.verdicts(rows_of(), CHANCE)
    assert len(said) == 1
    assert said[0] == (
        "em, sample-wise: This data can still be learnt from: turning it grey gives 0.59 of 0.65 "
        "(guessing is 0.10, 2 seeds)."
    )


def test_who_stops_early_is_taken_where_he_stops():
    curve = pd.DataFrame(
        [("test", 1, 0.9), ("test", 2, 0.4), ("test", 3, 0.5), ("held", 1, 0.2), ("held", 2, 0.8), ("held", 3, 0.8)],
        columns=["split", "epoch", "value"],
    ).assign(metric="accuracy")
    assert figures.peak(curve) == 0.4
    assert figures.peak(curve[curve["split"] == "test"]) == 0.9


def test_the_figure_tells_who_binds():
    figure = figures.leaderboard(rows_of(), CHANCE)
    said = figures.words_of(figure)
    assert "em, sample-wise 0.59 by grayscale, of 0.65" in said
    assert "mean of 2 seeds" in said
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "em, sample-wise   0.59", "random, sample-wise   0.64", "clean (ceilings)",
    ]  # fmt: skip
    cells = {text.get_text() for text in axis.texts}
    assert {".59", ".22", ".65"} <= cells
    assert len(axis.patches) == 2
    assert len(axis.lines) >= 1  # who learns nothing is crossed out
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.leaderboard(rows_of().iloc[:0], CHANCE)


def test_learners_are_drawn_with_their_ceilings_and_the_tiers_apart():
    rows = rows_of(names=("clean", "em", "random"))
    part = rows[rows["method"].isin(["clean", "em"])]
    sides = {run: CLEAN if "-clean-" in run else PUBLISHED for run in part["run"]}
    judged = score.of([known()[name] for name in REACHED], part, sides, CHANCE)
    figure = figures.learners(judged.learners, CHANCE)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["blur", "▶ grayscale", "none", "▶ clean-share-5"]
    places = figure.axes[0].get_yticks()
    assert places[3] - places[2] > places[1] - places[0]
    assert "grayscale 0.59 of 0.61, binds" in figures.words_of(figure)
    with pytest.raises(DataError):
        figures.learners(judged.learners.iloc[:0], CHANCE)


def test_words_are_those_of_the_table():
    assert _words()["none-avg"] == known()["none-avg"].words
    assert {name: _has_help(name) for name in known()} == {
        name: one.tier == "with help" for name, one in known().items()
    }


def test_judgements_by_several_networks_are_learners_of_their_own():
    rows = rows_of()
    other = rows_of({"grayscale": ((0.7, 0.7), (0.66, 0.66), (0.7, 0.7))}).assign(victim="resnet9-w16")
    other["run"] = other["run"] + "-other"
    both = figures.scores(table.merged([rows, other]), CHANCE).set_index("method").loc["em"]
    assert (both["binding"], both["worst"]) == ("grayscale, resnet9-w16", pytest.approx(0.66))
    assert "turning it grey, resnet9-w16 gives 0.66" in figures.verdicts(table.merged([rows, other]), CHANCE)[0]
