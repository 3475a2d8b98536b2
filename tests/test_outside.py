"""Controls outside the budget: kept and applied exactly, by every command; never for people; marked where they show."""

import json

import pytest
import safetensors.torch
import torch
from pictures import image_set, write_splits
from registered import as_before  # noqa: F401 (a fixture)

import workbench as wb
from workbench import catalogue, noise, registry
from workbench.apps.explore.pair import Choice, Pairs
from workbench.apps.photos.protect import protect
from workbench.cli import main
from workbench.config import OUTSIDE, ConfigError, DataError, NoiseConfig, ProtectConfig
from workbench.files import mapped
from workbench.judging import stage as judging
from workbench.judging.config import JudgeConfig
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import Perturbation
from workbench.parameters import check_parameters
from workbench.records import table

OURS = [name for name, entry in catalogue.METHODS.items() if entry.outside]
BRIEF = ["--victim", "convnet-w2", "--epochs", "1"]


def said(capsys, *words: object, code: int = 0) -> str:
    """What a command prints, of which the code is as it should be; a refusal is one line."""
    try:
        found = main([str(word) for word in words])
    except SystemExit as ended:
        found = ended.code
    printed = capsys.readouterr()
    assert found == code, printed.err
    if code:
        assert len(printed.err.strip().splitlines()) == 1
    return printed.err if code else printed.out


def test_there_are_some():
    assert set(OURS) == {"ops", "cuda"}


@pytest.mark.parametrize("method", OURS)
def test_the_whole_path_works_and_every_file_holds_what_was_promised(method, tmp_path, capsys):
    root, made = write_splits(tmp_path / "data"), tmp_path / "noise"
    data = ["--data", f"folder:{root}"]
    said(capsys, "noise", *data, "--method", method, "--epsilon", 255, "--out", made)
    assert safetensors.torch.load_file(made / "noise.safetensors")["delta"].dtype == torch.int16
    said(capsys, "train", *data, "--noise", made, *BRIEF, "--out", tmp_path / "victim")
    rows = table.read(tmp_path / "victim")
    assert (set(rows["method"]), set(rows["epsilon"]), set(rows["surrogate"])) == ({method}, {255}, {"none"})
    copies = tmp_path / "copies"
    said(capsys, "export", *data, "--noise", made, "--out", copies)
    manifest = json.loads((copies / "manifest.json").read_text())
    assert manifest["epsilon"] == 255
    loaded, pair = Perturbation.load(made), wb.load(f"folder:{root}")
    largest = max(entry["linf"] for entry in manifest["files"])
    assert largest == int((loaded.apply(pair.train).int() - pair.train.samples.int()).abs().max()) > 8
    assert "bound 255" in said(capsys, "verify", root / "train", copies)
    assert said(capsys, "verify", root / "train", copies, "--epsilon", 255)
    assert main(["verify", str(root / "train"), str(copies), "--epsilon", "8"]) == 1
    capsys.readouterr()
    case = judging.case_of(JudgeConfig(), pair, loaded)  # what a judgement tries on
    assert torch.equal(case.train.samples, loaded.apply(pair.train))
    assert case.made.epsilon == 255


def test_int16_noise_comes_back_to_the_bit(tmp_path):
    data = image_set()
    draw = torch.Generator().manual_seed(0)
    for kind, count in (("samplewise", 12), ("classwise", 3)):
        delta = torch.randint(-255, 256, (count, 3, 12, 12), generator=draw, dtype=torch.int16)
        found = Perturbation.load(Perturbation(delta, kind, OUTSIDE, "ops", data.fingerprint).save(tmp_path))
        assert torch.equal(found.delta, delta)
        assert (found.delta.dtype, found.epsilon) == (torch.int16, 255)
        each = delta if kind == "samplewise" else delta[data.labels]
        assert torch.equal(found.apply(data), (data.samples.int() + each).clamp(0, 255).to(torch.uint8))


