"""A victim whose numbers stop being finite: the epoch is undone once, with half the learning rate; none of it stays."""

import json
import math

import pytest
import torch

from workbench import tasks
from workbench.config import DataError, VictimConfig
from workbench.records import checkpoint, run_folder
from workbench.records.nan_guard import check
from workbench.victim import module, trained
from workbench.victim.module import Victim

CONFIG = VictimConfig(
    victim="convnet-w4",
    epochs=4,
    batch_size=16,
    learning_rate=0.05,
    weight_decay=5e-4,
    augmentation="none",
    device="cpu",
)


@pytest.fixture
def poison(monkeypatch):
    """poison(epoch, from 0): spoils its second step, unless the victim has gone back before; returns the rates seen."""

    def put(epoch: int, always: bool = False, what: str = "pixels") -> list[tuple[int, float]]:
        step, rates = Victim.training_step, []

        def spoilt(self, batch, batch_idx):
            rates.append((self.current_epoch, self.optimizers().param_groups[0]["lr"]))
            if self.current_epoch == epoch and batch_idx == 1 and (always or self.rolled_back is None):
                if what == "weights":
                    next(self.network.parameters()).data[0] = math.nan
                else:
                    batch = batch[0] * math.nan, batch[1]
            return step(self, batch, batch_idx)

        monkeypatch.setattr(Victim, "training_step", spoilt)
        return rates

    return put


@pytest.mark.parametrize("kept", [True, False], ids=["on disk", "in memory"])
@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("what", ["pixels", "weights"])
def test_the_epoch_is_undone_once_with_half_the_learning_rate(tiny, tmp_path, poison, capsys, kept, epoch, what):
    usual = poison(9)
    clean = module.train(CONFIG, tiny)
    rates = poison(epoch, what=what)
    noted = {}
    curve = module.train(CONFIG, tiny, folder=tmp_path if kept else None, noted=noted.update)
    assert noted["rolled_back"] == {
        "epoch": epoch + 1,
        "cause": "the training loss is not finite at step 2",
        "learning_rate": 0.025,
    }
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "the epoch is undone, going on with half the learning rate, 0.025" in line
    assert [row["epoch"] for row in curve] == [row["epoch"] for row in clean]
    before = [row for row in clean if row["epoch"] <= epoch]
    assert curve[: len(before)] == before
    assert curve[len(before) :] != clean[len(before) :]
    assert all(math.isfinite(row["value"]) for row in curve)
    assert len(rates) == 4 * 3 + 2  # it stopped at the second step of that epoch
    assert rates[: epoch * 3 + 2] == usual[: epoch * 3 + 2]
    assert rates[epoch * 3 + 2 :] == [(each, rate / 2) for each, rate in usual[epoch * 3 : 12]]


@pytest.mark.parametrize("stop", [1, 3])
def test_training_that_went_back_goes_on_after_an_interruption(tiny, tmp_path, poison, monkeypatch, stop):
    poison(2)
    whole = module.train(CONFIG, tiny)
    end = Victim.on_train_epoch_end

    def interrupted(self):
        if self.current_epoch == stop:
            raise KeyboardInterrupt
        end(self)

    with monkeypatch.context() as patched:
        patched.setattr(Victim, "on_train_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            module.train(CONFIG, tiny, folder=tmp_path)
    assert module.train(CONFIG, tiny, folder=tmp_path) == whole


def test_the_second_time_is_one_line_and_no_results(tiny, tmp_path, poison):
    poison(2, always=True)
    with pytest.raises(
        DataError, match=r"epoch 3: .* at step 2, as before in epoch 3 .*0\.025 now.*lower --lear"
    ) as no:
        tasks.train_victim(CONFIG, None, tmp_path, data=tiny)
    assert len(str(no.value).splitlines()) == 1
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["state"] == "failed"
    assert record["rolled_back"]["epoch"] == 3
    assert not (tmp_path / "results.csv").exists()
    kept = checkpoint.read(tmp_path / module.CHECKPOINT)
    check(kept, "it is")
    assert kept["epoch"] == 1


def test_the_record_tells_it(tiny, tmp_path, poison):
    tasks.train_victim(CONFIG, None, tmp_path / "usual", data=tiny)
    assert run_folder.read(tmp_path / "usual").rolled_back is None
    poison(1)
    tasks.train_victim(CONFIG, None, tmp_path / "spoilt", data=tiny)
    assert run_folder.read(tmp_path / "spoilt").rolled_back["learning_rate"] == 0.025


def test_the_last_epoch_is_on_disk_though_time_did_not_allow_it(tiny, tmp_path, monkeypatch):
    """Others go on from it, and an earlier one would be another network."""
    monkeypatch.setattr(checkpoint, "SHARE", 1e-12)
    tasks.train_victim(CONFIG, None, tmp_path, data=tiny)
    assert checkpoint.read(tmp_path / module.CHECKPOINT)["epoch"] == 3
    assert not checkpoint.previous(tmp_path / module.CHECKPOINT).exists()
    assert all(isinstance(value, torch.Tensor) for value in trained.weights(tmp_path).values())


def test_an_earlier_network_is_not_taken_for_a_damaged_one(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", math.inf)
    tasks.train_victim(CONFIG, None, tmp_path, data=tiny)
    path = tmp_path / module.CHECKPOINT
    assert checkpoint.previous(path).exists()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="train that network again"):
        trained.weights(tmp_path)
