"""The tidy table: what is written is read back to the last bit, and foreign tables are refused in one line."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.config import DataError
from workbench.records import table

IDENTITY = table.Identity("0123456789ab", "folder", victim="convnet-w4")


def curve(test=(0.1 + 0.2, 0.9, 0.5), train=(0.2, 0.4, 0.6)):
    return [
        {"epoch": epoch + 1, "split": split, "metric": metric, "value": value if metric == "accuracy" else 3 - value}
        for epoch, pair in enumerate(zip(test, train, strict=True))
        for split, value in zip(("test", "train"), pair, strict=True)
        for metric in ("accuracy", "loss")
    ]


def test_columns_are_the_contract():
    assert ",".join(table.COLUMNS) == (
        "run,data,method,kind,epsilon,surrogate,victim,defence,protected_fraction,seed,epoch,split,metric,value"
    )
    assert list(table.table(IDENTITY, curve()).columns) == list(table.COLUMNS)


def test_one_row_a_point_with_the_identity_beside_it():
    rows = table.table(IDENTITY, curve())
    assert len(rows) == 12
    assert all((rows[name] == value).all() for name, value in vars(IDENTITY).items())


def test_reading_gives_back_every_value_exactly(tmp_path):
    values = [1 / 3, 0.1 + 0.2, 1e-17, 5e-324, *np.random.default_rng(0).random(500)]
    rows = table.table(IDENTITY, curve(values, [math.nextafter(value, 1) for value in values]))
    table.write(rows, tmp_path)
    pd.testing.assert_frame_equal(table.read(tmp_path), rows, check_exact=True, check_dtype=False)
    assert [file.name for file in tmp_path.iterdir()] == ["results.csv"]


def test_diverged_loss_stays_a_number(tmp_path):
    rows = table.table(IDENTITY, curve())
    rows.loc[rows["metric"] == "loss", "value"] = math.nan
    table.write(rows, tmp_path)
    found = table.read(tmp_path)
    assert found["value"].dtype == float
    assert found["kind"].eq("none").all()
    assert table.summary(found)["peak"].tolist() == [0.9]


def test_summary_has_peak_and_final_on_clean_test_images():
    clean = table.table(IDENTITY, curve())
    noisy = table.table(replace(IDENTITY, run="b", method="em", kind="classwise"), curve((0.6, 0.3, 0.2)))
    found = table.summary(pd.concat([noisy, clean[::-1]]))  # the order of rows must not matter
    assert found["method"].tolist() == ["em", "clean"]
    assert found["peak"].tolist() == [0.6, 0.9]
    assert found["final"].tolist() == [0.2, 0.5]
    assert found["train"].tolist() == [0.6, 0.6]
    assert found["epochs"].tolist() == [3, 3]


def test_summary_keeps_seeds_apart():
    both = pd.concat([table.table(replace(IDENTITY, seed=seed), curve()) for seed in (0, 1)])
    assert table.summary(both)["seed"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "content", [None, b"", b"a,b\n1,2\n", b"a\n1,2\n3,4,5,6\n", b"\xff\xfe\x00", b'run,"\n'], ids=str
)
def test_missing_or_foreign_table_is_refused_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "results.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"results\.csv") as refusal:
        table.read(tmp_path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_summary_keeps_the_order_of_the_table_also_for_runs_without_training():
    """Matching has test rows of epoch 0 alone; it must not move the other runs about."""
    matched = [{"epoch": 0, "split": "test", "metric": "accuracy", "value": 0.4}]
    parts = [
        table.table(replace(IDENTITY, run="b"), curve()),
        table.table(replace(IDENTITY, run="c", victim="matching:convnet-w4"), matched),
        table.table(replace(IDENTITY, run="a"), curve()),
    ]
    found = table.summary(pd.concat(parts))
    assert found["run"].tolist() == ["b", "c", "a"]
    assert found["final"].tolist() == [0.5, 0.4, 0.5]
    assert math.isnan(found["train"][1])


def test_an_identity_has_these_columns_and_no_others():
    assert tuple(vars(IDENTITY)) == table.COLUMNS[:10]
    with pytest.raises(TypeError):
        table.Identity("a", "folder", shape="round")
    assert (table.PROTECTED, table.OTHERS) == ("accuracy/protected", "accuracy/others")


def test_a_budget_in_decibels_is_a_number_below_zero(tmp_path):
    rows = table.table(replace(IDENTITY, method="em", kind="classwise", epsilon=-30), curve())
    table.write(rows, tmp_path)
    assert table.read(tmp_path)["epsilon"].unique().tolist() == [-30]