def test_the_type_follows_the_budget_and_nothing_else_changes():
    assert [PerturbationBudget(radius).delta for radius in (0, 8, 127, OUTSIDE)] == [torch.int8] * 3 + [torch.int16]
    rounded = PerturbationBudget(OUTSIDE).round(torch.tensor([-300.0, -254.6, 0.4, 255.0]))
    assert (rounded.dtype, rounded.tolist()) == (torch.int16, [-255, -255, 0, 255])
    zero = torch.zeros(3, 3, 12, 12)
    for epsilon, wrong in ((127, torch.int16), (OUTSIDE, torch.int8)):
        with pytest.raises(DataError, match="with 4 dimensions"):
            Perturbation(zero.to(wrong), "classwise", epsilon, "ops", "0" * 64)
    with pytest.raises(DataError, match="reaches 256 steps, beyond its budget of 255"):
        Perturbation((zero + 256).short(), "classwise", OUTSIDE, "ops", "0" * 64)
    with pytest.raises(ConfigError):
        Perturbation(zero.short(), "classwise", 200, "ops", "0" * 64)


def test_noise_of_this_type_may_be_larger_than_memory(monkeypatch):
    monkeypatch.setattr(mapped, "MAPPED_FROM", 1)
    found = mapped.room_for((2, 3), torch.int16, "it")
    found[1] = -255
    assert found.tolist() == [[0, 0, 0], [-255, -255, -255]]


@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("epsilon", [0, 8, 127])
def test_another_budget_is_refused_in_one_line_that_names_the_right_one(method, epsilon, tmp_path, capsys):
    words = ["noise", "--data", "photo-digits:40", "--method", method, "--epsilon", epsilon, "--out", tmp_path / "out"]
    line = said(capsys, *words, code=2)
    assert f"method {method} is a control outside the budget: give --epsilon 255" in line
    assert not (tmp_path / "out").exists()


def test_no_other_method_goes_outside(tmp_path, capsys):
    for method in set(catalogue.METHODS) - set(OURS):
        with pytest.raises(ConfigError, match=rf"^epsilon is 255: it must be in 0\.\.127 for {method}$"):
            noise.resolved(NoiseConfig.of(method=method, epsilon=255), "folder")
    for epsilon in (128, 254, 256):
        with pytest.raises(ConfigError, match=r"0\.\.127"):
            NoiseConfig.of(method="ops", epsilon=epsilon)
    assert "cuda filters" in said(
        capsys, "noise", "--method", "cuda", "--kind", "classwise", "--epsilon", 255, "--out", tmp_path / "o", code=2
    )


@pytest.mark.parametrize("method", OURS)
def test_people_get_no_copies_of_it(method, tmp_path, capsys):
    root = write_splits(tmp_path / "data") / "train"
    line = f"{method} is a control outside the budget, whose changes anybody sees: name another method"
    assert line in said(capsys, "protect", root, tmp_path / "out", "--method", method, code=2)
    with pytest.raises(ConfigError, match=line):
        protect(root, tmp_path / "out", ProtectConfig(method=method))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError):
        Pairs("convnet-w2", 1, Choice(method, "samplewise", 8), str(tmp_path / "bench"), data="photo-digits:40")


def test_the_list_marks_it(capsys):
    listed = said(capsys, "methods").splitlines()
    assert {line.split()[0] for line in listed if line.endswith("(outside the budget)")} == set(OURS)
    assert "outside the budget   yes" in said(capsys, "methods", "ops")
    assert json.loads(said(capsys, "methods", "--json"))["cuda"]["outside"] is True


def test_a_notebook_that_names_both_is_no_mistake():
    check_parameters({"method": "ops", "epsilon": 255, "kind": "classwise"})
    check_parameters({"methods": ["ops", "cuda"], "epsilons": [255], "blur": 0.2})
    for values, line in (
        ({"method": "ops"}, "give --epsilon 255"),
        ({"method": "ops", "epsilon": 8}, "give --epsilon 255"),
        ({"methods": ["ops", "em"], "epsilon": 255}, "for em"),
        ({"epsilon": 255}, "for em-joint"),
        ({"method": "cuda", "epsilon": 255, "kinds": ["samplewise", "classwise"]}, "cuda filters every image"),
        ({"method": "cuda", "epsilon": 255, "blur": -1.0}, "blur is -1"),
    ):
        with pytest.raises(ConfigError, match=line):
            check_parameters(values)


def test_ones_own_control_goes_outside_too():
    registry.method("own-black", words="black images", outside=True)(lambda task, options: task.zeros() - 255)
    data = image_set()
    made = wb.make_noise(data, "own-black", epsilon=255)
    assert made.delta.dtype == torch.int16
    assert not made.apply(data).any()
    with pytest.raises(ConfigError, match="method own-black is a control outside the budget: give --epsilon 255"):
        wb.make_noise(data, "own-black")
