"""The library on arrays, with a method, a network and a defence of one's own; the same by the command line."""

import json
import os

import pandas as pd
import pytest
import torch
import yaml
from clips import pair_of_sound
from forked import call
from torch.utils.data import DataLoader

import workbench as wb
from workbench import registry
from workbench.cli import main
from workbench.config import ConfigError, DataError
from workbench.records import table

SCRIPT = """
import numpy as np, torch, workbench as wb
from torch import nn
draw = np.random.default_rng(0)
labels = np.arange(120) % 3
images = (draw.random((120, 16, 16, 3)) * 0.5 + labels[:, None, None, None] * 0.2).astype("float32")
pair = wb.DataPair(train=wb.Dataset.of(images[:90], labels[:90]), test=wb.Dataset.of(images[90:], labels[90:]))
def tiny(channels, side, classes):
    return nn.Sequential(nn.Conv2d(channels, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(classes))
@wb.method("stripes", words="stripes, one width per class")
def stripes(task, options):
    waves = torch.stack([torch.sin((k + 1) * torch.arange(task.data.side)) for k in range(len(task.data.classes))])
    return task.epsilon * waves.sign()[task.labels, None, None, :].expand(task.shape).contiguous()
noise = wb.make_noise(pair.train, method="stripes", kind="samplewise", epsilon=8, surrogate=tiny)
rows = [wb.train(pair, noise=one, victim=tiny, epochs=2, device="cpu") for one in (None, noise)]
batch, targets = next(iter(torch.utils.data.DataLoader(wb.Protected(pair.train, noise), batch_size=16)))
"""
MINE = """
import torch
from dataclasses import dataclass
import workbench as wb

@dataclass(frozen=True)
class Options:
    width: int = wb.option("width of a stripe, pixels", least=1)

    @classmethod
    def defaults(cls, asked, data):
        return {"width": 2}

@wb.method("mine", words="stripes, shifted by class", options=Options)
def mine(task, options):
    place = torch.arange(task.data.side, device=task.device)
    classes = torch.arange(len(task.data.classes), device=task.device)
    waves = ((place + classes[:, None]) // options.width % 2) * 2.0 - 1
    rows = classes if task.classwise else task.labels
    return SIZE * waves[rows, None, None, :].expand(task.shape).contiguous()

@wb.defence("halve", words="halving the contrast")
class Halve:
    def inputs(self, x):
        return x // DIVISOR

@wb.network("flat")
def flat(channels, side, classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(classes))
"""


@pytest.fixture(params=["images", "sound"])
def either(tiny, request):
    """Images, or clips."""
    return tiny if request.param == "images" else pair_of_sound()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a file of one's own code and forgets afterwards what it registered."""
    before = {kind: dict(entries) for kind, entries in registry.TABLES.items()}
    monkeypatch.setattr(registry, "_own", dict(registry._own))
    monkeypatch.setattr(registry, "_loaded", {})
    monkeypatch.setenv(registry.VARIABLE, "")

    def write(size="task.epsilon", divisor="2"):
        path = tmp_path / "mine.py"
        path.write_text(MINE.replace("SIZE", size).replace("DIVISOR", divisor))
        return str(path)

    yield write
    for kind, entries in registry.TABLES.items():
        entries.clear()
        entries.update(before[kind])


def test_a_script_of_fifteen_lines_makes_noise_twins_and_a_loader(tmp_path):
    assert len([line for line in SCRIPT.splitlines() if line]) <= 15 + 2  # the arrays take three lines of it
    checks = (
        "assert batch.shape == (16, 3, 16, 16) and batch.max() <= 1 and targets.shape == (16,)\nprint(rows[1].to_csv())"
    )
    (tmp_path / "empty").mkdir()

    def script() -> None:
        os.chdir(tmp_path / "empty")
        exec(SCRIPT + checks, {"__name__": "__main__"})

    done = call(script, tmp_path / "said")
    done.join()
    said = (tmp_path / "said").read_text()
    assert done.exitcode == 0, said
    assert "stripes,samplewise,8,tiny,tiny,none,1.0,0" in said
    assert [path.name for path in (tmp_path / "empty").iterdir()] == []


