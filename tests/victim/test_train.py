"""What ends a training, and what is left on disk then: every epoch, nothing that is not finite, nothing unasked for."""

import math
import signal
import time

import pytest
import torch

from workbench.config import DataError, VictimConfig
from workbench.data.augment import AUGMENTATIONS
from workbench.files import atomic
from workbench.records import checkpoint
from workbench.records.nan_guard import check
from workbench.victim import train as training
from workbench.victim import warm_start
from workbench.victim.exposure import expose
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


def train(config, pair, **more) -> list[dict]:
    return training.train(config, pair, *expose(pair.train, None, config), **more)


@pytest.fixture
def poison(monkeypatch):
    """poison(epoch, from 0): spoils its second step."""

    def put(epoch: int, what: str = "pixels") -> None:
        step = Victim.training_step

        def spoilt(self, batch, batch_idx):
            if self.current_epoch == epoch and batch_idx == 1:
                if what == "weights":
                    next(self.network.parameters()).data[0] = math.nan
                else:
                    batch = batch[0] * math.nan, batch[1]
            return step(self, batch, batch_idx)

        monkeypatch.setattr(Victim, "training_step", spoilt)

    return put


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("what", ["pixels", "weights"])
def test_a_loss_that_is_not_finite_ends_it_with_one_line(tiny, tmp_path, poison, epoch, what):
    poison(epoch, what)
    with pytest.raises(DataError) as refusal:
        train(CONFIG, tiny, folder=tmp_path)
    assert str(refusal.value) == f"epoch {epoch + 1}: the training loss is not finite at step 2: lower --learning-rate"
    path = tmp_path / training.CHECKPOINT
    assert path.exists() == (epoch > 0)
    if epoch:
        kept = checkpoint.read(path)
        check(kept, "it is")
        assert kept["epoch"] == epoch - 1


def test_weights_that_the_last_step_of_an_epoch_spoilt_are_never_kept(tiny, tmp_path, monkeypatch):
    end = Victim.on_validation_epoch_end

    def spoil(self):
        if self.current_epoch == 1:
            next(self.network.parameters()).data[0] = math.inf
        end(self)

    monkeypatch.setattr(Victim, "on_validation_epoch_end", spoil)
    with pytest.raises(DataError, match=r"^epoch 2: the network's weights are not finite: lower --learning-rate$"):
        train(CONFIG, tiny, folder=tmp_path)
    assert checkpoint.read(tmp_path / training.CHECKPOINT)["epoch"] == 0


def test_every_epoch_is_on_disk_before_the_next_begins(tiny, tmp_path, monkeypatch):
    path, kept, start = tmp_path / training.CHECKPOINT, [], Victim.on_train_epoch_start

    def look(self):
        start(self)
        kept.append(checkpoint.read(path)["epoch"] if path.exists() else None)

    monkeypatch.setattr(Victim, "on_train_epoch_start", look)
    train(CONFIG, tiny, folder=tmp_path)
    assert kept == [None, 0, 1, 2]
    assert checkpoint.read(path)["epoch"] == 3
    assert checkpoint.read(checkpoint.previous(path))["epoch"] == 2
    assert {file.name for file in tmp_path.iterdir()} == {path.name, checkpoint.previous(path).name}
    assert str(tmp_path).encode() not in path.read_bytes()  # nothing of where it lies


def test_folders_may_be_called_anything(tiny, tmp_path):
    folder = tmp_path / "s3::a=b {epoch} ~ü"
    folder.mkdir()
    train(CONFIG, tiny, folder=folder)
    assert checkpoint.read(folder / training.CHECKPOINT)["epoch"] == 3


def test_without_a_folder_nothing_is_written(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "save", lambda *given: pytest.fail("written"))
    train(CONFIG, tiny)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_removed(tiny, tmp_path):
    half = atomic.scratch(tmp_path / training.CHECKPOINT)
    half.write_bytes(b"half")
    train(CONFIG, tiny, folder=tmp_path)
    assert not half.exists()


def test_a_damaged_checkpoint_costs_one_epoch(tiny, tmp_path, monkeypatch, capsys):
    whole = train(CONFIG, tiny)
    begun, start = [], Victim.on_train_epoch_start

    def stopped(self):
        begun.append(self.current_epoch)
        if len(begun) == 4:
            raise KeyboardInterrupt
        start(self)

    monkeypatch.setattr(Victim, "on_train_epoch_start", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tiny, folder=tmp_path)
    path = tmp_path / training.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-1])
    assert train(CONFIG, tiny, folder=tmp_path) == whole
    assert begun == [0, 1, 2, 3, 2, 3]
    assert "going on from the one before it" in capsys.readouterr().err


def test_an_earlier_network_is_not_taken_for_a_damaged_one(tiny, tmp_path):
    train(CONFIG, tiny, folder=tmp_path)
    path = tmp_path / training.CHECKPOINT
    assert all(isinstance(value, torch.Tensor) for value in warm_start.weights(tmp_path).values())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="train that network again"):
        warm_start.weights(tmp_path)


def test_a_full_disk_ends_it_with_one_line(tiny, tmp_path, full_disk):
    full_disk()
    with pytest.raises(DataError, match=r"victim\.ckpt cannot be written \(No space left on device\): make room"):
        train(CONFIG, tiny, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_one_line_that_names_a_batch(tiny, monkeypatch):
    def starve(images, draw):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setitem(AUGMENTATIONS, "none", starve)
    with pytest.raises(DataError, match="no memory for batches of 16 images: try --batch-size 8"):
        train(CONFIG, tiny)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_ctrl_c_does_and_its_handler_stays(tiny, tmp_path, monkeypatch, sent):
    """SIGTERM as the command line has it: a handler that raises KeyboardInterrupt."""
    before = signal.signal(sent, signal.default_int_handler)

    def send(images, draw):
        if checkpoint.exists(tmp_path / training.CHECKPOINT):
            signal.raise_signal(sent)
            time.sleep(1)
        return images

    monkeypatch.setitem(AUGMENTATIONS, "none", send)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, tiny, folder=tmp_path)
        assert signal.getsignal(sent) is signal.default_int_handler
    finally:
        signal.signal(sent, before)
    assert checkpoint.read(tmp_path / training.CHECKPOINT)["epoch"] == 0


def test_a_training_that_an_earlier_version_slowed_down_is_refused(tiny, tmp_path):
    train(CONFIG, tiny, folder=tmp_path)
    path = tmp_path / training.CHECKPOINT
    state = checkpoint.read(path)
    state["state_dict"]["_extra_state"]["rolled_back"] = {"epoch": 2, "cause": "", "learning_rate": 0.025}
    checkpoint.save(path, state)
    with pytest.raises(DataError, match="half its learning rate"):
        train(CONFIG, tiny, folder=tmp_path)
