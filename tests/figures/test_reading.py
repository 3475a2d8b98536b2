"""A table by any of its columns: means of means, the worst case with its name, and the clean twin beside it."""

import pandas as pd
import pytest
from tidy import CHANCE, ends, run, seeds, three_runs

from workbench import figures
from workbench.config import ConfigError


@pytest.fixture
def rows():
    """Noise that stops a learner who uses nothing, and not one who compresses; each beside its clean twin."""
    return pd.concat(
        [
            seeds(lambda seed, value: run(seed=seed, test=ends(value)), 0.8),
            seeds(lambda seed, value: run(seed=seed, test=ends(value), defence="jpeg-10"), 0.7),
            seeds(lambda seed, value: run("em", "classwise", seed, test=ends(value)), 0.4),
            seeds(lambda seed, value: run("em", "classwise", seed, test=ends(value), defence="jpeg-10"), 0.6),
        ]
    )


def test_one_row_per_group_with_mean_spread_and_twin(rows):
    shown = figures.compared(rows, ["method", "kind", "defence"]).set_index(["method", "kind", "defence"])
    row = shown.loc[("em", "class-wise", "none")]
    assert [row["mean"], row["lowest"], row["highest"], row["clean twin"]] == pytest.approx([0.4, 0.3, 0.5, 0.8])
    assert (row["settings"], row["seeds"]) == (1, 3)
    assert shown["worst case"].is_monotonic_decreasing


def test_the_worst_case_is_the_best_learners_and_is_named(rows):
    (row,) = figures.compared(rows, ["data"]).to_dict("records")  # noise alone: clean runs are the twins
    assert row["mean"] == pytest.approx(0.5)
    assert row["worst case"] == pytest.approx(0.6)
    assert row["worst by"] == "jpeg-10"
    assert row["settings"] == 2
    assert row["clean twin"] == pytest.approx(0.75)


def test_a_seed_that_ran_twice_counts_once(rows):
    again = rows[(rows["method"] == "em") & (rows["seed"] == 2)].assign(run="again", value=0.5)
    twice = figures.compared(pd.concat([rows, again]), ["defence"]).set_index("defence")
    assert twice.loc["none", "mean"] == pytest.approx((0.3 + 0.4 + 0.5) / 3)


def test_a_group_is_marked_where_a_clean_twin_did_not_learn():
    rows = pd.concat([three_runs(), run(defence="blur", test=ends(0.35)), run("em", "classwise", defence="blur")])
    noted = figures.compared(rows, ["defence"], chance=CHANCE).set_index("defence")["note"]
    assert noted["blur"] == "a clean twin did not learn: says nothing"
    assert noted["none"] == ""
    assert set(figures.compared(rows, ["defence"])["note"]) == {""}  # without a chance nobody can tell


def test_another_metric_is_that_of_the_last_epoch_on_test_samples(rows):
    points = [{"epoch": epoch, "split": "train", "metric": "psnr", "value": 30.0 + epoch} for epoch in (0, 1)]
    more = pd.concat([rows, run("em", "classwise", more=points)])
    (row,) = figures.compared(more, ["method"], "psnr").to_dict("records")
    assert row["mean"] == 31.0
    loss = figures.compared(rows, ["method", "defence"], "loss").set_index(["method", "defence"])
    assert loss.loc[("em", "none"), "mean"] == pytest.approx(3 - 0.4)


@pytest.mark.parametrize(("by", "metric", "said"), [
    (["defense"], "peak", "did you mean 'defence'"),
    (["run"], "peak", "unknown column 'run'"),
    (["defence"], "peek", "did you mean 'peak'"),
])  # fmt: skip
def test_unknown_columns_and_metrics_are_refused(rows, by, metric, said):
    with pytest.raises(ConfigError, match=said):
        figures.compared(rows, by, metric)
