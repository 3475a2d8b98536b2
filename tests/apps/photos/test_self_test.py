"""The self-test: who is kept aside, what is compared with what, and sentences that follow from the numbers alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from forked import ForkedWorker
from photographs import encoded, photograph
from PIL import Image

from workbench import models
from workbench.apps.photos import findings, private_folder, self_test, working_set
from workbench.apps.photos.protect import protect
from workbench.config import DataError, ProtectConfig
from workbench.judging import learners, pool
from workbench.progress import listening
from workbench.records import table as results

PRETRAINED = [findings.PRETRAINED] * models.has_weights(findings.PRETRAINED)
RANDOM = ProtectConfig(method="random", epsilon=8)


def write_people(root, shots, grey=False):
    """A folder a person, photos that are variations of one picture; returns the root."""
    for person, count in enumerate(shots):
        (root / f"p{person}").mkdir(parents=True)
        for shot in range(count):
            pixels = photograph(80, 96, seed=person, grey=grey).astype(int)
            shade = np.random.default_rng(10 * person + shot).integers(-25, 26, pixels.shape)
            image = Image.fromarray(np.clip(pixels + shade, 0, 255).astype(np.uint8))
            (root / f"p{person}" / f"{shot}.png").write_bytes(encoded(image))
    return root


@pytest.fixture
def brief(monkeypatch):
    """Trainings of one epoch of a tiny network, and a short search against such a one."""
    monkeypatch.setattr(learners, "suited", lambda recipe, count: replace(recipe, epochs=1))
    monkeypatch.setattr(self_test, "RECOGNISER", "convnet-w2")
    monkeypatch.setattr(working_set, "SURROGATE", "convnet-w2")
    monkeypatch.setattr(working_set, "PASSES", 200)


def test_recognisers_are_trained_on_both_and_everything_is_in_the_table(tmp_path, brief, learners_here):
    people = write_people(tmp_path / "in", (6, 3, 2))
    protect(people, tmp_path / "out", ProtectConfig(method="em-joint", epsilon=8))
    heard = []
    with listening(lambda step: heard.append(step.label)):
        found = self_test.self_test(people, tmp_path / "out", ProtectConfig(method="em-joint"), seeds=1)
    runs = results.summary(found.rows)
    counts = runs.groupby(["method", "defence"]).size()
    assert dict(counts) == {
        (method, defence): 1
        for method in ("clean", "em-joint", "random")
        for defence in ("none", "adamw", "jpeg-75", "grayscale", "resize-half", *PRETRAINED)
        if method != "random" or defence == "none"
    }
    assert set(found.rows["data"]) == {"photos"}
    assert "3 photos of 2 people were kept aside" in found.sentences[1]  # two of six, one of three, none of two
    assert "Guessing names 10% rightly" in found.sentences[1]  # three people in company of seven
    assert "7 drawn people" in found.sentences[2]
    assert {self_test.TRAINING, self_test.TRAINING_RANDOM} < set(heard)
    assert private_folder._held == {}  # what learners read the photos from is gone
    assert "%" in found.in_words()


def test_the_network_that_knows_imagenet_is_trained_once_or_said_to_be_missing(tmp_path, brief, monkeypatch):
    people = write_people(tmp_path / "in", (3, 3), grey=True)
    protect(people, tmp_path / "out", ProtectConfig(method="em-joint", epsilon=8))
    asked, rows = [], table({(method, "none"): [0.9, 0.9] for method in ("clean", "em-joint", "random")})

    def judged(config, case, out, **more):
        asked.append((case.made.method, config.learners, config.seeds))
        return SimpleNamespace(rows=rows)

    monkeypatch.setattr(self_test.judgement, "judge", judged)
    for lacks in ("", "it needs the package efficientnet"):
        monkeypatch.setattr(self_test.models, "lacking", lambda name, lacks=lacks: lacks)
        found = self_test.self_test(people, tmp_path / "out", ProtectConfig(method="em-joint"), seeds=2)
        said = [
            line for line in found.sentences if line == f"No network that learnt ImageNet before was tried: {lacks}"
        ]
        assert len(said) == bool(lacks)
    usual, random = ("em-joint", "none,adamw,jpeg-75,resize-half", "0,1"), ("random", "none", "0,1")
    assert asked == [usual, ("em-joint", findings.PRETRAINED, "0"), random, usual, random]


def test_what_the_network_that_knows_imagenet_got_is_a_sentence_and_counts_in_the_verdict():
    rows = table({
        ("clean", "none"): [0.9, 0.9], ("targeted", "none"): [0.2, 0.2],
        ("clean", findings.PRETRAINED): [0.95], ("targeted", findings.PRETRAINED): [0.85],
    })  # fmt: skip
    found = self_test.sentences(rows, 0.1, 30, 10)
    assert "The best attempt (going on with a network that learnt ImageNet before) named 87%" in found[0]
    assert (
        "A network that learnt ImageNet before and goes on with the copies named 85% (87% at the best moment), going "
        "on with the originals 95% (97% at the best moment); each was trained once." in found
    )
    assert "2 times each" in found[1]


def test_photos_kept_aside_are_clean_and_in_no_training_set(tmp_path):
    people = write_people(tmp_path / "in", (6, 5))
    protect(people, tmp_path / "out", RANDOM)
    sets = self_test._sets(people, tmp_path / "out", RANDOM)
    assert len(sets.held_out) == 2 + 2
    assert len(sets.original) == 7 + 8 * 7  # and eight others, seven photos each
    same = (sets.original.samples[None] == sets.held_out.samples[:, None]).flatten(2).all(2)
    assert not same.any()
    change = sets.variants["random"][:7].short() - sets.original.samples[:7].short()
    assert 2 <= int(change.abs().max()) <= 9  # scaling rounds twice
    assert torch.equal(sets.variants["clean"], sets.original.samples)
    assert torch.equal(sets.variants["random"][7:], sets.original.samples[7:])


def test_grey_photos_stay_grey_and_are_not_turned_grey(tmp_path, brief, monkeypatch):
    """The learners train in processes of their own."""
    monkeypatch.setattr(pool, "_start", ForkedWorker)
    monkeypatch.setattr(self_test.models, "lacking", lambda name: "it is slow" if name == self_test.PRETRAINED else "")
    people = write_people(tmp_path / "in", (3, 3), grey=True)
    protect(people, tmp_path / "out", RANDOM)
    assert self_test._sets(people, tmp_path / "out", RANDOM).original.samples.shape[1] == 1
    found = self_test.self_test(people, tmp_path / "out", RANDOM, seeds=1)
    assert "grayscale" not in set(found.rows["defence"])


def test_too_few_photos_or_no_copies_are_one_line(tmp_path):
    people = write_people(tmp_path / "in", (2, 2))
    with pytest.raises(DataError, match="protect the originals first"):
        self_test.self_test(people, tmp_path / "out", RANDOM)
    protect(people, tmp_path / "out", RANDOM)
    with pytest.raises(DataError, match="3 photos or more"):
        self_test.self_test(people, tmp_path / "out", RANDOM)


def table(finals: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    parts = []
    for (method, defence), values in finals.items():
        for seed, value in enumerate(values):
            identity = {
                "run": f"{method}{defence}{seed}", "data": "photos", "method": method, "kind": "samplewise",
                "epsilon": 8, "surrogate": "none", "victim": "v", "defence": defence, "protected_fraction": 1.0,
                "seed": seed,
            }  # fmt: skip
            curve = [
                {"epoch": 1, "split": "test", "metric": "accuracy", "value": value + 0.02},
                {"epoch": 2, "split": "test", "metric": "accuracy", "value": value},
                {"epoch": 2, "split": "train", "metric": "accuracy", "value": 1.0},
            ]
            parts.append(results.table(results.Identity(**identity), curve))
    return results.merged(parts)


@pytest.mark.parametrize(
    ("original", "copies", "jpeg", "verdict"),
    [
        (0.95, 0.20, 0.30, "much less well than from the originals"),
        (0.95, 0.20, 0.70, "the noise makes it harder, and no more"),
        (0.95, 0.94, 0.93, "does not help"),
        (0.12, 0.10, 0.10, "nothing can be said"),
    ],
)
def test_the_verdict_is_the_worst_case(original, copies, jpeg, verdict):
    rows = table(
        {
            ("clean", "none"): [original, original],
            ("random", "none"): [original, original],
            ("targeted", "none"): [copies - 0.05, copies + 0.05],
            ("targeted", "jpeg-75"): [jpeg, jpeg],
        }
    )
    found = self_test.sentences(rows, 0.1, 30, 10)
    assert verdict in found[0]
    assert [line for line in found[1:] if verdict in line] == []
    assert f"{copies:.0%} ({copies - 0.05:.0%} to {copies + 0.05:.0%}; {copies + 0.02:.0%} at the best" in found[3]
    assert any("JPEG" in line and f"{jpeg:.0%}" in line for line in found)
    for line in found:
        assert not {"safe", "secure", "protected"} & set(line.lower().replace(".", " ").split())


def test_random_noise_alone_is_compared_with_the_originals():
    found = self_test.sentences(table({("clean", "none"): [0.9], ("random", "none"): [0.9]}), 0.1, 3, 1)
    assert "1 person" in found[1]
    assert "once each" in found[1]
    assert "does not help" in found[0]


def test_of_few_photos_numbers_are_said_and_not_shares():
    third = 1 / 3
    rows = table({("clean", "none"): [1.0, 1.0], ("targeted", "none"): [2 * third, 2 * third]})
    rows.loc[rows["epoch"] == 1, "value"] = rows.loc[rows["epoch"] == 2, "value"].to_numpy()[: sum(rows["epoch"] == 1)]
    text = " ".join(self_test.sentences(rows, 0.1, 3, 1))
    assert "67%" not in text
    assert "2 of 3 photos" in text
    assert "3 of 3 photos" in text
    uneven = table({("clean", "none"): [1.0, 2 * third], ("targeted", "none"): [0.0, 2 * third]})
    assert "they named 0 to 2 of 3 photos" in " ".join(self_test.sentences(uneven, 0.1, 3, 1))
    assert "1 photo of 1 person was kept aside" in self_test.sentences(uneven, 0.1, 1, 1)[1]


def test_a_share_that_does_not_vary_has_no_spread():
    assert findings.share(pd.Series([0.67, 0.67]), 30) == "67%"
    assert findings.share(pd.Series([0.5, 0.7]), 30) == "60% (50% to 70%)"
    assert findings.share(pd.Series([0.5, 0.7]), 0) == "60% (50% to 70%)"
    assert findings.share(pd.Series([0.5, 1.0]), 2) == "1 to 2 of 2 photos"


@pytest.mark.parametrize(("twin", "judged"), [(0.95, "harder"), (0.6, "does not help"), (0.12, "nothing can be said")])
def test_what_a_countermeasure_gives_back_is_told_beside_what_it_leaves_of_the_originals(twin, judged):
    rows = table({
        ("clean", "none"): [0.95], ("clean", "jpeg-75"): [twin],
        ("targeted", "none"): [0.2], ("targeted", "jpeg-75"): [0.6],
    })  # fmt: skip
    found = self_test.sentences(rows, 0.1, 30, 10)
    assert judged in found[0]
    (given,) = [line for line in found if line.startswith("After")]
    assert "60%" in given.partition("from the copies")[0]
    assert f"{twin:.0%}" in given.partition("from the copies")[2]
    assert judged == "nothing can be said" or all(part in found[0] for part in ("62%", f"{twin + 0.02:.0%}"))
