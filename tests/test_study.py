"""Studies: what a notebook asks for is made once, kept by what it is, and never mistaken for something else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pictures import snapshot, write_folder

from workbench import noise
from workbench.config import ConfigError, DataError
from workbench.noise.decibels import radius
from workbench.records import run_folder
from workbench.records import table as results
from workbench.study import Study
from workbench.victim import train as training

DATA = {"photo-digits:60": 8, "spoken-digits:60": -20}  # with a budget
SMALL = {"data": "photo-digits:60", "limit_train": 0, "limit_test": 20, "seed": 0, "device": "cpu"}
VICTIM = {"victim": "convnet-w2", "epochs": 1}
on_both = pytest.mark.parametrize("data", DATA)


@pytest.fixture
def counted(monkeypatch):
    """How many searches and trainings really ran."""
    found = {"search": 0, "train": 0}
    search, train = noise.make, training.train

    def spy_search(*given, **named):
        found["search"] += 1
        return search(*given, **named)

    def spy_train(*given, **named):
        found["train"] += 1
        return train(*given, **named)

    monkeypatch.setattr(noise, "make", spy_search)
    monkeypatch.setattr(training, "train", spy_train)
    return found


@on_both
def test_stages_are_made_once_for_all_that_share_a_store(tmp_path, counted, data):
    small, epsilon = SMALL | {"data": data}, DATA[data]
    one, two = (Study(str(tmp_path / name), store=str(tmp_path / "store"), **small) for name in ("one", "two"))
    made = one.noise("random", "samplewise", epsilon)
    again = two.noise("random", "samplewise", epsilon)
    assert torch.equal(made.noise.delta, again.noise.delta)
    assert counted["search"] == 1
    rows = [study.victim(each, **VICTIM) for study in (one, two) for each in (None, made)]
    assert counted["train"] == 2
    assert rows[0].equals(rows[2])
    assert one.noise("random", "samplewise", epsilon // 2).folder != made.folder
    assert counted["search"] == 2
    two.victim(made, victim="convnet-w2", epochs=2)
    two.victim(made, **VICTIM, defence="blur" if epsilon > 0 else "cmn")
    assert counted["train"] == 4


def test_without_a_store_everything_is_in_the_folder(tmp_path):
    study = Study(str(tmp_path / "out"), **SMALL)
    made = study.noise("random", "classwise", 8)
    assert made.folder.parent == tmp_path / "out"
    assert made.folder.name.startswith("noise-random-classwise-8-")
    assert str(study) == "photo-digits: 60 training and 20 test images, 10 classes"
    assert study.chance == 0.1


@on_both
def test_finish_leaves_the_table_once_and_what_it_rests_on(tmp_path, data):
    study = Study(str(tmp_path), **SMALL | {"data": data})
    made = study.noise("random", "samplewise", DATA[data])
    twin, rows = study.victim(**VICTIM), study.victim(made, **VICTIM)
    table = study.finish(twin, rows, twin, study.quality(made))
    assert len(table) == 2 * 4 + (4 if DATA[data] > 0 else 2)  # pictures have two measures more
    assert set(table["epsilon"]) == {0, DATA[data]}
    assert results.read(tmp_path).equals(table)
    facts = json.loads((tmp_path / "study.json").read_text())
    assert facts["chance"] == 0.1
    assert len(facts["stages"]) == 3
    assert all(
        {"key", "device", "versions", "seconds", "data_fingerprint"} <= set(stage) for stage in facts["stages"].values()
    )


def test_quality_is_that_of_the_images_with_noise(tmp_path):
    study = Study(str(tmp_path), **SMALL)
    made = study.noise("random", "samplewise", 8)
    rows = study.quality(made).set_index("metric")
    value = rows["value"]
    assert value["linf"] == 8
    changed = (made.noise.apply(study.pair.train).float() - study.pair.train.samples).square().mean((1, 2, 3))
    assert value["psnr"] == pytest.approx(float((10 * torch.log10(255**2 / changed)).mean()), abs=1e-3)
    assert 0.3 < value["ssim"] < 1
    assert (rows["run"] == made.record.key).all()
    assert set(rows["method"]) == {"random"}
    flat = study.noise("random", "samplewise", 0)
    assert "psnr" in set(study.quality(flat)["metric"])


def test_quality_of_sound_is_that_of_the_clips_and_there_are_no_pictures(tmp_path):
    study = Study(str(tmp_path), **SMALL | {"data": "spoken-digits:60"})
    made = study.noise("tones", "samplewise", -20)
    found = study.quality(made).set_index("metric")["value"]
    assert set(found.index) == {"linf", "linear_separability"}
    peaks = study.pair.train.samples.int().abs().amax((1, 2))
    assert found["linf"] == max(radius(peak, -20) for peak in peaks.tolist())
    assert str(study) == "spoken-digits: 60 training and 20 test clips, 10 classes"
    with pytest.raises(ConfigError, match="no pictures"):
        study.pictures([0], made)
    loud = study.noise("tones", "samplewise", -20, shape="envelope")
    assert loud.folder != made.folder
    assert [set(study.quality(one)["kind"]) for one in (made, loud)] == [{"samplewise"}, {"samplewise-envelope"}]


def test_pictures_are_the_images_and_their_protected_copies(tmp_path):
    study = Study(str(tmp_path), **SMALL)
    made = study.noise("random", "classwise", 8)
    which = study.examples(classes=2)
    assert study.pair.train.labels[which].tolist() == [0, 0, 1, 1]
    plain, noisy = study.pictures(which), study.pictures(which, made)
    assert list(plain) == list(noisy) == [f"{k} ({i})" for k, i in zip("0011", which, strict=True)]
    for (_, before), (_, after), index in zip(plain.items(), noisy.items(), which, strict=True):
        assert (torch.from_numpy(before).permute(2, 0, 1) == study.pair.train.samples[index]).all()
        assert 0 < abs(after.astype(int) - before).max() <= 8


def test_a_store_made_with_other_images_is_refused(tmp_path):
    """The same SPEC can name other images tomorrow; a folder's content is not in its path."""
    write_folder(tmp_path / "photos")
    here = {**SMALL, "data": f"folder:{tmp_path / 'photos'}", "limit_test": 0}
    Study(str(tmp_path / "out"), **here).noise("random", "samplewise", 8)
    write_folder(tmp_path / "photos", first=100)
    study = Study(str(tmp_path / "out"), **here)
    with pytest.raises(DataError, match="made with another data fingerprint"):
        study.noise("random", "samplewise", 8)


