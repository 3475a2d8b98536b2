"""Self-training: labels from a teacher that learnt from distorted copies, in which little of the noise is left."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench import models
from workbench.config import ConfigError
from workbench.data.batches import Stream, generator, network_input
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence
from workbench.victim.defences.augmentations import CropFlip
from workbench.victim.defences.conversions import Grayscale, Jpeg

TEACHER, EPOCHS, BATCH, RATE = "convnet-w16", 8, 128, 0.05
STEPS = 320  # at least: as many as of 5,000 samples; small sets are passed over more often
LEAST = 8  # pixels, of which the teacher's three poolings leave one
QUALITY = 30  # of the JPEG files
KEPT = 70  # percent, the most confident


class SelfTraining(Defence):
    """The samples that a teacher is surest of, as published, with the teacher's labels."""

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError for images that are too small for the teacher."""
        if data.short < LEAST:
            raise ConfigError(f"defence self-training: its teacher needs images of {LEAST} pixels a side or more")

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Teach, label, and keep the most confident."""
        copies = distorted(data.samples)
        network = self.taught(replace(data, samples=copies))
        with torch.no_grad():
            sure = torch.cat([network(network_input(part)).softmax(1) for part in copies.split(500)]).max(1)
        order = sure.values.argsort(descending=True, stable=True)
        kept = order[: max(1, len(data) * KEPT // 100)].sort().values
        return replace(data.subset(kept), labels=sure.indices[kept])

    def taught(self, data: Dataset) -> nn.Module:
        """Train the teacher on `data`, cropped and mirrored anew in every epoch; in evaluation mode."""
        network = models.for_data(TEACHER, data, seed=self.seed).train()
        steps = -(-len(data) // BATCH)  # an epoch
        epochs = max(EPOCHS, -(-STEPS // steps))
        optimiser = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
        for epoch in range(epochs):
            draw = generator(torch.device("cpu"), self.seed, Stream.LEARNER_STEPS, epoch)
            for index in torch.randperm(len(data), generator=draw).chunk(steps):
                pixels = CropFlip().batch(data.samples[index], draw)
                loss = functional.cross_entropy(network(network_input(pixels)), data.labels[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
        return network.eval()


def distorted(samples: Tensor) -> Tensor:
    """The samples in grey, as JPEG files of low quality."""
    if samples.shape[1] == 3:
        samples = Grayscale().inputs(samples)
    return Jpeg(QUALITY).inputs(samples)
