"""Trials: which samples a side learns and is tested on, what a ceiling is known by, and what comes of many seeds."""

from dataclasses import replace

import pytest
import torch

from workbench.config import ConfigError
from workbench.data.dataset import DataPair
from workbench.judging import judgement, trial
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import named
from workbench.judging.trial import CLEAN, PUBLISHED, Case
from workbench.records import table

CONFIG = JudgeConfig(data="photo-digits", network="convnet-w4", epochs=2, seeds="0,3", device="cpu")


def published(data):
    """As some tool left them: every pixel is another one."""
    return replace(data, samples=data.samples ^ 255)


@pytest.fixture
def case(patterned) -> Case:
    pair = DataPair(patterned(30, seed=1, side=24), patterned(15, seed=2, side=24), "photo-digits")
    made = table.Identity("", "photo-digits", "foreign", "samplewise", protected_fraction=1.0)
    return Case(pair, published(pair.train), made)


@pytest.fixture
def trained(monkeypatch):
    """What trainings were given, by learner, side and seed; nothing is trained. They reach what `reached` says."""

    class Trained(dict):
        reached = staticmethod(lambda name, side, seed: [0.5])

    calls = Trained()

    def train(config, pair, samples, carries, *, label, folder, start=None):
        side = PUBLISHED if bool(carries.all()) else CLEAN
        assert len(carries) == len(samples)
        assert bool(carries.any()) == (side == PUBLISHED)
        calls[label, side, config.seed] = {"config": config, "pair": pair, "samples": samples, "start": start}
        curve = calls.reached(label, side, config.seed)
        return [{"epoch": n + 1, "split": "test", "metric": "accuracy", "value": v} for n, v in enumerate(curve)]

    monkeypatch.setattr(trial.train, "train", train)
    return calls


