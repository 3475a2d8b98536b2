"""The victim: a network that learns from what is published and is tested on clean samples, as a LightningModule."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from workbench import device
from workbench.config import DataError, VictimConfig
from workbench.data import delay
from workbench.data.batches import Batches, Stream, generator, network_input
from workbench.data.dataset import Dataset
from workbench.records import nan_guard
from workbench.victim import recipes
from workbench.victim.defence import Defence

TEST_BATCH = 500  # images; only speed depends on it


class Victim(LightningModule):
    """A network in training, with its accuracy and loss after every epoch in `curve`.

    train, test: as the defence left them; held: training samples that it keeps from training, as published; warmup:
    share of the training in which the learning rate climbs.
    curve: rows {epoch from 1, split "train", "test" or "held", metric "accuracy" or "loss", value}; training values are
    those met during the epoch, after augmentation and defence; test values are those of the clean test data after it,
    epoch 0 those before any training, if they were measured. With `config.confusion` also metric
    "confusion/TRUE/PREDICTED" after the last epoch: of the test images of the class TRUE the share taken for PREDICTED.
    """

    def __init__(
        self, network: nn.Module, config: VictimConfig, train: Dataset, test: Dataset, defence: Defence, warmup: float,
        held: Dataset | None = None,
    ):  # fmt: skip
        super().__init__()
        self.network, self.config, self.defence, self.warmup = network, config, defence, warmup
        self.train_set, self.test_set, self.held = train, test, held
        self._augmentation = delay.named((defence.pictures and config.augmentation) or "none", train.space.name)
        self.curve: list[dict[str, Any]] = []
        # Means in float64, which Apple's GPU lacks, are the exact shares; float32's are not. Of NaN the guard is told.
        exact = torch.float32 if device.pick(config.device).type == "mps" else torch.float64
        splits = ("train", "test", *(["held"] if held else []))
        names = (f"{split}_{metric}" for split in splits for metric in ("accuracy", "loss"))
        means = {name: MeanMetric(nan_strategy="disable").set_dtype(exact) for name in names}
        self.means: Any = nn.ModuleDict(means)
        self.confused: Any = None
        if config.confusion:
            self.confused = MulticlassConfusionMatrix(len(test.classes), normalize="true", validate_args=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(network_input(pixels))

    def train_dataloader(self) -> Batches:
        draw = generator(self.train_set.samples.device, self.config.seed, Stream.ORDER, self.current_epoch)

        def augmented(images: Tensor, draw: torch.Generator) -> Tensor:
            return self.defence.batch(self._augmentation(images, draw), draw)

        return Batches(self.train_set, self.config.batch_size or 1, draw, augmented, share=self._share())

    def val_dataloader(self) -> list[Batches]:
        return [Batches(part, TEST_BATCH, share=self._share()) for part in (self.test_set, self.held) if part]

    def _share(self) -> tuple[int, int]:
        """Which of how many devices this is."""
        return self.trainer.global_rank, self.trainer.world_size

    def setup(self, stage: str) -> None:
        self.train_set, self.test_set = self.train_set.to(self.device), self.test_set.to(self.device)
        self.held = self.held.to(self.device) if self.held else None

    def on_train_epoch_start(self) -> None:
        self._watch = nan_guard.Watch(f"epoch {self.current_epoch + 1}: the training loss")
        for metric in (*self.means.values(), *filter(None, [self.confused])):
            metric.reset()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        draw = generator(self.device, self.config.seed, Stream.DEFENCE, self.current_epoch, batch_idx)
        pixels, labels = self.defence.loss_batch(self.network, batch[0].float(), batch[1], draw)
        loss = self._seen("train", pixels, labels)[0]
        self._watch.see(loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int = 0, dataloader_idx: int = 0) -> None:
        _, predicted = self._seen("held" if dataloader_idx else "test", *batch)
        if self.confused is not None and not dataloader_idx:
            self.confused.update(predicted, batch[1])

    def _seen(self, split: str, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and predicted labels of a batch, summed up for the curve. labels: int64 N, or probabilities N×K."""
        logits = self(pixels)
        loss = functional.cross_entropy(logits, labels)
        predicted, true = logits.detach().argmax(1), labels if labels.ndim == 1 else labels.argmax(1)
        self.means[f"{split}_accuracy"].update(predicted == true)
        self.means[f"{split}_loss"].update(loss.detach().expand(len(labels)))
        return loss, predicted

    def on_validation_epoch_end(self) -> None:
        trained = self.trainer.state.fn == "fit"
        found = {name: one.compute() for name, one in self.means.items() if trained or not name.startswith("train")}
        epoch = self.current_epoch + 1 if trained else 0
        if trained:
            self._watch.end()
            nan_guard.check(list(found.values()), f"epoch {epoch}: the loss is")
            nan_guard.check(self.network.state_dict(), f"epoch {epoch}: the network's weights are")
        for name, value in found.items():
            split, metric = name.split("_")
            self._record(epoch, split, metric, float(value))
        if self.confused is not None and epoch == self.config.epochs:
            for true, row in zip(self.test_set.classes, self.confused.compute().tolist(), strict=True):
                for predicted, share in zip(self.test_set.classes, row, strict=True):
                    self._record(epoch, "test", f"confusion/{true}/{predicted}", share)

    def _record(self, epoch: int, split: str, metric: str, value: float) -> None:
        self.curve.append({"epoch": epoch, "split": split, "metric": metric, "value": value})

    def rates(self) -> dict[str, float]:
        """The newest epoch's accuracies, by split."""
        newest = [row for row in self.curve if row["metric"] == "accuracy" and row["epoch"] == self.curve[-1]["epoch"]]
        return {f"{row['split']}_accuracy": row["value"] for row in newest}

    def configure_optimizers(self) -> Any:
        config = self.config
        optimiser = recipes.optimiser(config, self.network.parameters())
        steps = (config.epochs or 1) * -(-len(self.train_set) // (config.batch_size or 1))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: recipes.share(config, step, steps, self.warmup)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def get_extra_state(self) -> dict[str, Any]:
        return {"curve": self.curve}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if state.get("rolled_back"):  # earlier versions went on by themselves at half the learning rate
            raise DataError("this training goes on at half its learning rate, which is no more done: start it again")
        self.curve = state["curve"]
