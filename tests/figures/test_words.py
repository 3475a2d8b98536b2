"""Tables, sentences and the worst case: the numbers for people."""

import pandas as pd
import pytest
from tidy import CHANCE, ends, run, seeds, three_runs

from workbench import figures, results


@pytest.fixture
def rows():
    return three_runs()


def test_table_is_a_row_a_run_with_its_spread(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    shown = figures.table(results.summary(more)).set_index(["method", "kind"])
    assert shown.loc[("clean", "none"), "final"] == "0.700 (0.600 to 0.800)"
    assert shown.loc[("clean", "none"), "seeds"] == 2
    assert shown.loc[("em", "classwise"), "final"] == "0.100"
    assert shown.loc[("em", "classwise"), "peak"] == "0.400"


def test_sentences_give_effect_control_and_what_still_learns(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.5, 0.85, 0.8), defence="jpeg-10")])
    sentences = figures.honest_sentences(results.summary(more), CHANCE)
    text = "\n".join(sentences)
    assert "random, sample-wise: 0.70 on clean test images after the last epoch, 0.80 at the best one" in text
    assert "em, class-wise: 0.10 on clean test images after the last epoch, 0.40 at the best one" in text
    assert "clean twin ends at 0.60" in text
    assert "guessing is 0.33" in text
    assert sentences[-1].startswith("This data can still be learnt from")
    assert "JPEG compression at quality 10 gets worst case 0.85 = 94 % of the clean twin's 0.90 (1 seed" in sentences[-1]
    assert "em, class-wise noise, ε = 8, 100 % of the images protected" in sentences[-1]


def test_sentences_do_not_claim_learning_that_was_not_seen(rows):
    weak = rows[rows["method"] != "em"]
    weak = pd.concat([weak, run("em", "classwise", test=(0.2, 0.2, 0.1))])
    assert not figures.honest_sentences(results.summary(weak), CHANCE)[-1].startswith("This data can still")


