"""The command line: bad input gets one line and exit code 2 with nothing written; the whole path works on a folder."""

import json
import os
import shutil
import signal
import time

import pytest
import torch
from forked import program
from pictures import write_folder, write_splits
from safetensors.torch import load_file

from workbench.cli import main
from workbench.records import run_folder, table

SMALL = ["--surrogate", "convnet-w2", "--rounds", "1"]
BRIEF = ["--victim", "convnet-w2", "--epochs", "2"]


def refused(capsys, *words: object) -> str:
    """Run a command that must be refused: exit code 2, one line on stderr, nothing on stdout; returns the line."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as ended:  # argparse leaves this way
        code = ended.code
    printed = capsys.readouterr()
    assert code == 2
    assert len(printed.err.strip().splitlines()) == 1, printed.err
    assert "Traceback" not in printed.err
    return printed.err


@pytest.fixture
def data(tmp_path):
    """folder:PATH of a small folder of pictures with train/ and test/."""
    return f"folder:{write_splits(tmp_path / 'data')}"


@pytest.fixture
def noise(data, tmp_path):
    """The folder of a noise run for `data`."""
    assert main(["noise", "--data", data, *SMALL, "--out", str(tmp_path / "noise")]) == 0
    return tmp_path / "noise"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["noise", "--data", "cifar11"], "did you mean 'cifar10'"),
        (["noise", "--data", "photo-digits:few"], "number of training images"),
        (["noise", "--method", "em-mini"], "did you mean 'em-"),
        (["noise", "--kind", "class-wise"], "did you mean 'classwise'"),
        (["noise", "--surrogate", "resnet81"], "did you mean 'resnet18'"),
        (["noise", "--epsilon", "-1"], "epsilon is -1"),
        (["noise", "--epsilon", "300"], "0..127"),
        (["noise", "--epsilon", "200"], "0..127"),
        (["noise", "--epsilon", "8.5"], "8.5"),
        (["noise", "--epsilon", "8/255"], "8/255"),
        (["noise", "--epslon", "8"], "did you mean '--epsilon'"),
        (["noise", "--rounds", "0"], "rounds is 0"),
        (["noise", "--device", "gpu"], "did you mean 'cpu'"),
        (["train", "--victim", "resnet-18"], "did you mean 'resnet18'"),
        (["train", "--defence", "greyscale"], "did you mean 'grayscale'"),
        (["train", "--protected-fraction", "1.5"], "0..1"),
        (["train", "--augmentation", "flip-shift"], "unknown augmentation"),
        (["train", "--noise", "nowhere"], "nowhere"),
        (["export", "--noise", "nowhere"], "nowhere"),
        (["noise", "--data", "folder:nowhere"], "nowhere is not a folder"),
        (["noise", "--data", "folder:"], "needs a path"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_way_out(words, part, capsys, tmp_path):
    assert part in refused(capsys, *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_command_is_refused(capsys):
    assert "invalid choice" in refused(capsys, "nois")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
@pytest.mark.parametrize("command", ["noise", "train"])
def test_cuda_is_refused_where_there_is_none(command, capsys, tmp_path):
    assert "no CUDA device" in refused(capsys, command, "--device", "cuda", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("noise", "--data", "photo-digits:20", "--out", "LONG"),
        ("train", "--data", "folder:LONG", "--out", "out"),
        ("train", "--data", "photo-digits:20", "--noise", "LONG", "--out", "out"),
        ("export", "--data", "photo-digits:20", "--noise", "none", "--out", "LONG"),
        ("verify", "LONG", "LONG"),
        ("protect", "LONG", "out"),
        ("run", "LONG", "--out", "out"),
        ("sweep", "LONG"),
    ],
    ids=lambda words: " ".join(words[:1]),
)
def test_a_name_that_no_system_takes_is_one_line(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    refused(capsys, *(word.replace("LONG", "a" * 300) for word in words))
    assert list(tmp_path.iterdir()) == []


def test_bad_images_are_refused_by_name(capsys, tmp_path):
    root, out = write_folder(tmp_path / "data"), tmp_path / "out"
    (root / "cat" / "cat-01.png").write_bytes(b"not an image")
    assert "cat-01.png" in refused(capsys, "noise", "--data", f"folder:{root}", *SMALL, "--out", out)
    (tmp_path / "bare" / "a").mkdir(parents=True)
    (tmp_path / "bare" / "b").mkdir()
    assert "holds no images" in refused(capsys, "train", "--data", f"folder:{tmp_path / 'bare'}", *BRIEF, "--out", out)
    assert not out.exists()


def test_noise_of_other_data_is_refused(noise, data, capsys, tmp_path):
    other = f"folder:{write_splits(tmp_path / 'other', grey=True)}"
    for words in (["train", *BRIEF], ["export"]):
        line = refused(capsys, *words, "--data", other, "--noise", noise, "--out", tmp_path / "out")
        assert "other data" in line
        line = refused(capsys, *words, "--data", data, "--limit-train", 6, "--noise", noise, "--out", tmp_path / "out")
        assert "fingerprint" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_with_another_run_is_refused_and_left(noise, data, capsys):
    before = {path.name: path.read_bytes() for path in noise.iterdir()}
    words = ["noise", "--data", data, *SMALL, "--out", noise]
    assert "already holds this run" in refused(capsys, *words)
    assert "epsilon 8 there, 4 asked" in refused(capsys, *words, "--epsilon", "4", "--resume")
    assert "of `workbench noise`" in refused(capsys, "train", "--data", data, *BRIEF, "--out", noise)
    assert {path.name: path.read_bytes() for path in noise.iterdir()} == before
    assert main([str(word) for word in words] + ["--resume"]) == 0  # complete: nothing to do
    assert load_file(noise / "noise.safetensors")["delta"].dtype == torch.int8


def test_noise_that_is_not_complete_is_not_trusted(noise, data, capsys, tmp_path):
    record = json.loads((noise / "run.json").read_text())
    (noise / "run.json").write_text(json.dumps(record | {"state": "running"}))
    assert "not complete" in refused(capsys, "train", "--data", data, "--noise", noise, "--out", tmp_path / "out")


def test_help_has_an_example(capsys):
    for command in ("demo", "noise", "train", "export", "verify", "run"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"example: workbench {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kind", ["classwise", "samplewise"])
def test_training_on_the_exported_folder_gives_the_same_curve(kind, data, tmp_path, capsys):
    """The whole path; the exported PNG files hold exactly what the victim was trained on with --noise."""
    root, words = tmp_path / "data", ["--data", data]
    assert main(["noise", *words, *SMALL, "--kind", kind, "--out", str(tmp_path / "noise")]) == 0
    noise = ["--noise", str(tmp_path / "noise")]
    assert main(["train", *words, *noise, *BRIEF, "--out", str(tmp_path / "direct")]) == 0
    both = tmp_path / "both"
    both.mkdir()
    assert main(["export", *words, *noise, "--out", str(both / "train")]) == 0
    assert main(["verify", str(root), str(both / "train")]) == 0
    (both / "test").symlink_to(root / "test")
    assert main(["train", "--data", f"folder:{both}", *BRIEF, "--out", str(tmp_path / "by-files")]) == 2
    assert "test is a link" in capsys.readouterr().err
    (both / "test").unlink()
    shutil.copytree(root / "test", both / "test")
    assert main(["train", "--data", f"folder:{both}", *BRIEF, "--out", str(tmp_path / "by-files")]) == 0
    direct, by_files = (table.read(tmp_path / name) for name in ("direct", "by-files"))
    assert list(direct["value"]) == list(by_files["value"])
    assert set(direct["method"]) == {"em-joint"}
    assert set(by_files["method"]) == {"clean"}
    assert main(["train", *words, *BRIEF, "--out", str(tmp_path / "clean")]) == 0
    assert list(table.read(tmp_path / "clean")["value"]) != list(direct["value"])
    record = run_folder.read(tmp_path / "direct")
    assert {"train"} == set(record.seconds)
    assert record.data_fingerprint == run_folder.read(tmp_path / "noise").data_fingerprint


def test_ctrl_c_leaves_a_run_that_resumes_to_the_same_noise(data, tmp_path):
    """A real process, a real signal: exit code 130, state interrupted, then --resume equals an uninterrupted run."""
    words = ["noise", "--data", data, "--surrogate", "convnet-w2"]
    words += ["--method", "em", "--rounds", "200", "--stop-error", "0", "--batch-size", "4"]
    process = program([*words, "--out", str(tmp_path / "cut")], tmp_path / "said")
    while not (tmp_path / "cut" / "noise.ckpt").exists():
        assert process.is_alive(), (tmp_path / "said").read_text()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert "--resume" in (tmp_path / "said").read_text()
    assert process.exitcode == 130
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["state"] == "interrupted"
    done = torch.load(tmp_path / "cut" / "noise.ckpt", weights_only=True)["facts"]["done"]
    assert 1 <= done < 200
    assert main([*words, "--out", str(tmp_path / "cut"), "--resume"]) == 0
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    cut, whole = (load_file(tmp_path / name / "noise.safetensors")["delta"] for name in ("cut", "whole"))
    assert torch.equal(cut, whole)


def test_a_folder_without_a_test_part_is_exported_and_verified(tmp_path, capsys):
    root, out = write_folder(tmp_path / "data", each=10), tmp_path / "out"
    assert main(["noise", "--data", f"folder:{root}", *SMALL, "--out", str(tmp_path / "noise")]) == 0
    assert main(["export", "--data", f"folder:{root}", "--noise", str(tmp_path / "noise"), "--out", str(out)]) == 0
    assert main(["verify", str(root), str(out)]) == 0
    assert "6 originals were left out for testing" in capsys.readouterr().out
    next(out.glob("cat/*.png")).unlink()
    assert main(["verify", str(root), str(out)]) == 1


def test_a_pointless_defence_is_refused_with_nothing_written(tmp_path, capsys):
    root = write_folder(tmp_path / "data", grey=True)
    words = ["train", "--data", f"folder:{root}", *BRIEF, "--defence", "grayscale", "--out", tmp_path / "out"]
    assert "grey already" in refused(capsys, *words)
    assert not (tmp_path / "out").exists()