@pytest.fixture
def here(monkeypatch, tmp_path, learners_here):
    """Judges in this process."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))

    def judged(case, learners="none", **more):
        return judgement.judge(replace(CONFIG, learners=learners, **more), case, tmp_path / "out")

    return judged


def planned(case, tmp_path, learners=("none",), **more) -> list[trial.Trial]:
    panel = [named(one) if isinstance(one, str) else one for one in learners]
    return judgement.trials(replace(CONFIG, **more), case, panel, tmp_path / "out", tmp_path / "store")


def same(mine, theirs) -> bool:
    return torch.equal(mine.samples, theirs.samples) and torch.equal(mine.labels, theirs.labels)


def test_each_side_learns_its_own_samples_and_both_are_tested_on_the_clean_ones(case, trained, tmp_path):
    for one in planned(case, tmp_path):
        trial.learn(one, case)
    assert set(trained) == {("none", side, seed) for side in (CLEAN, PUBLISHED) for seed in (0, 3)}
    for (_, side, seed), given in trained.items():
        assert same(given["samples"], case.train if side == PUBLISHED else case.pair.train)
        assert same(given["pair"].train, case.pair.train)  # the originals, for who has help
        assert same(given["pair"].test, case.pair.test)
        assert given["config"].seed == seed
        assert given["start"] is None


def test_who_works_at_half_the_size_learns_and_is_tested_at_it(case, trained, tmp_path):
    for one in planned(case, tmp_path, ["half-side"]):
        trial.learn(one, case)
    for (_, side, _), given in trained.items():
        learnt = case.train if side == PUBLISHED else case.pair.train
        assert given["samples"].samples.shape[2:] == (12, 12)
        assert same(given["samples"], learnt.scaled(12))
        assert same(given["pair"].train, case.pair.train.scaled(12))
        assert same(given["pair"].test, case.pair.test.scaled(12))


@pytest.mark.parametrize(
    ("learner", "epochs", "expected"),
    [("none", 0, 5), ("twice", 0, 10), ("none", 3, 3), ("twice", 3, 6), ("small-batch", 3, 3)],
)
def test_twice_is_twice_also_of_epochs_that_are_asked_for(case, tmp_path, learner, epochs, expected):
    assert {one.config.epochs for one in planned(case, tmp_path, [learner], epochs=epochs)} == {expected}


def folders(case, tmp_path, side, learners=("none",), **more):
    return {one.folder for one in planned(case, tmp_path, learners, **more) if one.side == side}


def changes(case):
    """Each another judgement than that of `none` with the CONFIG."""
    test, train = case.pair.test, case.pair.train
    yield "test set", {"case": replace(case, pair=replace(case.pair, test=test.subset(torch.arange(9))))}
    yield (
        "labels of the test set",
        {"case": replace(case, pair=replace(case.pair, test=replace(test, labels=test.labels.roll(1))))},
    )
    yield "training set", {"case": replace(case, pair=replace(case.pair, train=published(train)))}
    yield "data set's name", {"case": replace(case, pair=DataPair(train, test, "cifar10"))}
    yield "network", {"network": "convnet-w2"}
    yield "epochs", {"epochs": 1}
    yield "seeds", {"seeds": "1,2"}
    own = {"optimiser": "adamw", "schedule": "constant", "epochs": 2.0, "batch": 0.5, "rate": 2.0, "scale": 0.5}
    for name, value in {**own, "head": "avg", "defence": "blur"}.items():
        yield f"the learner's {name}", {"learners": [replace(named("none"), **{name: value})]}


def test_a_ceiling_is_known_by_everything_that_it_hangs_on_and_by_nothing_that_was_published(case, tmp_path):
    base = folders(case, tmp_path, CLEAN)
    assert len(base) == 2
    for what, change in changes(case):
        given = {"case": case, **change}
        for side in (CLEAN, PUBLISHED):
            assert not folders(tmp_path=tmp_path, side=side, **given) & folders(case, tmp_path, side), (what, side)
    again = replace(case, train=case.pair.train)  # published in another way
    assert folders(again, tmp_path, CLEAN) == base
    assert not folders(again, tmp_path, PUBLISHED) & folders(case, tmp_path, PUBLISHED)
    assert not {one.name for one in base} & {one.name for one in folders(again, tmp_path, PUBLISHED)}  # nor its run


def test_who_knew_other_data_is_known_by_them(case, tmp_path, patterned):
    one, other = (DataPair(patterned(9, seed=seed), patterned(6, seed=9), "folder") for seed in (5, 6))
    learners = ("none", "pretrained-elsewhere")
    for side in (CLEAN, PUBLISHED):
        first, second = (folders(replace(case, elsewhere=pair), tmp_path, side, learners) for pair in (one, other))
        assert len(first & second) == 2  # of `none`, for each seed
        assert len(first - second) == 2
        assert folders(case, tmp_path, side) == first & second


def test_of_many_seeds_the_mean_of_the_peaks_counts_for_guessing_among_these_classes(case, trained, here):
    """Each learner, side and seed reaches what nobody else does."""
    names = ["none", "none-avg", "half-side", "early-stop"]
    ceiling, left = [0.80, 0.90, 0.70, 0.60], [0.40, 0.50, 0.60, 0.45]

    def reached(name, side, seed):
        best = (ceiling if side == CLEAN else left)[names.index(name)] + seed / 100
        return [best - 0.2, best, best - 0.1]

    trained.reached = reached
    found = here(case, ",".join(names))
    assert len(trained) == 16
    assert found.chance == pytest.approx(1 / 3)
    assert (found.worst, found.binding) == (pytest.approx(0.615), "half-side")
    assert found.clean_best == pytest.approx(0.915)
    assert found.retained == pytest.approx((0.615 - 1 / 3) / (0.915 - 1 / 3))
    rows = found.learners.set_index("learner")
    for place, name in enumerate(names):
        assert rows.loc[name, "ceiling"] == pytest.approx(ceiling[place] + 0.015)
        assert rows.loc[name, "protected"] == pytest.approx(left[place] + 0.015)
        assert (rows.loc[name, "low"], rows.loc[name, "high"]) == pytest.approx((left[place], left[place] + 0.03))
        assert rows.loc[name, "final"] == pytest.approx(left[place] - 0.085)
    methods = found.rows.groupby("method")[["kind", "protected_fraction", "run"]].nunique()
    assert methods["run"].to_dict() == {"clean": 8, "foreign": 8}
    clean = found.rows[found.rows["method"] == "clean"]
    assert (set(clean["kind"]), set(clean["protected_fraction"])) == ({"none"}, {0.0})
    assert set(clean["value"]) >= {0.80, 0.90}
    assert set(found.rows["victim"]) == {"convnet-w4", "convnet-w4-avg"}


def test_a_ceiling_below_little_more_than_guessing_has_no_say(case, trained, here):
    """Of three classes 0.39 is nearly a guess; of ten it would be much."""
    trained.reached = lambda name, side, seed: [{"none": 0.9, "blur": 0.39}[name] if side == CLEAN else 0.38]
    found = here(case, "none,blur")
    assert found.learners.set_index("learner")["learnt"].to_dict() == {"none": True, "blur": False}
    assert found.retained == pytest.approx((0.38 - 1 / 3) / (0.9 - 1 / 3))


def test_a_second_judgement_trains_the_published_side_alone(case, trained, here, tmp_path):
    here(case)
    trained.clear()
    here(replace(case, train=replace(case.train, samples=case.train.samples ^ 1)))
    assert {side for _, side, _ in trained} == {PUBLISHED}
    trained.clear()
    here(replace(case, pair=replace(case.pair, test=published(case.pair.test))))
    assert {side for _, side, _ in trained} == {CLEAN, PUBLISHED}


def test_what_makes_no_sense_for_the_data_is_refused_before_anything_is_learnt(case, trained, here):
    with pytest.raises(ConfigError, match="leave-out"):
        here(case, "none,leave-out")
    assert not trained
