"""Going on from a trained network: what is taken over, what is refused, and how such a run is told from others."""

import json

import pandas as pd
import pytest
import torch
from pictures import write_splits

from workbench import models, stages
from workbench.config import ConfigError, DataError, VictimConfig
from workbench.records import run_folder, table
from workbench.study import Study
from workbench.victim import warm_start

FIRST = VictimConfig(data="photo-digits:300", limit_test=100, victim="convnet-w4", epochs=3, device="cpu")
LATER = VictimConfig(data="photo-digits:300", limit_test=100, victim="convnet-w4", epochs=1, learning_rate=1e-6,
                     augmentation="none", device="cpu")  # fmt: skip


def values(rows: pd.DataFrame, split: str, metric: str = "accuracy") -> dict[int, float]:
    found = rows[(rows["split"] == split) & (rows["metric"] == metric)]
    return dict(zip(found["epoch"], found["value"], strict=True))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder and the rows of a run that others go on from."""
    folder = tmp_path_factory.mktemp("first") / "run"
    return folder, stages.train_victim(FIRST, None, folder)


def test_training_goes_on_from_the_earlier_network(first, tmp_path):
    """Before any step it must do exactly what the earlier run did at its end, and with tiny steps nearly so after."""
    folder, rows = first
    found = stages.train_victim(LATER, None, tmp_path / "later", start=folder)
    for metric in ("accuracy", "loss"):
        assert values(found, "test", metric)[0] == pytest.approx(values(rows, "test", metric)[3], rel=1e-4)
    assert abs(values(found, "test", "loss")[1] - values(rows, "test", "loss")[3]) < 0.3
    cold = stages.train_victim(LATER, None, tmp_path / "cold")
    assert 0 not in values(cold, "test")
    assert values(found, "train", "loss")[1] < values(cold, "train", "loss")[1] - 0.1


def test_a_run_that_goes_on_is_told_from_others(first, tmp_path):
    folder, rows = first
    found = stages.train_victim(LATER, None, tmp_path / "later", start=folder)
    assert set(found["victim"]) == {"convnet-w4 after clean"}
    assert found["run"].iloc[0] != stages.train_victim(LATER, None, tmp_path / "cold")["run"].iloc[0]
    record = run_folder.read(tmp_path / "later")
    assert record.config["start"] == rows["run"].iloc[0] == run_folder.read(folder).key
    assert "start" not in run_folder.read(tmp_path / "cold").config
    assert stages.train_victim(LATER, None, tmp_path / "later", start=folder, resume=True).equals(found)


def test_the_classifier_is_fresh_for_other_classes(first, tmp_path):
    write_splits(tmp_path / "photos", train=4, test=2, side=32)
    config = VictimConfig(data=f"folder:{tmp_path / 'photos'}", victim="convnet-w4", epochs=1, device="cpu")
    found = stages.train_victim(config, None, tmp_path / "later", start=first[0])
    assert len(values(found, "test")) == 2
    network = models.build("convnet-w4", channels=3, classes=3, side=32, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fresh = warm_start.take_over(network, warm_start.weights(first[0]))
    assert [before[name].shape[0] for name in fresh] == [3, 3]  # the classifier's weight and bias
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in fresh)
    assert not torch.equal(after["1.0.0.weight"], before["1.0.0.weight"])


def refused(tmp_path, start, config=LATER) -> str:
    with pytest.raises((ConfigError, DataError)) as refusal:
        stages.train_victim(config, None, tmp_path / "later", start=start)
    assert not (tmp_path / "later").exists()
    assert len(str(refusal.value).splitlines()) == 1
    return str(refusal.value)


def test_another_architecture_is_refused(first, tmp_path):
    other = VictimConfig(victim="convnet-w8", device="cpu")
    message = refused(tmp_path, first[0], other)
    assert "convnet-w4" in message
    assert "convnet-w8" in message


@pytest.mark.parametrize("state", ["running", "interrupted", "failed", None])
def test_a_run_that_is_not_complete_is_refused(first, tmp_path, state):
    folder = tmp_path / "first"
    folder.mkdir()
    if state:
        record = json.loads((first[0] / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | {"state": state}))
    assert (state or "no run.json") in refused(tmp_path, folder)


def test_a_run_of_another_command_is_refused(first, tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    record = json.loads((first[0] / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"command": "noise"}))
    assert "workbench train" in refused(tmp_path, folder)


@pytest.mark.parametrize("content", [None, b"", b"no network", "cut"])
def test_a_damaged_network_is_refused_in_one_line(first, tmp_path, content):
    for name in ("run.json", table.FILE_NAME):
        (tmp_path / name).write_bytes((first[0] / name).read_bytes())
    if content is not None:
        whole = (first[0] / warm_start.CHECKPOINT).read_bytes()
        (tmp_path / warm_start.CHECKPOINT).write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(DataError, match=r"victim\.ckpt cannot be read") as refusal:
        warm_start.weights(tmp_path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_study_goes_on_from_a_victim_of_its_own(tmp_path):
    study = Study(str(tmp_path), data="photo-digits:300", limit_test=100, seed=0, device="cpu")
    settings = {"victim": "convnet-w4", "epochs": 3}
    made, clean = study.noise("random", "samplewise", 8), study.victim(**settings)
    later = study.victim(made, start=clean, **settings)
    assert values(later, "test")[0] == values(clean, "test")[3]
    assert set(later["victim"]) == {"convnet-w4 after clean"}
    assert not later["run"].isin(study.victim(made, **settings)["run"]).any()


def test_an_interrupted_run_goes_on_with_the_values_from_before_it_once(first, tmp_path):
    config = VictimConfig(data="photo-digits:300", limit_test=100, victim="convnet-w4", epochs=2, device="cpu")
    rows = stages.train_victim(config, None, tmp_path / "later", start=first[0])
    record = json.loads((tmp_path / "later" / "run.json").read_text())
    (tmp_path / "later" / "run.json").write_text(json.dumps(record | {"state": "interrupted"}))
    (tmp_path / "later" / table.FILE_NAME).unlink()
    again = stages.train_victim(config, None, tmp_path / "later", start=first[0], resume=True)
    assert again.equals(rows)
    assert sorted(values(again, "test")) == [0, 1, 2]
