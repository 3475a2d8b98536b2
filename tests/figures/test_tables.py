"""Tables, sentences and the worst case: the numbers for people."""

import pandas as pd
import pytest
from tidy import CHANCE, ends, run, seeds, three_runs

from workbench import figures
from workbench.commands.table import print_summary
from workbench.records import table


@pytest.fixture
def rows():
    return three_runs()


def test_table_has_one_row_per_setting_with_its_spread(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    shown = figures.table(table.summary(more)).set_index(["method", "kind"])
    assert shown.loc[("clean", "none"), "final"] == "0.700 (0.600 to 0.800)"
    assert shown.loc[("clean", "none"), "seeds"] == 2
    assert shown.loc[("em", "class-wise"), "final"] == "0.100"
    assert shown.loc[("em", "class-wise"), "peak"] == "0.400"


def test_a_row_is_marked_where_its_own_clean_twin_did_not_learn(rows):
    grey = [run(defence="grayscale", test=(0.3, 0.35, 0.3)), run("em", "classwise", defence="grayscale")]
    shown = figures.table(pd.concat([rows, *grey, run("em", "classwise", defence="jpeg-10")]), CHANCE)
    beside = shown.set_index(["method", "kind", "defence"])["clean twin"]
    assert beside["em", "class-wise", "none"] == "0.900"
    assert beside["em", "class-wise", "grayscale"] == "0.350 did not learn: this row says nothing"
    assert beside["clean", "none", "grayscale"] == "0.350 did not learn: this row says nothing"
    assert beside["em", "class-wise", "jpeg-10"] == ""  # there is no such twin
    assert "clean twin" not in figures.table(rows)


def test_sentences_give_effect_control_and_what_still_learns(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.5, 0.85, 0.8), defence="jpeg-10")])
    sentences = figures.honest_sentences(table.summary(more), CHANCE)
    text = "\n".join(sentences)
    assert "random, sample-wise: 0.70 on clean test data after the last epoch, 0.80 at the best one" in text
    assert "em, class-wise: 0.10 on clean test data after the last epoch, 0.40 at the best one" in text
    assert "clean twin ends at 0.60" in text
    assert "guessing is 0.33" in text
    assert sentences[-1].startswith("This data can still be learnt by ")
    assert (
        "JPEG compression at quality 10: worst case 0.85, the clean twin without it 0.90 (there is none with it to"
        in (sentences[-1])
    )
    assert "%" not in sentences[-1].partition(", on folder")[0]  # of what is not alike
    assert "em, class-wise noise, ε = 8, 100 % of the data protected" in sentences[-1]


def test_sentences_do_not_claim_learning_that_was_not_seen(rows):
    weak = rows[rows["method"] != "em"]
    weak = pd.concat([weak, run("em", "classwise", test=(0.2, 0.2, 0.1))])
    assert not figures.honest_sentences(table.summary(weak), CHANCE)[-1].startswith("This data can still")


def noisy(final, peak, **names):
    def make(seed, change):
        return run("em", "classwise", seed=seed, test=ends(final + change, peak + change), **names)

    return seeds(make, 0.0, 0.02)


@pytest.fixture
def tried():
    clean = seeds(lambda seed, value: run(seed=seed, test=ends(value)), 0.9, 0.05)
    others = [noisy(0.7, 0.75, defence="jpeg-10"), noisy(0.5, 0.6, defence="adversarial-4")]
    return pd.concat([clean, noisy(0.1, 0.4), *others])