@on_both
def test_an_interrupted_stage_is_gone_on_with(tmp_path, data):
    study = Study(str(tmp_path), **SMALL | {"data": data})
    rows = study.victim(**VICTIM)
    folder = next(tmp_path.glob("victim-*/"))
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"state": "running"}))
    (folder / "results.csv").unlink()
    assert study.victim(**VICTIM).equals(rows)
    assert run_folder.read(folder).state == "complete"


def test_a_victim_of_noise_that_was_made_anew_is_trained_anew(tmp_path, counted, capsys):
    study = Study(str(tmp_path), **SMALL)
    made = study.noise("random", "samplewise", 8)
    rows = study.victim(made, **VICTIM)
    other = replace(made.noise, delta=made.noise.delta.flip(0))
    other.save(made.folder / "noise.safetensors")
    again = study.victim(replace(made, noise=other), **VICTIM)
    assert counted["train"] == 2
    assert not again["value"].equals(rows["value"])
    assert "made from other noise" in capsys.readouterr().err
    study.victim(replace(made, noise=other), **VICTIM)
    assert counted["train"] == 2


def test_groups_are_the_means_over_the_people_who_protect_and_the_others(tmp_path):
    study = Study(str(tmp_path), **SMALL)
    rows = study.victim(study.noise("random", "classwise", 8), **VICTIM, confusion=True, protected_classes="3,5")
    found = study.groups(rows, "3,5").set_index("metric")["value"]
    right = {name: float(rows["value"][rows["metric"] == f"confusion/{name}/{name}"].iloc[0]) for name in study.classes}
    assert found["accuracy/protected"] == pytest.approx((right["3"] + right["5"]) / 2)
    assert found["accuracy/others"] == pytest.approx(sum(right[name] for name in "01246789") / 8)
    overall = rows["value"][(rows["metric"] == "accuracy") & (rows["split"] == "test")].iloc[-1]
    assert (2 * found["accuracy/protected"] + 8 * found["accuracy/others"]) / 10 == pytest.approx(overall)
    assert study.finish(rows, study.groups(rows, "3,5"))["metric"].str.startswith("accuracy/").sum() == 2