def test_rows_of_the_library_are_a_tidy_table_with_every_option_as_a_keyword(either):
    epsilon, defence = (4, "grayscale") if either.space.name == "image" else (-24, "cmn")
    noise = wb.make_noise(either.train, method="random", epsilon=epsilon, device="cpu", seed=3)
    rows = wb.train(either, noise, "convnet-w2", defence, 1, protected_fraction=0.5, batch_size=8, device="cpu")
    assert tuple(rows.columns) == table.COLUMNS
    first = rows.iloc[0]
    assert (first["method"], first["epsilon"], first["defence"], first["protected_fraction"]) == (
        "random",
        epsilon,
        defence,
        0.5,
    )
    assert wb.train(either, victim="convnet-w2", epochs=1, device="cpu")["method"].eq("clean").all()


def test_noise_goes_to_a_file_and_back(either, tmp_path):
    noise = wb.make_noise(either.train, method="random", device="cpu")
    assert noise.epsilon == {"image": 8, "audio": -30}[either.space.name]
    noise.save(tmp_path / "noise.safetensors")
    again = wb.Perturbation.load(tmp_path / "noise.safetensors")
    assert torch.equal(again.delta, noise.delta)
    assert again.digest == noise.digest


def test_protected_clips_are_values_in_minus_one_to_one():
    data = pair_of_sound().train
    noise = wb.make_noise(data, method="tones", device="cpu")
    clip, label = wb.Protected(data, noise)[5]
    assert torch.equal((clip * 2**15).short(), noise.apply(data)[5])
    assert (clip.dtype, label) == (torch.float32, int(data.labels[5]))


def test_protected_gives_what_a_png_holds(tiny):
    noise = wb.make_noise(tiny.train, method="random", device="cpu")
    plain, label = wb.Protected(tiny.train, noise)[5]
    assert torch.equal((plain * 255).round().to(torch.uint8), noise.apply(tiny.train)[5])
    assert label == int(tiny.train.labels[5])
    picture, _ = wb.Protected(tiny.train, noise, transform=lambda image: image.size)[5]
    assert picture == (12, 12)
    batch, _ = next(iter(DataLoader(wb.Protected(tiny.train, None), batch_size=4)))
    assert torch.equal((batch * 255).round().to(torch.uint8), tiny.train.samples[:4])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda pair: wb.make_noise(pair, method="random"), "not for DataPair"),
        (lambda pair: wb.make_noise(pair.train, method="randon"), "did you mean 'random'"),
        (lambda pair: wb.make_noise(pair.train, method="em", round=3), "did you mean 'rounds'"),
        (lambda pair: wb.make_noise(pair.train, method="em", rounds=0), "rounds is 0"),
        (lambda pair: wb.make_noise(pair.train, data="cifar10"), "data goes into load"),
        (lambda pair: wb.make_noise(pair.train, method=3), "give a name or a function"),
        (lambda pair: wb.train(pair.train), "not on Dataset"),
        (lambda pair: wb.train(pair, epoch=3), "did you mean 'epochs'"),
        (lambda pair: wb.train(pair, defence="grey"), "unknown defence"),
        (lambda pair: wb.train(pair, victim="resnet19"), "resnet18"),
    ],
)
def test_what_is_wrong_is_one_line(tiny, call, said):
    with pytest.raises(wb.WorkbenchError, match=said) as refused:
        call(tiny)
    assert len(str(refused.value).splitlines()) == 1


