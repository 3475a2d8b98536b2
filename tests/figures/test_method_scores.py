"""Scores of several noises in one table: each against the ceilings of its own data, written a second time."""

import random

import pandas as pd
import pytest

from workbench import figures
from workbench.figures.leaderboard import peak
from workbench.judging.learners import known
from workbench.records import table

CHANCE = 0.1
NAMES = [name for name in known() if name != "early-stop"]


def rows_of(reached) -> pd.DataFrame:
    """reached: (data, method, epsilon, learner) -> a curve for each seed."""
    parts = []
    for (data, method, epsilon, learner), curves in reached.items():
        for seed, curve in enumerate(curves):
            kind = "none" if method == "clean" else "samplewise"
            run = f"{data}-{method}-{epsilon}-{learner}-{seed}"
            who = table.Identity(run, data, method, kind, epsilon, victim="convnet-w16", defence=learner, seed=seed)
            points = [{"epoch": n, "split": "test", "metric": "accuracy", "value": v} for n, v in enumerate(curve, 1)]
            points += [{"epoch": 1, "split": "train", "metric": "accuracy", "value": 1.0}]
            points += [{"epoch": 1, "split": "test", "metric": "loss", "value": 7.0}]
            parts.append(table.table(who, points))
    return table.merged(parts)


def naive(reached, data, method, epsilon):
    """worst, clean_best, binding by hand."""

    def mean(*key):
        return sum(max(curve) for curve in reached[key]) / len(reached[key])

    found = {}
    for (where, how, size, learner), _ in reached.items():
        if (where, how, size) != (data, method, epsilon) or known()[learner].tier != "alone":
            continue
        ceiling = mean(data, "clean", 0, learner)
        if ceiling - CHANCE >= 0.1 * (1 - CHANCE):
            found[learner] = (mean(data, method, epsilon, learner), ceiling)
    binding = max(found, key=lambda name: found[name][0])
    return found[binding][0], max(ceiling for _, ceiling in found.values()), binding, len(found)


def test_scores_are_their_definition():
    draw = random.Random(3)
    for _ in range(3):
        helped = [name for name in NAMES if known()[name].tier == "with help"]
        alone = [name for name in NAMES if known()[name].tier == "alone"]
        names = draw.sample(helped, 2) + draw.sample(alone, 4)
        noises = [("clean", 0), ("em", 4), ("em", 8), ("plaid", 8)]
        reached = {
            (data, method, epsilon, name): [[draw.uniform(0.12, high) for _ in range(3)] for _ in range(2)]
            for data, high in (("cifar10", 0.6), ("svhn", 0.95))
            for method, epsilon in noises
            for name in names
        }
        for data in ("cifar10", "svhn"):  # one of them learns nothing, for certain, and one with help gets most
            reached[data, "clean", 0, names[-1]] = [[0.1, 0.12], [0.13, 0.1]]
            reached[data, "em", 4, names[-1]] = [[0.97, 0.1], [0.97, 0.1]]
            reached[data, "em", 8, names[0]] = [[0.99, 0.1], [0.99, 0.1]]
        found = figures.scores(rows_of(reached), CHANCE)
        assert len(found) == 6
        assert list(found["worst"]) == sorted(found["worst"])
        for _, row in found.iterrows():
            worst, best, binding, count = naive(reached, row["data"], row["method"], row["epsilon"])
            assert (row["worst"], row["clean_best"]) == (pytest.approx(worst), pytest.approx(best))
            assert row["retained"] == pytest.approx((worst - CHANCE) / (best - CHANCE))
            assert (row["binding"], row["learners"], row["seeds"]) == (binding, count, 2)
            peaks = [max(curve) for curve in reached[row["data"], row["method"], row["epsilon"], binding]]
            assert (row["low"], row["high"]) == (min(peaks), max(peaks))


def test_a_peak_is_the_highest_test_accuracy_or_that_of_the_epoch_that_was_chosen():
    def curve(split, values, metric="accuracy"):
        return [{"split": split, "epoch": n, "metric": metric, "value": v} for n, v in enumerate(values, 1)]

    test = curve("test", [0.3, 0.9, 0.5, 0.4])
    others = curve("train", [1.0, 1.0]) + curve("test", [9.0], "loss")
    assert peak(pd.DataFrame(test + others)) == 0.9
    for held, expected in (([0.1, 0.2, 0.8, 0.8], 0.5), ([0.5, 0.5, 0.5, 0.5], 0.3), ([0.0, 0.0, 0.0, 0.1], 0.4)):
        chosen = pd.DataFrame(test + others + curve("held", held) + curve("held", [9.0, 1.0], "loss"))
        assert peak(chosen) == expected
        assert peak(chosen.sample(frac=1, random_state=1)) == expected  # in whatever order