def test_worst_case_is_the_largest_mean_peak(tried):
    worst = figures.worst_case(tried)
    assert worst == figures.worst_case(table.summary(tried))
    assert {name: worst[name] for name in ("method", "kind", "epsilon", "victim", "defence", "protected_fraction")} == {
        "method": "em",
        "kind": "classwise",
        "epsilon": 8,
        "victim": "convnet-w4",
        "defence": "jpeg-10",
        "protected_fraction": 1.0,
    }
    assert (worst["peak"], worst["low"], worst["high"]) == pytest.approx((0.75, 0.73, 0.77))
    assert (worst["clean"], worst["share"]) == pytest.approx((0.9, 0.75 / 0.9))
    assert (worst["seeds"], worst["clean_seeds"], worst["ways"]) == (3, 3, 3)
    assert worst["way"] == "JPEG compression at quality 10"


def test_worst_case_never_averages_over_settings_and_leaves_controls_out(tried):
    more = pd.concat([tried, noisy(0.1, 0.9, epsilon=2, defence="jpeg-10"), run("random", "samplewise", test=ends(1))])
    assert figures.worst_case(more)["epsilon"] == 2
    assert figures.worst_case(more)["peak"] == pytest.approx(0.9)
    assert figures.worst_case(run()) == {}
    assert figures.worst_case(tried[tried["method"] == "em"])["clean_seeds"] == 0


def test_sentences_name_seeds_spread_and_share(tried):
    grey = seeds(lambda seed, value: run(seed=seed, test=ends(value), defence="jpeg-10"), 0.8, 0.05)
    verdict = figures.honest_sentences(pd.concat([tried, grey]), CHANCE)[-1]
    assert verdict == (
        "This data can still be learnt by JPEG compression at quality 10: worst case 0.75 = 94 % of the clean twin's "
        "0.80 with the same, 0.90 without (3 seeds, 0.73 to 0.77, at the best epoch), on folder with em, class-wise "
        "noise, ε = 8, 100 % of the data protected, victim convnet-w4; guessing is 0.33. Others may get more."
    )
    assert "0.10 (0.08 to 0.12) on clean test data" in figures.honest_sentences(tried, CHANCE)[0]
    early = tried[tried["defence"] == "none"]
    assert "training as usual, stopping at the best epoch" in figures.honest_sentences(early, 0.0)[-1]


@pytest.mark.parametrize(
    ("chance", "starts"), [(0.5, "This data can"), (0.7, "By 3 ways of learning tried here, not half")]
)
def test_the_rule_is_half_of_the_way_from_guessing_to_the_clean_twin(tried, chance, starts):
    assert figures.honest_sentences(tried, chance)[-1].startswith(starts)  # 0.75 against 0.7 and 0.8


def test_there_is_a_verdict_on_every_training_set(tried):
    rows = pd.concat([tried, noisy(0.1, 0.12, epsilon=16), noisy(0.8, 0.85, fraction=0.5)])
    verdicts = [sentence for sentence in figures.honest_sentences(rows, CHANCE) if "Others may" in sentence]
    assert len(verdicts) == 3
    assert "ε = 16, 100 %" in verdicts[1]
    assert verdicts[1].startswith("By the one way of learning tried here, not half")
    assert "ε = 8, 50 % of the data" in verdicts[2]


def test_protected_is_never_said_without_a_number(tried):
    rows = pd.concat([tried, noisy(0.8, 0.85, fraction=0.5), run("random", "samplewise")])
    for sentence in figures.honest_sentences(rows, CHANCE):
        for part in sentence.split("protected")[:-1]:
            assert "%" in part[-20:]


def test_sentences_without_a_twin_or_with_a_poor_one_claim_nothing(tried):
    alone = figures.honest_sentences(tried[tried["method"] == "em"], CHANCE)
    assert "there is no clean twin" in alone[0]
    assert alone[-1].startswith("There is no clean twin to compare with")
    assert figures.honest_sentences(tried, 0.95)[-1].startswith(
        "Nothing can be said: the clean twin itself did not learn (0.90, guessing is 0.95); JPEG compression"
    )


