"""Victims that two processes train together, against one process."""

from dataclasses import replace

import pytest
import torch

from workbench.config import ConfigError, DataError, VictimConfig
from workbench.data.augment import shift
from workbench.data.batches import Batches, Stream, generator
from workbench.data.dataset import DataPair
from workbench.records import checkpoint
from workbench.victim import recipes
from workbench.victim import train as training
from workbench.victim.exposure import expose

# A network without batch statistics, which each process takes over its own images.
CONFIG = VictimConfig(
    victim="mlp-w16",
    epochs=3,
    batch_size=12,
    learning_rate=0.05,
    weight_decay=5e-4,
    augmentation="shift",
    device="cpu",
)


def train(config, pair, **more) -> list[dict]:
    return training.train(config, pair, *expose(pair.train, None, config), **more)


@pytest.fixture
def spawned(monkeypatch):
    """Two processes fit on any machine."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_two_processes_learn_what_one_learns(tiny, spawned, tmp_path):
    alone = train(CONFIG, tiny)
    (tmp_path / "two").mkdir()
    together = train(replace(CONFIG, devices=2), tiny, folder=tmp_path / "two")
    assert [{**row, "value": 0} for row in together] == [{**row, "value": 0} for row in alone]
    for one, other in zip(alone, together, strict=True):
        assert other["value"] == pytest.approx(one["value"], abs=0.05 if one["metric"] == "accuracy" else 1e-3)
    kept = checkpoint.read(tmp_path / "two" / training.CHECKPOINT)
    assert kept["epoch"] == 2
    assert {"network.1.2.weight"} <= set(kept["state_dict"])


def test_two_processes_go_on_where_they_were_stopped(tiny, two, tmp_path):
    whole = train(replace(CONFIG, devices=2), tiny)
    train(replace(CONFIG, devices=2, epochs=2, learning_rate=0.05), tiny, folder=tmp_path)
    resumed = train(replace(CONFIG, devices=2), tiny, folder=tmp_path)
    assert [row["epoch"] for row in resumed] == [row["epoch"] for row in whole]


def test_a_damaged_checkpoint_is_replaced_once_for_both(tiny, two, tmp_path, capsys):
    train(replace(CONFIG, devices=2, epochs=2), tiny, folder=tmp_path)
    path = tmp_path / training.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1])
    resumed = train(replace(CONFIG, devices=2), tiny, folder=tmp_path)
    assert sorted({row["epoch"] for row in resumed}) == [1, 2, 3]
    assert capsys.readouterr().err.count("going on from the one before it") == 1
    assert checkpoint.read(path)["epoch"] == 2


def test_a_warm_start_is_measured_before_two_processes_begin(tiny, two, tmp_path):
    first = train(CONFIG, tiny, folder=tmp_path)
    later = train(replace(CONFIG, devices=2, epochs=1, confusion=True), tiny, start=tmp_path)
    assert [(row["epoch"], row["split"]) for row in later[:2]] == [(0, "test")] * 2
    assert [row["value"] for row in later[:2]] == pytest.approx([row["value"] for row in first[-2:]], rel=1e-5)
    assert {row["epoch"] for row in later} == {0, 1}
    assert len([row for row in later if row["metric"].startswith("confusion")]) == 9


def test_a_failing_process_is_one_line(tiny, two):
    odd = DataPair(replace(tiny.train, classes=("ant",)), replace(tiny.test, classes=("ant",)), tiny.name)
    with pytest.raises(DataError, match="one of the processes that train together failed") as refusal:
        train(replace(CONFIG, devices=2), odd)  # labels that no output stands for
    assert "\n" not in str(refusal.value)


def test_a_loss_that_is_not_finite_names_epoch_and_step(tiny, two):
    with pytest.raises(DataError, match=r"^epoch 1: the training loss is not finite at step \d: lower --learning-rate"):
        train(replace(CONFIG, devices=2, learning_rate=1e30), tiny)


def test_more_devices_than_there_are(two):
    with pytest.raises(ConfigError, match="devices 5: there are 2 processors"):
        training.resolved(replace(CONFIG, devices=5), recipes.named("photo-digits"))


def test_shares_of_a_batch_are_the_batch(patterned):
    data, on = patterned(26), torch.device("cpu")
    whole = list(Batches(data, 12, generator(on, 1, Stream.ORDER, 0), shift))
    shares = [list(Batches(data, 12, generator(on, 1, Stream.ORDER, 0), shift, share=(rank, 2))) for rank in range(2)]
    assert (
        [len(share) for share in shares]
        == [len(whole)] * 2
        == [len(Batches(data, 12, generator(on, 1, Stream.ORDER, 0)))] * 2
    )
    for (pixels, labels), *parts in zip(whole, *shares, strict=True):
        for rank, (mine, named) in enumerate(parts):
            assert torch.equal(mine, pixels[rank::2])
            assert torch.equal(named, labels[rank::2])


def test_a_short_batch_is_filled_up(patterned):
    data, on = patterned(25), torch.device("cpu")
    shares = [list(Batches(data, 12, generator(on, 1, Stream.ORDER, 0), share=(rank, 4)))[-1] for rank in range(4)]
    assert [len(labels) for _, labels in shares] == [1, 1, 1, 1]


def test_without_an_order_every_image_is_passed_once(patterned):
    data = patterned(25)
    passed = [pixels for rank in range(4) for pixels, _ in Batches(data, 3, share=(rank, 4))]
    assert sum(len(pixels) for pixels in passed) == 25
    assert torch.cat(passed).sum() == data.samples.sum()
