"""The score against a naive second writing, and its sentence: never without numbers, never "protected"."""

import json
import random

import pandas as pd
import pytest

from workbench.judging import score
from workbench.judging.learners import known
from workbench.judging.trial import CLEAN, PUBLISHED
from workbench.records import table

CHANCE = 0.1


def curve(values, split="test", metric="accuracy"):
    return [{"epoch": n + 1, "split": split, "metric": metric, "value": v} for n, v in enumerate(values)]


def trained(given):
    """given: learner -> (clean curves, published curves), one curve per seed."""
    tables, sides = [], {}
    for name, both in given.items():
        for side, curves in zip((CLEAN, PUBLISHED), both, strict=True):
            for seed, values in enumerate(curves):
                run = f"{name}-{side}-{seed}"
                sides[run] = side
                method = "clean" if side == CLEAN else "em"
                identity = table.Identity(run, "cifar10", method=method, victim="convnet-w16", defence=name, seed=seed)
                rows = values if isinstance(values[0], dict) else curve(values)
                tables.append(table.table(identity, rows + curve([0.99], "train") + curve([9.0], metric="loss")))
    return table.merged(tables), sides


def judged(given):
    rows, sides = trained(given)
    return score.of([known()[name] for name in given], rows, sides, CHANCE)


def test_the_score_is_its_definition():
    draw = random.Random(0)
    for _ in range(20):
        names = draw.sample([name for name in known() if name != "early-stop"], 8)
        given = {n: ([[draw.uniform(0.15, 1) for _ in range(4)] for _ in range(3)] for _ in range(2)) for n in names}
        given = {name: tuple(both) for name, both in given.items()}
        found = judged(given)
        naive = {name: [sum(max(c) for c in curves) / 3 for curves in both] for name, both in given.items()}
        for tier in score.TIERS:
            mine = {n: v for n, v in naive.items() if known()[n].tier == tier and v[0] - CHANCE >= 0.1 * (1 - CHANCE)}
            said = found.as_json() if tier == "alone" else found.with_help
            if not mine:
                assert not said or said["worst"] is None
                continue
            worst, best = max(v[1] for v in mine.values()), max(v[0] for v in mine.values())
            assert said["worst"] == pytest.approx(worst)
            assert said["clean_best"] == pytest.approx(best)
            assert said["retained"] == pytest.approx((worst - CHANCE) / (best - CHANCE))
            assert said["binding"] == max(mine, key=lambda n: mine[n][1])


def test_the_peak_counts_and_the_end_stands_beside_it():
    found = judged({"none": ([[0.3, 0.8, 0.7]], [[0.5, 0.4, 0.2]])})
    row = found.learners.iloc[0]
    assert (row["protected"], row["final"], row["ceiling"], row["ceiling_final"]) == (0.5, 0.2, 0.8, 0.7)
    assert (found.worst, found.clean_best) == (0.5, 0.8)


def test_who_holds_samples_out_stops_where_these_are_best():
    held = curve([0.2, 0.9, 0.9], "held") + curve([0.7, 0.3, 0.6])
    found = judged({"early-stop": ([[0.8]], [held])})
    assert found.worst == 0.3


def test_spread_is_over_seeds_of_one_learner():
    row = judged({"none": ([[0.8], [0.6]], [[0.2], [0.4]])}).learners.iloc[0]
    assert (row["protected"], row["low"], row["high"]) == (pytest.approx(0.3), 0.2, 0.4)
    assert (row["ceiling"], row["ceiling_low"], row["ceiling_high"], row["seeds"]) == (pytest.approx(0.7), 0.6, 0.8, 2)


def test_who_learns_nothing_from_clean_data_has_no_say():
    found = judged({"none": ([[0.8]], [[0.3]]), "blur": ([[0.15]], [[0.7]])})
    assert (found.binding, found.worst, found.clean_best) == ("none", 0.3, 0.8)
    assert found.learners.set_index("learner")["learnt"].to_dict() == {"none": True, "blur": False}


def test_the_tiers_are_never_mixed():
    found = judged({"none": ([[0.8]], [[0.2]]), "clean-share-5": ([[0.9]], [[0.85]])})
    assert (found.binding, found.worst, found.clean_best) == ("none", 0.2, 0.8)
    assert (found.with_help["binding"], found.with_help["clean_best"]) == ("clean-share-5", 0.9)
    assert list(found.learners["tier"]) == ["alone", "with help"]
    assert "With help" in found.sentence


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"none": ([[0.66]], [[0.17]]), "grayscale": ([[0.65]], [[0.64]])},
         "This data can still be learnt from: turning it grey gives 0.64 of 0.66"),
        ({"none": ([[0.66]], [[0.17]])}, "The one learner who tried did not get half"),
        ({"none": ([[0.12]], [[0.11]])}, "Nothing can be said"),
        ({"none": ([[0.66]], [[0.66]])}, "This data can still be learnt from"),
    ],
)  # fmt: skip
def test_the_sentence_says_it_with_numbers(given, said):
    sentence = judged(given).sentence
    assert sentence.startswith(said)
    assert "0." in sentence
    assert "guessing is 0.10" in sentence
    assert "protected" not in sentence.lower()


def test_what_is_saved_is_what_was_scored(tmp_path):
    found = judged({"none": ([[0.66]], [[0.17]]), "grayscale": ([[0.65]], [[0.64]])})
    found.save(tmp_path)
    assert json.loads((tmp_path / "score.json").read_text()) == found.as_json()
    assert set(found.as_json()) == {"worst", "clean_best", "chance", "retained", "binding", "with_help", "sentence"}
    read = pd.read_csv(tmp_path / "judge.csv")
    assert list(read.columns) == list(score.COLUMNS)
    assert list(read["learner"]) == ["grayscale", "none"]
    assert list(read["binding"]) == [True, False]
