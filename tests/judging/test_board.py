"""A class's board: good noises are judged once and ranked, bad ones are named and skipped, order changes nothing."""

import json
import struct
from dataclasses import replace

import pandas as pd
import pytest
import torch
from pictures import snapshot

import workbench as wb
from workbench.cli import main
from workbench.config import ConfigError
from workbench.data import sources
from workbench.figures import peak
from workbench.judging import board, case_file, pool, trial
from workbench.judging.config import BoardConfig

RULES = ("--learners", "none", "--network", "convnet-w4", "--epochs", "20")


@pytest.fixture
def trained(tiny, tmp_path, monkeypatch):
    """Three classes of tiny images stand for photo-digits; learners train in this process and are listed."""
    done = []

    def run(trials, folder, workers, told):
        case = case_file.read(folder)
        for one in trials:
            done.append(one)
            told(one, 1.0, peak(trial.learn(one, case)), None)

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "load", lambda config: tiny)
    monkeypatch.setattr(pool, "run", run)
    return done


@pytest.fixture
def folder(tiny, tmp_path):
    """The noises of Ada and Ben, one in each of the two ways to hand it in."""
    found = tmp_path / "in"
    (found / "Ben").mkdir(parents=True)
    wb.make_noise(tiny.train, method="random", kind="classwise", seed=1).save(found / "Ada.safetensors")
    wb.make_noise(tiny.train, method="random", seed=2, epsilon=4).save(found / "Ben")
    return found


def collected(folder, tiny, **rules):
    found, skipped = board.collected(folder, BoardConfig(**rules), tiny)
    return found, {one.file: one.why for one in skipped}


def write(path, tensor, kind="samplewise", fingerprint="0" * 64, dtype="F32", epsilon=8):
    """A noise file that this program's own writer would refuse to write."""
    content = tensor.numpy().tobytes()
    facts = json.dumps({"kind": kind, "epsilon": epsilon, "method": "mine", "fingerprint": fingerprint})
    entry = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [0, len(content)]}
    header = json.dumps({"__metadata__": {"perturbation": facts}, "delta": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)


def test_the_board_ranks_every_noise_beside_the_control(trained, folder, tmp_path, capsys):
    (folder / "Cy.safetensors").write_bytes(b"no noise at all")
    out = tmp_path / "out"
    assert main(["class-board", str(folder), *RULES, "--out", str(out)]) == 0
    said = capsys.readouterr()
    skipped = [line for line in said.err.splitlines() if "skipped" in line]
    assert len(skipped) == 1
    assert "Cy.safetensors" in skipped[0]
    shown = pd.read_csv(out / "board.csv")
    assert sorted(shown["name"]) == ["Ada", "Ben", "random"]
    assert list(shown["worst"]) == sorted(shown["worst"])
    assert list(shown["place"]) == [1, 2, 3]
    assert dict(zip(shown["name"], shown["largest"], strict=True)) == {"Ada": 8, "Ben": 4, "random": 8}
    rows = pd.read_csv(out / "results.csv")
    for row in shown.itertuples():  # against a second writing, from the tidy rows
        accuracy = rows[(rows["metric"] == "accuracy") & (rows["split"] == "test")]
        mine = accuracy[accuracy["method"] == row.name]["value"]
        clean = accuracy[accuracy["method"] == "clean"]["value"]
        assert (row.worst, row.final, row.ceiling) == pytest.approx((mine.max(), mine.iloc[-1], clean.max()))
        assert row.retained == pytest.approx((mine.max() - 1 / 3) / (clean.max() - 1 / 3))
    page = (out / "report.html").read_text()
    assert all(word in page for word in ("Ada", "Ben", "Cy.safetensors", "<img"))
    assert "Ada" in said.out
    assert (out / "figures" / "leaderboard.png").is_file()


def test_what_was_judged_is_not_judged_again_whatever_it_is_called(trained, folder, tmp_path):
    rules = {"learners": "none", "network": "convnet-w4", "epochs": 20, "seeds": [0]}
    first = wb.class_board(folder, tmp_path / "out", **rules)
    assert len(trained) == 4  # clean, the control, two noises
    (folder / "Ada.safetensors").rename(folder / "Zoe.safetensors")
    late = wb.Perturbation.load(folder / "Ben")
    replace(late, delta=-late.delta).save(folder / "late.safetensors")
    second = wb.class_board(folder, tmp_path / "out", **rules)
    assert len(trained) == 5
    assert set(second.table["name"]) == {"Zoe", "Ben", "late", "random"}
    numbers = [one.table.set_index("name")["worst"].to_dict() for one in (first, second)]
    assert numbers[1]["Zoe"] == numbers[0]["Ada"]
    assert numbers[1]["Ben"] == numbers[0]["Ben"]


def test_an_interrupted_board_goes_on_with_the_same_command(trained, folder, tmp_path, monkeypatch):
    words = ["class-board", str(folder), *RULES, "--out", str(tmp_path / "out")]
    run = pool.run

    def stopped(trials, *given):
        run(trials[:1], *given)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "run", stopped)
    assert main(words) == 130
    monkeypatch.setattr(pool, "run", run)
    assert main(words) == 0
    assert len(trained) == 4


def test_the_order_of_files_changes_nothing(tiny, folder, monkeypatch):
    wb.Perturbation.load(folder / "Ada.safetensors").save(folder / "Yan.safetensors")
    first = collected(folder, tiny)
    monkeypatch.setattr(board.tree.os, "scandir", _backwards(board.tree.os.scandir))
    assert collected(folder, tiny) == first
    assert first == (
        {"Ada": "Ada.safetensors", "Ben": "Ben/noise.safetensors"},
        {"Yan.safetensors": "it is the same noise as that of Ada"},
    )