def test_own_method_network_and_defence_by_the_command_line(own, tmp_path, capsys):
    common = ["--data", "photo-digits:60", "--limit-test", "30", "--device", "cpu", "--with", own()]
    assert main(["noise", *common, "--method", "mine", "--width", "3", "--out", str(tmp_path / "n")]) == 0
    record = json.loads((tmp_path / "n" / "run.json").read_text())
    assert record["config"]["width"] == 3
    assert set(record["config"]["sources"]) == {"method mine"}
    words = ["train", *common, "--noise", str(tmp_path / "n"), "--epochs", "1", "--defence", "halve+grayscale"]
    assert main([*words, "--victim", "flat", "--out", str(tmp_path / "v")]) == 0
    record = json.loads((tmp_path / "v" / "run.json").read_text())
    assert set(record["config"]["sources"]) == {"network flat", "defence halve"}
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["noise", "--method", "mine", "--with", own(), "--help"])
    assert "width of a stripe" in capsys.readouterr().out
    assert main(["methods", "mine", "--with", own(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mine"]["words"] == "stripes, shifted by class"


def test_changed_code_under_the_same_name_gives_other_rows(own, tmp_path):
    study = wb.Study(str(tmp_path), data="photo-digits:60", limit_test=30, device="cpu")
    registry.load([own()])
    made = study.noise("mine", "samplewise", 8)
    rows = study.victim(made, victim="convnet-w2", epochs=1, defence="halve")
    again = study.victim(made, victim="convnet-w2", epochs=1, defence="halve")
    assert rows.equals(again)
    own(divisor="200")  # in the file, but not yet in this process, which goes on with what it has loaded
    assert study.victim(made, victim="convnet-w2", epochs=1, defence="halve").equals(rows)
    registry.load([own(divisor="200")])
    changed = study.victim(made, victim="convnet-w2", epochs=1, defence="halve")
    assert changed["run"].iloc[0] != rows["run"].iloc[0]
    assert not changed["value"].equals(rows["value"])
    registry.load([own(size="0 * task.epsilon")])
    assert study.noise("mine", "samplewise", 8).record.key != made.record.key


@pytest.mark.parametrize(
    ("size", "said"),
    [("float('nan')", "not finite"), ("2 * task.epsilon", "beyond its budget of 8"), ("'x'", "failed|TypeError|mine")],
)
def test_a_method_that_returns_no_noise_is_one_line_and_leaves_nothing(own, tmp_path, capsys, size, said):
    words = ["noise", "--data", "photo-digits:60", "--device", "cpu", "--method", "mine", "--out", str(tmp_path / "n")]
    assert main([*words, "--with", own(size=size)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert pd.Series(told).str.contains(said).all()
    assert not (tmp_path / "n" / "noise.safetensors").exists()


@pytest.mark.parametrize("broken", ["missing.py", "folder", "raises"])
def test_a_file_that_cannot_be_loaded_is_one_line(own, tmp_path, capsys, broken):
    path = tmp_path / broken
    if broken == "folder":
        path.mkdir()
    elif broken == "raises":
        path = tmp_path / "raises.py"
        path.write_text("x = 1\nraise RuntimeError('no\\nluck')\n")
    assert main(["noise", "--with", str(path), "--method", "random", "--out", str(tmp_path / "n")]) == 2
    told = capsys.readouterr().err
    assert len(told.strip().splitlines()) == 1
    assert str(path.name) in told
    assert not (tmp_path / "n").exists()


def test_own_code_in_a_sweep(own, tmp_path, capsys):
    experiment = {
        "title": "Mine", "text": "Mine.", "figures": ["curves"], "with": ["mine.py"],
        "notebook": os.path.abspath("notebooks/05_protected_fraction.ipynb"),
        "sizes": {"quick": {
            "parameters": {"data": "photo-digits:60", "limit_test": 30, "method": "mine", "victim": "flat", "epochs": 1,
                           "kinds": ["classwise"]},
            "grid": {"fractions": [[1.0]]}, "seeds": [1]}},
    }  # fmt: skip
    own()
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(experiment))
    out = tmp_path / "out"
    assert main(["sweep", str(tmp_path / "mine.yml"), "--workers", "1", "--out", str(out)]) == 0
    rows = table.read(out)
    assert set(rows["method"]) == {"clean", "mine"}
    assert set(rows["seed"]) == {1}
    own(size="0.5 * task.epsilon")
    registry._loaded.clear()
    capsys.readouterr()
    assert main(["sweep", str(tmp_path / "mine.yml"), "--dry-run", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("to run ") for line in lines) == 1  # other code, so another key
    with pytest.raises((ConfigError, DataError)):
        registry.check("method", "yours")
