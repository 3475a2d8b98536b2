"""Lightning's Trainer as victims use it: every epoch kept, Ctrl-C passed on, no bars, loggers or workers of its own."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch.multiprocessing.spawn import ProcessRaisedException

from workbench.config import DataError, VictimConfig
from workbench.progress import progress
from workbench.records.checkpoint import Keeper

GRADIENT_CLIP = 5.0
NEWEST = "newest"  # in place of a path: there is one checkpoint to go on from


class Kept(TorchCheckpointIO):
    """Lightning's checkpoints named NEWEST go to a Keeper and come from it; others are files of Lightning's own."""

    def __init__(self, keeper: Keeper):
        self.keeper = keeper

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Keep it."""
        if path == NEWEST:
            self.keeper.keep(checkpoint)
        else:
            super().save_checkpoint(checkpoint, path, storage_options)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """The newest one."""
        if path == NEWEST:
            return self.keeper.newest() or {}
        return super().load_checkpoint(path, map_location, weights_only)


class EveryEpoch(Checkpoint):
    """A checkpoint after every epoch, when all else that happens at its end is done; on disk when training ends."""

    def __init__(self, keeper: Keeper):
        self.keeper = keeper

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        trainer.save_checkpoint(NEWEST)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        if trainer.is_global_zero:
            self.keeper.write()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lightning's hook; `fit` itself writes where there is one process, for here Ctrl-C would not be heard."""
        if trainer.world_size > 1:
            self.on_fit_end(trainer, pl_module)


class ShowEpochs(Callback):
    """One step of progress an epoch, with the numbers that `rates` returns after its validation."""

    def __init__(self, label: str, rates: Callable[[], dict[str, float]]):
        self.label, self.rates = label, rates

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        if trainer.global_rank > 0:
            os.environ["WORKBENCH_PROGRESS"] = "off"
        self._context = progress(self.label, trainer.max_epochs or 0, done=trainer.current_epoch)
        self._shown = self._context.__enter__()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's hook."""
        self._shown.advance(**self.rates())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning's hook."""
        if hasattr(self, "_context"):
            self._context.__exit__(None, None, None)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lightning's hook."""
        self.teardown(trainer, pl_module, "fit")


def fit(
    module: LightningModule, config: VictimConfig, on: torch.device, keeper: Keeper, callbacks: Sequence[Callback]
) -> None:
    """Train, going on from the keeper's newest state if there is one. What is done is on disk, whatever ends it.

    On several devices Lightning starts a process for each; what the module's state_dict holds comes back from the
    first. Raises DataError when one of them fails.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice about workers and loggers, which are left out on purpose
        trainer = Trainer(
            accelerator="gpu" if on.type == "cuda" else "cpu",
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy="ddp_spawn" if config.devices * config.num_nodes > 1 else "auto",
            precision="bf16-mixed" if config.precision == "bf16" else "32-true",
            max_epochs=config.epochs,
            gradient_clip_val=GRADIENT_CLIP,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            plugins=[Kept(keeper)],
            callbacks=[*callbacks, EveryEpoch(keeper)],
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, ckpt_path=NEWEST if keeper.newest() is not None else None, weights_only=True)
        except SystemExit as ended:  # Lightning turns Ctrl-C into exit(1) and leaves the signal switched off
            raise KeyboardInterrupt from ended
        except ProcessRaisedException as error:
            last = str(error).strip().splitlines()[-1]
            raise DataError(f"one of the processes that train together failed: {last}") from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
            keeper.write()
