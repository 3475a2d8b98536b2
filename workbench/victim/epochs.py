"""What surrounds a Trainer's epochs: each kept on disk and shown, Ctrl-C heard, Lightning's advice kept to itself."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from workbench.device import leave_group
from workbench.files.atomic import remove
from workbench.progress import Progress
from workbench.records.checkpoint import load, save
from workbench.victim.module import Victim

CHECKPOINT = "victim.ckpt"


class Generations(CheckpointIO):
    """Lightning's checkpoints as ours: two generations with checksums."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write one; the present one becomes the previous one."""
        save(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read the newest intact one."""
        return load(Path(path)) or {}

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the file by which processes that train together hand their result over."""
        remove(Path(path))


class EveryEpoch(Checkpoint):
    """A checkpoint after every epoch, when all else that happens at its end is done.

    ModelCheckpoint would note the folder's absolute path in it, and take "::" in a folder's name for a protocol.
    """

    def __init__(self, path: Path):
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        trainer.save_checkpoint(self.path)


class ShowEpochs(Callback):
    """One step of progress per epoch, with the accuracies after its validation."""

    def __init__(self, label: str):
        self.label = label
        self.shown: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        if trainer.is_global_zero:
            self.shown = Progress(self.label, trainer.max_epochs or 0, done=trainer.current_epoch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        if self.shown is not None and isinstance(pl_module, Victim):
            self.shown.advance(**pl_module.rates())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning's hook."""
        if self.shown is not None:
            self.shown.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lightning's hook."""
        self.teardown(trainer, pl_module, "fit")


class LeaveGroup(Callback):
    """At the end each process that trained with others leaves their group: see `device.leave_group`."""

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning's hook."""
        leave_group()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice about workers and loggers to itself: they are left out on purpose."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        yield


@contextmanager
def heard() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C, which Lightning turns into exit(1) and leaves switched off."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        raise KeyboardInterrupt from ended
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
