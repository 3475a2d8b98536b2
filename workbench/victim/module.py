"""The victim: a network trained from scratch on the images as they are published, tested on clean ones.

The clean twin and every protected run go through `train` with the same configuration, so that only the noise differs.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor, nn
from torch.nn import functional

from workbench import device, models
from workbench.config import DataError, VictimConfig, check_choice
from workbench.data.augment import AUGMENTATIONS
from workbench.data.batches import Batches, Stream, generator, network_input
from workbench.data.dataset import DataPair, Dataset
from workbench.noise.perturbation import Perturbation
from workbench.progress import say
from workbench.records import nan_guard
from workbench.records.checkpoint import Keeper
from workbench.records.nan_guard import NotFinite, Watch
from workbench.victim import defence, trained
from workbench.victim import train as fitting
from workbench.victim.exposure import learnt_from
from workbench.victim.recipes import RECIPES
from workbench.victim.trained import CHECKPOINT

TEST_BATCH = 500  # images; only speed depends on it


def resolved(config: VictimConfig, data_name: str) -> VictimConfig:
    """The configuration with every setting that was left open taken from the data set's recipe, names checked."""
    models.check_name(config.victim)
    check_choice("defence", config.defence, defence.DEFENCES)
    device.check_group(device.pick(config.device), config.devices, config.precision)
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
    rolled_back: {epoch, cause, learning_rate} once an epoch was undone because a value was not finite; the learning
    rate, everywhere in its schedule, is half of the configuration's since.
    """

    def __init__(self, network: nn.Module, config: VictimConfig, train: Dataset, test: Dataset, warmup: float):
        super().__init__()
        self.network, self.config, self.warmup = network, config, warmup
        self.train_set, self.test_set = train, test
        self.curve: list[dict[str, Any]] = []
        self._fresh = copy.deepcopy(network.state_dict())  # to begin with again
        self.rolled_back: dict[str, Any] | None = None
        self._watch = Watch("the training loss")
        self._sums: dict[str, Tensor] = {}
        self._confused = torch.zeros(0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(network_input(pixels))

    def train_dataloader(self) -> Batches:
        draw = generator(self.train_set.samples.device, self.config.seed, Stream.ORDER, self.current_epoch)
        recipe = AUGMENTATIONS[self.config.augmentation or "none"]

        def augmented(images: Tensor, draw: torch.Generator) -> Tensor:
            return defence.augment(self.config.defence, recipe(images, draw), draw)

        return Batches(self.train_set, self.config.batch_size or 1, draw, augmented, share=self._share())

    def val_dataloader(self) -> Batches:
        return Batches(self.test_set, TEST_BATCH, share=self._share())

    def _share(self) -> tuple[int, int]:
        """Which of how many devices this is."""
        return (self.trainer.global_rank, self.trainer.world_size) if self._trainer else (0, 1)

    def on_fit_start(self) -> None:
        self.train_set, self.test_set = self.train_set.to(self.device), self.test_set.to(self.device)

    def on_train_epoch_start(self) -> None:
        zero = torch.zeros(3, device=self.device)  # correct, summed loss, images
        self._sums = {"train": zero, "test": zero.clone()}
        self._confused = torch.zeros(len(self.test_set.classes) ** 2, device=self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        draw = generator(self.device, self.config.seed, Stream.DEFENCE, self.current_epoch, batch_idx)
        pixels, labels = batch[0].float(), batch[1]
        pixels = defence.worst_nearby(self.config.defence, self.network, pixels, labels, draw)
        pixels, labels = defence.mix(self.config.defence, pixels, labels, len(self.train_set.classes), draw)
        loss = self._seen("train", pixels, labels)[0]
        self._watch.see(loss)
        return loss

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

    def on_validation_epoch_end(self) -> None:
        for split, sums in self._sums.items():
            self._sums[split] = self.trainer.strategy.reduce(sums, reduce_op="sum")
        self._confused = self.trainer.strategy.reduce(self._confused, reduce_op="sum")

    def rates(self) -> dict[str, float]:
        """This epoch's accuracies so far."""
        return {f"{split}_accuracy": float(sums[0] / sums[2]) for split, sums in self._sums.items()}

    def on_train_epoch_end(self) -> None:
        self._watch.end()
        nan_guard.check(list(self._sums.values()), "the loss is")
        nan_guard.check(self.network.state_dict(), "the network's weights are")
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
            most = 0.5 if self.rolled_back else 1.0
            if step < rising:
                return most * (step + 1) / (rising + 1)
            return most * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_start(self) -> None:
        schedule: Any = self.lr_schedulers()
        for group, share in zip(self.optimizers().param_groups, schedule.lr_lambdas, strict=True):  # type: ignore[union-attr]
            group["lr"] = group["initial_lr"] * share(schedule.last_epoch)  # a checkpoint's may be twice as large

    def go_back(self, fault: NotFinite) -> None:
        """Undo the epoch in which a value was not finite, for the next fit. Raises DataError the second time."""
        epoch, rate = self.current_epoch + 1, (self.config.learning_rate or 0.0) / 2
        if self.rolled_back is not None:
            raise DataError(
                f"epoch {epoch}: {fault}, as before in epoch {self.rolled_back['epoch']} with twice the learning rate "
                f"({rate:g} now): lower --learning-rate"
            ) from fault
        self.network.load_state_dict(self._fresh)  # unless there is a checkpoint to go on from
        self.curve = [row for row in self.curve if row["epoch"] == 0]
        self.rolled_back = {"epoch": epoch, "cause": str(fault), "learning_rate": rate}
        say(f"epoch {epoch}: {fault}; the epoch is undone, going on with half the learning rate, {rate:g}")

    def get_extra_state(self) -> dict[str, Any]:
        return {"curve": self.curve, "rolled_back": self.rolled_back}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.curve = state["curve"]
        self.rolled_back = self.rolled_back or state["rolled_back"]


