"""Matching: other people teach, the rest are matched; the nearest photo by cosine similarity names the person."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench import models
from workbench.config import ConfigError, DataConfig, VictimConfig
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.study import Study
from workbench.victim import matching, recipes, train
from workbench.victim.defences import conversions

SMALL = {"data": "synthetic-people:12", "side": 32, "seed": 0, "device": "cpu"}
TRAINING = {"victim": "convnet-w4", "epochs": 40}


@pytest.fixture(scope="module")
def pair():
    return sources.load(DataConfig(data="synthetic-people:7", side=32))


def test_half_of_the_people_teach_and_the_others_are_matched(pair):
    others, known = matching.halves(pair, seed=0)
    assert (len(others.train.classes), len(known)) == (3, 4)
    matched = {pair.train.classes[label] for label in known.tolist()}
    assert not matched & set(others.train.classes)
    assert matched | set(others.train.classes) == set(pair.train.classes)
    assert others.train.labels.bincount().tolist() == [7] * 3
    assert torch.equal(matching.halves(pair, seed=0)[1], known)
    assert any(not torch.equal(matching.halves(pair, seed=seed)[1], known) for seed in range(1, 5))


def test_the_photos_of_some_people_keep_their_person(pair):
    part = matching.of(pair.train, torch.tensor([2, 5]))
    assert part.classes == (pair.train.classes[2], pair.train.classes[5])
    assert torch.equal(part.samples, pair.train.samples[torch.cat([torch.arange(14, 21), torch.arange(35, 42)])])
    assert part.labels.tolist() == [0] * 7 + [1] * 7


def test_too_few_people_are_refused(patterned):
    with pytest.raises(ConfigError, match=r"4 people or more.*there are 3"):
        matching.halves(DataPair(patterned(9), patterned(9), "folder"), seed=0)


@pytest.mark.parametrize("name", ["convnet-w4", "resnet9-w4", "resnet18", "vgg11", "densenet121", "mobilenet_v2"])
def test_features_are_what_goes_into_the_last_layer(name, patterned):
    photos = patterned(3, side=32).samples
    network = models.build(name, channels=3, classes=5, side=32, seed=0).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = matching.features(network, photos)
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    assert found.shape == (3, last.in_features)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-4)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    with torch.no_grad():
        logits = network.eval()(photos.float())
    # logits = length × feature · weight + bias, so they must point the same way
    parts = nn.functional.normalize(found @ last.weight.T, dim=1)
    assert torch.allclose(parts, nn.functional.normalize(logits - last.bias, dim=1), atol=1e-3)


def test_the_most_similar_photo_gives_the_name():
    gallery = torch.eye(3)
    queries = nn.functional.normalize(torch.tensor([[0.1, 0.9, 0.2], [0.8, 0.7, 0.0], [0.0, 0.1, 5.0]]), dim=1)
    assert matching.nearest(gallery, torch.tensor([7, 8, 9]), queries).tolist() == [8, 7, 9]


def test_photos_are_found_among_themselves_and_wrong_names_are_counted(patterned):
    network = models.build("convnet-w4", channels=3, classes=3, side=12, seed=0)
    photos = patterned(12)
    assert matching.accuracy(network, photos, photos) == 1
    wrong: Dataset = replace(photos, labels=(photos.labels + 1) % 3)
    assert matching.accuracy(network, photos, wrong) == 0


def test_a_study_matches_clean_and_protected_photos(tmp_path):
    study = Study(str(tmp_path), **SMALL)
    made = study.noise("random", "samplewise", 8)
    clean, noisy = study.matching(**TRAINING), study.matching(made, **TRAINING)
    assert float(clean["value"].iloc[0]) > 0.4  # 6 people: guessing is 0.17
    for rows, method in ((clean, "clean"), (noisy, "random")):
        assert rows[["method", "victim", "metric", "epoch", "split"]].values.tolist() == [
            [method, "matching:convnet-w4", "accuracy", 0, "test"]
        ]
    assert clean["run"].iloc[0] != noisy["run"].iloc[0]
    assert len(list(tmp_path.glob("matcher-*/run.json"))) == 1  # taught once, by clean photos of the others
    table = study.finish(study.victim(victim="convnet-w2", epochs=1), clean, noisy)
    assert len(table) == 4 + 2


def test_noise_reaches_the_gallery_and_not_the_queries(tmp_path):
    """With noise that hides everything only guessing is left; queries with it would be found by it."""
    study = Study(str(tmp_path), **SMALL)
    made = study.noise("random", "samplewise", 127)
    assert float(study.matching(made, **TRAINING)["value"].iloc[0]) <= 0.5


def test_queries_pass_through_the_defence_as_the_gallery_does(pair, monkeypatch):
    seen = []
    monkeypatch.setattr(conversions.Blur, "inputs", lambda self, x: seen.append(len(x)) or torch.zeros_like(x))
    config = replace(train.resolved(VictimConfig(victim="convnet-w4", defence="blur"), recipes.named("folder")), seed=0)
    value = matching.match(config, pair, None, None)
    _, known = matching.halves(pair, 0)
    photos = [len(matching.of(part, known)) for part in (pair.train, pair.test)]
    assert seen == photos
    assert value == pytest.approx(1 / len(known))  # all look alike: the first of the gallery is everybody's nearest
