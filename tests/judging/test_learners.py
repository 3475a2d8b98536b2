"""Learners: the table is sound, panels and tiers are what they say, configurations follow the data set's recipe."""

from dataclasses import replace

import pytest
import torch
from clips import toned

from workbench.catalogue import DEFENCES, NETWORKS, PANELS
from workbench.config import ConfigError
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import HEADS, Learner, known, named, of_panel, suited
from workbench.victim import composed, recipes


@pytest.mark.parametrize("name", known())
def test_every_learner_has_a_defence_a_head_and_words(name):
    one = known()[name]
    composed.check_name(one.defence)
    assert one.head in HEADS
    assert len(one.words) > 4
    assert one.units > 0


def test_every_defence_is_tried_by_a_learner_but_the_one_that_knows_who_carries_noise():
    tried = {part for one in known().values() for part in one.defence.split("+")}
    assert set(DEFENCES) - tried <= {"leave-out", "purifier"}


def test_panels_grow_and_only_the_full_one_has_help(patterned):
    data = patterned(30)
    quick, standard, full = (of_panel(panel, "convnet-w4", data) for panel in PANELS)
    names = [{one.name for one in panel} for panel in (quick, standard, full)]
    assert names[0] < names[1] < names[2]
    assert {one.tier for one in quick} == {one.tier for one in standard} == {"alone"}
    assert {one.tier for one in full} == {"alone", "with help"}
    assert 7 <= len(quick) <= 10


def test_the_quick_panel_has_both_heads_both_optimisers_and_an_adaptive_learner(patterned):
    quick = of_panel("quick", "convnet-w4", patterned(30))
    plain = {(one.head, one.optimiser) for one in quick if one.defence == "none"}
    assert plain == {("max", "sgd"), ("avg", "sgd"), ("max", "adamw"), ("avg", "adamw")}
    assert {"grayscale", "notch", "adversarial-4"} <= {one.defence for one in quick}


def test_a_network_with_one_head_has_each_learner_once(patterned):
    both, one = (of_panel("standard", name, patterned(30, side=32)) for name in ("resnet9-w4", "resnet18"))
    assert len(one) == len({replace(each, name="", words="", head="max") for each in both}) < len(both)
    assert {each.network("resnet18") for each in one} == {"resnet18"}
    assert {each.network("resnet9-w4") for each in both} == {"resnet9-w4", "resnet9-w4-avg"}


def test_a_network_of_ones_own_keeps_its_name_whatever_it_looks_like():
    assert [named(name).network("mine-w4") for name in ("none", "none-avg")] == ["mine-w4", "mine-w4"]


def test_grey_images_are_not_turned_grey(patterned):
    assert not any("grayscale" in one.defence for one in of_panel("standard", "convnet-w4", patterned(30, channels=1)))


def test_clips_are_tried_by_who_hears_alone(patterned):
    data = toned(60)
    panels = {panel: {one.name for one in of_panel(panel, "convnet-w4", data)} for panel in PANELS}
    assert panels["quick"] < panels["standard"] < panels["full"]
    assert {"none", "none-avg", "trim-silence-15"} <= panels["quick"]
    assert not {"half-side", "pretrained-elsewhere", "grayscale", "probe-resnet18"} & panels["full"]
    for name in panels["full"]:
        assert all("audio" in DEFENCES[part].spaces for part in named(name).defence.split("+"))
        architecture = named(name).architecture.partition("-w")[0]
        assert not architecture or "audio" in NETWORKS[architecture].spaces
    seeing = {one.name for one in of_panel("full", "convnet-w4", patterned(60))}
    assert {"half-side", "pretrained-elsewhere"} <= seeing
    assert not {"trim-silence-15", "mp3", "cmn", "m5"} & seeing


def test_a_learner_changes_what_it_says_and_nothing_else(patterned):
    data = replace(patterned(600), source="cifar10")
    recipe = recipes.RECIPES["cifar10"]
    plain = named("none").config("convnet-w4", data, seed=3, device="cpu")
    assert (plain.epochs, plain.batch_size, plain.learning_rate) == (60, 128, 0.1)
    assert (plain.optimiser, plain.schedule, plain.seed, plain.victim) == ("sgd", "cosine", 3, "convnet-w4")
    adamw = named("adamw-avg").config("convnet-w4", data, seed=3, device="cpu")
    assert (adamw.optimiser, adamw.schedule, adamw.learning_rate, adamw.weight_decay) == (
        "adamw",
        "constant",
        1e-3,
        0.01,
    )
    assert adamw.victim == "convnet-w4-avg"
    twice, small = (named(name).config("convnet-w4", data, seed=3, device="cpu") for name in ("twice", "small-batch"))
    assert twice == replace(plain, epochs=2 * recipe.epochs)
    assert small == replace(plain, batch_size=recipe.batch_size // 4, learning_rate=0.05)
    assert named("none").config("convnet-w4", data, seed=3, device="cpu", epochs=2) == replace(plain, epochs=2)
    assert named("half-side").side(data) == max(8, data.side // 2)
    assert named("none").side(data) == 0


@pytest.mark.parametrize(("count", "epochs", "batch"), [(5000, 12, 64), (1000, 53, 62), (360, 53, 22), (30, 100, 8)])
def test_few_images_are_learnt_in_as_many_steps(count, epochs, batch):
    found = suited(recipes.RECIPES["folder"], count)
    assert (found.epochs, found.batch_size) == (epochs, batch)
    assert found.learning_rate == pytest.approx(0.1 * batch / 64)  # or a small network learns nothing of 140 photos
    for name in ("cifar10", "photo-digits", "spoken-digits"):
        assert suited(recipes.RECIPES[name], count) == recipes.RECIPES[name]
    assert suited(recipes.RECIPES["recordings"], count) == replace(found, augmentation="delay-gain")


def test_a_defence_or_a_composition_is_a_learner_by_its_name():
    assert named("blur+cutout") == Learner("blur+cutout", "blurring then Cutout", defence="blur+cutout")
    assert named("leave-out").tier == "with help"
    with pytest.raises(ConfigError, match="did you mean 'grayscale'"):
        named("greyscale")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"panel": "fast"}, "unknown panel"), ({"seeds": "0,x"}, "whole numbers"), ({"seeds": "1,1"}, "each once"),
     ({"seeds": ""}, "whole numbers"), ({"epochs": -1}, "at least 0"), ({"seeds": "4294967296"}, "whole numbers")],
)  # fmt: skip
def test_a_senseless_judgement_is_one_line(wrong, why):
    with pytest.raises(ConfigError, match=why) as refusal:
        JudgeConfig(**wrong)
    assert "\n" not in str(refusal.value)


def sees(defence: str) -> bool:
    return all("image" in DEFENCES[part].spaces for part in defence.split("+"))


def test_help_goes_only_to_who_says_so(patterned):
    data = patterned(600)
    carries = torch.ones(600, dtype=torch.bool)
    seeing = {one.defence for one in known().values() if sees(one.defence)}
    for name in seeing - {"face-descriptors"}:  # which finds no faces on these
        made = composed.prepared(name, data, carries, originals=data)
        parts = made.parts if isinstance(made, composed.Composed) else [made]
        for part, one in zip(name.split("+"), parts, strict=True):
            assert (one.originals is not None) == bool(DEFENCES[part].help), part