@pytest.mark.parametrize("reached", [0.1, 0.3, CHANCE, 0.36, 0.39])
@pytest.mark.parametrize("others", [[], [run("random", "samplewise")], [run("em", "classwise", test=ends(0.8))]])
def test_nothing_is_said_where_the_clean_twin_did_not_learn(reached, others):
    sentences = figures.honest_sentences(pd.concat([run(test=ends(reached)), *others]), CHANCE)
    assert sentences[-1].startswith("Nothing can be said: the clean twin itself did not learn")
    assert "guessing is 0.33" in sentences[-1]
    learnt = figures.honest_sentences(pd.concat([run(test=ends(0.5)), *others]), CHANCE)
    assert "Nothing" not in " ".join(learnt)


@pytest.mark.parametrize(
    ("twin", "starts"), [(0.97, "By 4 ways"), (0.6, "This data can"), (0.34, "Nothing can be said")]
)
def test_a_defence_is_judged_beside_the_clean_twin_that_has_it_too(tried, twin, starts):
    """0.5 of what it learns from clean images: much where that is 0.6, little where it is 0.97, nothing at guessing."""
    plain = tried[(tried["method"] == "clean") | (tried["defence"] == "none")]
    rows = pd.concat([plain, noisy(0.5, 0.55, defence="grayscale"), run(test=ends(twin), defence="grayscale")])
    worst, verdict = figures.worst_case(rows), figures.honest_sentences(rows, CHANCE)[-1]
    assert (worst["peak"], worst["defence"], worst["clean"], worst["plain"]) == (
        pytest.approx(0.55), "grayscale", twin, pytest.approx(0.9)
    )  # fmt: skip
    assert verdict.startswith(starts.replace("4", "2"))
    assert f"{twin:.2f}" in verdict
    if learnt := figures.learnt(twin, CHANCE):
        assert f"= {55 / twin:.0f} % of the clean twin's {twin:.2f} with the same, 0.90 without" in verdict
    assert learnt == ("Nothing" not in verdict)


def test_every_data_set_has_a_guessing_of_its_own():
    parts = [
        part.assign(data=name) for name in ("few", "many") for part in (run(test=ends(0.2)), run("em", "classwise"))
    ]
    sentences = figures.honest_sentences(pd.concat(parts), {"few": 0.5, "many": 0.01})
    assert [("guessing is 0.50" in one, "guessing is 0.01" in one) for one in sentences] == [
        (True, False),
        (False, True),
    ] * 2
    assert ["Nothing" in one for one in sentences] == [False, False, True, False]


def test_table_counts_a_seed_once():
    rows = pd.concat([run(test=ends(0.6)), run(test=ends(0.6)).assign(run="again"), run(seed=1, test=ends(0.8))])
    assert figures.table(rows)["final"].tolist() == ["0.700 (0.600 to 0.800)"]


def test_table_names_what_differs(tried):
    assert "protected_fraction" not in figures.table(tried)
    rows = pd.concat([tried, noisy(0.8, 0.85, fraction=0.5)])
    assert figures.table(rows)["protected_fraction"].tolist() == [0, 1, 1, 1, 0.5]


def test_unknown_defences_keep_their_names(tried):
    rows = pd.concat([tried, noisy(0.8, 0.89, defence="prayer")])
    assert figures.worst_case(rows)["way"] == "prayer"


def test_what_is_printed_of_a_run_says_what_guessing_is(capsys):
    """As `train` does, whose table has no other run."""
    for rows, part in (
        (run(), "guessing is 0.33"), (run(test=ends(0.3)), "Nothing can be said: the clean twin itself did not learn"),
        (run("em", "classwise"), "There is no clean twin to compare with"),
        (run("em", "classwise", defence="grayscale"), "There is no clean twin to compare with"),
    ):  # fmt: skip
        print_summary(rows, CHANCE)
        printed = " ".join(capsys.readouterr().out.split())
        assert printed.startswith("accuracy on clean test data, guessing is 0.33:")
        assert part in printed
    print_summary(run(), None)
    assert "guessing" not in capsys.readouterr().out