def _backwards(scandir):
    class Listing:
        def __init__(self, path):
            self.opened = scandir(path)

        def __enter__(self):
            return reversed(list(self.opened.__enter__()))

        def __exit__(self, *given):
            self.opened.__exit__(*given)

    return Listing


def test_the_same_noise_in_another_form_is_the_same_noise(tiny, folder):
    made = wb.Perturbation.load(folder / "Ada.safetensors")
    spelled = replace(made, delta=made.delta[tiny.train.labels], kind="samplewise", method="mine")
    spelled.save(folder / "copy.safetensors")
    found, skipped = collected(folder, tiny)
    assert set(found) == {"Ada", "Ben"}
    assert "same noise as that of Ada" in skipped["copy.safetensors"]


def bad(name, why):
    return lambda make: pytest.param(make, why, id=name)


@bad("wrong budget", "its budget is ε = 9: ε = 8 is allowed")
def loud(path, train):
    wb.make_noise(train, method="random", epsilon=9).save(path)


@bad("beyond what it says", "beyond its budget of 8")
def lying(path, train):
    write(path, torch.full(train.samples.shape, 9, dtype=torch.int8), dtype="I8", fingerprint=train.fingerprint)


@bad("damaged", "not a noise file")
def damaged(path, train):
    wb.make_noise(train, method="random").save(path)
    path.write_bytes(path.read_bytes()[:-100])


@bad("NaN", "must be int8")
def unreal(path, train):
    write(path, torch.full(train.samples.shape, float("nan")), fingerprint=train.fingerprint)


@bad("wrong shape", "its samplewise noise is 48×3×12×11, and of photo-digits it must be 48×3×12×12")
def narrow(path, train):
    write(path, torch.zeros(48, 3, 12, 11, dtype=torch.int8), dtype="I8", fingerprint=train.fingerprint)


@bad("other data", "made for other data")
def foreign(path, train):
    write(path, torch.zeros(train.samples.shape, dtype=torch.int8), dtype="I8")


@bad("too large", "larger than any noise for photo-digits")
def huge(path, train):
    with path.open("wb") as file:
        file.truncate(2**30)


@pytest.mark.parametrize(("make", "why"), [loud, lying, damaged, unreal, narrow, foreign, huge])
def test_a_bad_submission_is_named_and_skipped(tiny, folder, make, why):
    make(folder / "bad.safetensors", tiny.train)
    found, skipped = collected(folder, tiny)
    assert set(found) == {"Ada", "Ben"}
    assert set(skipped) == {"bad.safetensors"}
    assert why in skipped["bad.safetensors"]
    assert skipped["bad.safetensors"].isprintable()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("random.safetensors", "none of random"),
        ("=2+3.safetensors", "its name must be"),
        (f"{'a' * 41}.safetensors", "its name must be"),
        ("Ada/noise.safetensors", "leave one"),
        ("noise.npy", "no noise file"),
        ("line\nbreak.safetensors", "its name must be"),
    ],
)
def test_a_name_that_no_board_can_show_is_skipped(tiny, folder, name, why):
    (folder / name).parent.mkdir(exist_ok=True)
    wb.make_noise(tiny.train, method="random", seed=5).save(folder / name)
    found, skipped = collected(folder, tiny)
    assert set(found) == {"Ada", "Ben"}
    ((file, said),) = skipped.items()
    assert why in said
    assert file.isprintable()


def test_links_are_not_followed_and_nothing_else_is_opened(tiny, folder, tmp_path):
    wb.make_noise(tiny.train, method="random", seed=5).save(tmp_path / "elsewhere.safetensors")
    (folder / "link.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    (folder / "Ben" / "run.json").write_text("{ not even JSON")
    found, skipped = collected(folder, tiny)
    assert set(found) == {"Ada", "Ben"}
    assert "link" in skipped["link.safetensors"]
    assert skipped["Ben/run.json"] == "no noise file"


def test_a_looser_rule_takes_more(tiny, folder):
    loud.values[0](folder / "loud.safetensors", tiny.train)
    assert set(collected(folder, tiny, epsilon=9)[0]) == {"Ada", "Ben", "loud"}
    assert set(collected(folder, tiny, epsilon=4)[0]) == {"Ben"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere", "--out", "out"], "not there: give the folder of submissions"),
        (["empty", "--out", "out"], "holds no noise that can be judged"),
        (["in", "--out", "in/board"], "name a folder somewhere else"),
        (["in", "--out", "out", "--learners", "greyscale"], "did you mean 'grayscale'"),
        (["in", "--out", "out", "--epsilon", "200"], "epsilon is 200"),
        (["in", "--out", "out", "--epsilon", "-3"], "epsilon is -3"),
        (["in", "--out", "full"], "name another folder"),
        (["in", "--out", "out", "--seeds", "x"], "whole numbers"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(trained, folder, tmp_path, capsys, monkeypatch, words, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    before = snapshot(tmp_path)
    assert main(["class-board", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line
    assert snapshot(tmp_path) == before
    assert not trained


def test_other_rules_need_another_folder(trained, folder, tmp_path, capsys):
    words = ["class-board", str(folder), *RULES, "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert main([*words, "--seeds", "1"]) == 2
    assert "seeds 0 there, 1 asked" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="unknown setting 'epsilom'"):
        wb.class_board(folder, tmp_path / "out", epsilom=3)