def train(
    config: VictimConfig,
    data: DataPair,
    perturbation: Perturbation | None = None,
    *,
    label: str = "victim",
    folder: Path | None = None,
    start: Path | None = None,
    callbacks: Sequence[Callback] = (),
    noted: Callable[..., object] = dict,
) -> list[dict[str, Any]]:
    """Train a victim on `data.train` (with the noise, if given) and return its curve (see Victim).

    config: as `resolved` returns it. folder: where a checkpoint is kept after every epoch; training goes on from one
    that is there. start: the folder of an earlier run, whose network this one goes on from; the curve then begins with
    its test values before any training, as epoch 0. callbacks: Lightning's, to watch the training. noted: is called
    with rolled_back (see Victim), if it comes to that. Raises DataError when the noise is for other images.
    """
    on = device.pick(config.device)
    train_set = learnt_from(data.train, perturbation, config)
    test_set = replace(data.test, samples=defence.defend(config.defence, data.test.samples))
    if config.devices * config.num_nodes == 1:  # else each process moves its copy
        train_set, test_set = train_set.to(on), test_set.to(on)
    network = models.build(
        config.victim,
        channels=train_set.samples.shape[1],
        classes=len(train_set.classes),
        side=train_set.side,
        short=min(train_set.samples.shape[2:]),
        seed=config.seed,
    )
    if start is not None:
        trained.take_over(network, trained.weights(start))
    victim = Victim(network, config, train_set, test_set, RECIPES[data.name].warmup)
    if start is not None:
        victim.measure_before(on)
    if config.compile:
        network.compile()  # in place, so that its weights keep their names
    keeper = Keeper(folder / CHECKPOINT if folder else None)
    while True:
        try:
            fitting.fit(victim, config, on, keeper, [fitting.ShowEpochs(label, victim.rates), *callbacks])
            return victim.curve
        except NotFinite as fault:
            victim.go_back(fault)
            noted(rolled_back=victim.rolled_back)