@pytest.mark.parametrize("classes", [("Anna", "Ben", "Cleo"), ("Doe, Jane", 'Roe, "Rick"', "Cleo")])
def test_blanks_commas_and_lists_never_change_a_number(tmp_path, classes, counted):
    write_folder(tmp_path / "in", classes=classes)
    study = Study(str(tmp_path / "out"), **{**SMALL, "data": f"folder:{tmp_path / 'in'}", "limit_test": 0})
    made, (one, other, _) = study.noise("random", "classwise", 8), classes
    row = study.named([study.classes.index(one), study.classes.index(other)])
    assert row == "Anna,Ben" or row == '"Doe, Jane","Roe, ""Rick"""'
    rows = study.victim(made, **VICTIM, confusion=True, protected_classes=row)
    assert study.victim(made, **VICTIM, confusion=True, protected_classes=[one, other]).equals(rows)
    assert counted["train"] == 1
    again = study.victim(made, **VICTIM, confusion=True, protected_classes=f" {row} ")
    assert again["value"].tolist() == rows["value"].tolist()
    found = study.groups(rows, row)
    for way in (f" {row} ", row.replace(",Ben", " , Ben"), [one, other], (other, f" {one} ")):
        assert study.groups(rows, way).equals(found)
    study.finish(rows, found)
    assert "accuracy/protected" in set(results.read(tmp_path / "out")["metric"])
    with pytest.raises(ConfigError, match="unknown class 'Bob'"):
        study.groups(rows, "Bob")


OWN = ",".join(results.COLUMNS) + "\n"
FACTS = '{"chance": 0.5, "classes": [], "stages": {}}'
RUN = '{"command": "train", "state": "STATE", "key": "0", "config": {}, "seconds": {}}'


@pytest.mark.parametrize("files", [
    {"results.csv": "somebody's own"}, {"results.csv": OWN}, {"study.json": "[]"},
    {"study.json": FACTS, "results.csv": "a,b"}, {"run.json": RUN.replace("STATE", "complete"), "results.csv": OWN},
    {"run.json": RUN.replace("STATE", "complete"), "results.csv": OWN, "study.json": FACTS},
    {"run.json": RUN.replace("STATE", "interrupted"), "study.json": FACTS}, {"run.json": "?"},
], ids=range(8))  # fmt: skip
def test_a_study_never_writes_over_what_no_study_left(tmp_path, monkeypatch, files):
    monkeypatch.chdir(tmp_path)
    late = Study(".", **SMALL)
    rows = late.quality(late.noise("random", "classwise", 8), 2)
    for name, content in files.items():
        Path(name).write_text(content)
    before = snapshot(tmp_path)
    for work in (lambda: Study(".", **SMALL), lambda: late.finish(rows)):
        with pytest.raises(DataError) as no:
            work()
        assert len(str(no.value).splitlines()) == 1
        assert snapshot(tmp_path) == before


def test_a_study_writes_over_its_own_and_within_a_running_notebook(tmp_path):
    (tmp_path / "run.json").write_text(RUN.replace("train", "run").replace("STATE", "running"))
    for epsilon in (4, 8):
        study = Study(str(tmp_path), **SMALL)
        study.finish(study.quality(study.noise("random", "classwise", epsilon), 2))
        assert set(results.read(tmp_path)["epsilon"]) == {epsilon}
