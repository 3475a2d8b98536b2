"""The victim: a network trained from scratch on the images as they are published, tested on clean ones.

The clean twin and every protected run go through `train` with the same configuration, so that only the noise differs.
"""

import logging
import math
import signal
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional

from workbench import defences, device, models, trained
from workbench.augment import AUGMENTATIONS
from workbench.batches import Batches, generator, network_input
from workbench.config import VictimConfig, check_choice
from workbench.images import DataPair, ImageSet
from workbench.noise.perturbation import Perturbation
from workbench.progress import progress
from workbench.published import learnt_from
from workbench.recipes import RECIPES
from workbench.trained import CHECKPOINT

TEST_BATCH = 500  # images; only speed depends on it
GRADIENT_CLIP = 5.0


def resolved(config: VictimConfig, data_name: str) -> VictimConfig:
    """The configuration with every setting that was left open taken from the data set's recipe, names checked."""
    models.check_name(config.victim)
    check_choice("defence", config.defence, defences.DEFENCES)
    recipe = RECIPES[data_name]
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "augmentation")
    full = replace(config, **{name: getattr(recipe, name) for name in names if getattr(config, name) is None})
    check_choice("augmentation", full.augmentation or "", AUGMENTATIONS)
    return full


class Victim(LightningModule):
    """A network in training, with its accuracy and loss after every epoch in `curve`.

    curve: rows {epoch from 1, split "train" or "test", metric "accuracy" or "loss", value}; training values are those
    met during the epoch, after augmentation and defence; test values are those of the clean test images after it. With
    `config.confusion` also metric "confusion/TRUE/PREDICTED" after the last epoch: of the test images of the class TRUE
    the share that is taken for PREDICTED.
    """

    def __init__(self, network: nn.Module, config: VictimConfig, train: ImageSet, test: ImageSet, warmup: float):
        super().__init__()
        self.network, self.config, self.warmup = network, config, warmup
        self.train_set, self.test_set = train, test
        self.curve: list[dict[str, Any]] = []
        self._sums: dict[str, Tensor] = {}
        self._confused = torch.zeros(0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(network_input(pixels))

    def train_dataloader(self) -> Batches:
        draw = generator(self.train_set.images.device, self.config.seed, self.current_epoch)
        recipe = AUGMENTATIONS[self.config.augmentation or "none"]

        def augmented(images: Tensor, draw: torch.Generator) -> Tensor:
            return defences.augment(self.config.defence, recipe(images, draw), draw)

        return Batches(self.train_set, self.config.batch_size or 1, draw, augmented)

    def val_dataloader(self) -> Batches:
        return Batches(self.test_set, TEST_BATCH)

    def on_train_epoch_start(self) -> None:
        zero = torch.zeros(3, device=self.device)  # correct, summed loss, images
        self._sums = {"train": zero, "test": zero.clone()}
        self._confused = torch.zeros(len(self.test_set.classes) ** 2, device=self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        draw = generator(self.device, self.config.seed, self.current_epoch, batch_idx, 1)
        pixels, labels = batch[0].float(), batch[1]
        pixels = defences.worst_nearby(self.config.defence, self.network, pixels, labels, draw)
        pixels, labels = defences.mix(self.config.defence, pixels, labels, len(self.train_set.classes), draw)
        return self._seen("train", pixels, labels)[0]

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        _, taken_for = self._seen("test", *batch)
        pairs = batch[1] * len(self.test_set.classes) + taken_for
        self._confused += torch.bincount(pairs, minlength=len(self._confused))

    def _seen(self, split: str, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and predicted labels of a batch, summed up for the curve. labels: int64 N, or probabilities N×K."""
        logits = self(pixels)
        loss = functional.cross_entropy(logits, labels)
        with torch.no_grad():
            predicted, true = logits.argmax(1), labels if labels.ndim == 1 else labels.argmax(1)
            correct = (predicted == true).sum()
            self._sums[split] += torch.stack([correct, loss.detach() * len(labels), torch.tensor(len(labels))])
        return loss, predicted

    def on_train_epoch_end(self) -> None:
        for split, sums in self._sums.items():
            correct, loss, count = sums.tolist()
            for metric, value in (("accuracy", correct / count), ("loss", loss / count)):
                self._record(split, metric, value)
        if self.config.confusion and self.current_epoch + 1 == self.config.epochs:
            classes = self.test_set.classes
            shares = functional.normalize(self._confused.view(len(classes), -1), p=1).tolist()
            for true, row in zip(classes, shares, strict=True):
                for predicted, share in zip(classes, row, strict=True):
                    self._record("test", f"confusion/{true}/{predicted}", share)

    def measure_before(self, on: torch.device) -> None:
        """Put accuracy and loss on the test images into the curve as those of epoch 0."""
        self.to(on).eval()
        with torch.no_grad():
            logits = torch.cat([self(pixels) for pixels, _ in self.val_dataloader()])
        labels = self.test_set.labels
        found = {
            "accuracy": int((logits.argmax(1) == labels).sum()) / len(labels),
            "loss": float(functional.cross_entropy(logits, labels)),
        }
        self.curve += [{"epoch": 0, "split": "test", "metric": name, "value": value} for name, value in found.items()]
        self.train()

    def _record(self, split: str, metric: str, value: float) -> None:
        self.curve.append({"epoch": self.current_epoch + 1, "split": split, "metric": metric, "value": value})

    def configure_optimizers(self) -> Any:
        config = self.config
        optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=config.learning_rate or 0.0,
            momentum=0.9,
            weight_decay=config.weight_decay or 0.0,
        )
        steps = (config.epochs or 1) * -(-len(self.train_set) // (config.batch_size or 1))
        rising = self.warmup * steps

        def share(step: int) -> float:
            if step < rising:
                return (step + 1) / (rising + 1)
            return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["curve"] = self.curve

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.curve = checkpoint["curve"]


class _ShowEpochs(Callback):
    """One step of progress an epoch."""

    def __init__(self, label: str):
        self.label = label

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._context = progress(self.label, trainer.max_epochs or 0, done=trainer.current_epoch)
        self._shown = self._context.__enter__()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Victim)
        rates = {split: float(sums[0] / sums[2]) for split, sums in pl_module._sums.items()}
        self._shown.advance(train_accuracy=rates["train"], test_accuracy=rates["test"])

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if hasattr(self, "_context"):
            self._context.__exit__(None, None, None)


def train(
    config: VictimConfig,
    data: DataPair,
    perturbation: Perturbation | None = None,
    *,
    label: str = "victim",
    folder: Path | None = None,
    start: Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> list[dict[str, Any]]:
    """Train a victim on `data.train` (with the noise, if given) and return its curve (see Victim).

    config: as `resolved` returns it. folder: where a checkpoint is kept after every epoch; training goes on from one
    that is there. start: the folder of an earlier run, whose network this one goes on from; the curve then begins with
    its test values before any training, as epoch 0. callbacks: Lightning's, to watch the training. Raises DataError
    when the noise is for other images.
    """
    on = device.pick(config.device)
    train_set = learnt_from(data.train, perturbation, config).to(on)
    test_set = replace(data.test, images=defences.defend(config.defence, data.test.images)).to(on)
    network = models.build(
        config.victim,
        channels=train_set.images.shape[1],
        classes=len(train_set.classes),
        side=train_set.side,
        short=min(train_set.images.shape[2:]),
        seed=config.seed,
    )
    victim = Victim(network, config, train_set, test_set, RECIPES[data.name].warmup)
    if start is not None:
        trained.take_over(network, trained.weights(start))
        victim.measure_before(on)
    _fit(victim, [_ShowEpochs(label), *callbacks], folder, "gpu" if on.type == "cuda" else "cpu")
    return victim.curve


def _fit(victim: Victim, callbacks: list[Callback], folder: Path | None, accelerator: str) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    resume = None
    if folder is not None:
        callbacks.append(
            ModelCheckpoint(folder, Path(CHECKPOINT).stem, save_on_train_epoch_end=True, enable_version_counter=False)
        )
        resume = str(folder / CHECKPOINT) if (folder / CHECKPOINT).is_file() else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice about workers and loggers, which are left out on purpose
        trainer = Trainer(
            accelerator=accelerator,
            devices=1,
            max_epochs=victim.config.epochs,
            gradient_clip_val=GRADIENT_CLIP,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=folder is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=callbacks,
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(victim, ckpt_path=resume, weights_only=True)
        except SystemExit as ended:  # Lightning turns Ctrl-C into exit(1) and leaves the signal switched off
            raise KeyboardInterrupt from ended
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
