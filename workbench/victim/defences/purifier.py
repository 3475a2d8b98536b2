"""Purifying by an autoencoder that learns from the published samples alone: what the class foretells is left out.

In the manner of Yu et al. (ICML 2024), small and in one stage: a narrow code holds the image, an embedding of its class
what can be foretold from the class, and the image is decoded from the code alone.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from workbench.config import ConfigError
from workbench.data.batches import LAYOUT, Stream, generator
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence, seeded
from workbench.victim.defences.projections import whole

STEPS, BATCH, RATE = 700, 64, 4e-3  # of Adam; the rate climbs to its largest and falls to zero
LEAST_BATCH = 8
PIXELS = BATCH * 32 * 32  # of a batch: larger images come fewer at a time
WIDTH, CODE = 24, 32  # channels: of the largest layers, and of the code, which has a quarter of the sides
NATS = 0.1  # of information a pixel value may cost nothing: so little that the image is kept and noise is not
ERROR, INFORMATION = 100.0, 3.0  # weights of the squared error, of pixels in 0..1, and of more nats than that
LEAST = 4  # pixels a side
AT_ONCE = 64  # images; bounds what the layers hold


class Purifier(Defence):
    """Every training sample as the autoencoder gives it back; tests stay as they are."""

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError for images that are too small."""
        if data.short < LEAST:
            raise ConfigError(f"defence purifier: it needs images of {LEAST} pixels a side or more")

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Learn from all samples, then decode each from its code."""
        network = fitted(data, self.seed)
        with torch.no_grad():
            parts = [whole(network.purified(part)) for part in data.samples.split(AT_ONCE)]
        return replace(data, samples=torch.cat(parts))


class Autoencoder(nn.Module):
    """Images from a code, and the rest of them from the code and their class: pixel values, any size from LEAST on."""

    def __init__(self, shape: tuple[int, ...], classes: int):
        super().__init__()
        channels, sides = shape[0], [-(-side // 4) for side in shape[1:]]
        self.sides, self.code_shape = list(shape[1:]), (CODE, *sides)
        self.encode = nn.Sequential(
            _conv(channels, WIDTH), _conv(WIDTH, WIDTH, 2), _conv(WIDTH, 2 * WIDTH, 2),
            nn.Conv2d(2 * WIDTH, 2 * CODE, 1),
        )  # fmt: skip
        self.decode, self.foretell = _decoder(CODE, channels), _decoder(2 * CODE, channels)
        self.classes = nn.Embedding(classes, CODE * sides[0] * sides[1])
        nn.init.normal_(self.classes.weight, std=0.1)

    def codes(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The codes' means and logarithms of their variances: float32 N×CODE×H/4×W/4."""
        found = self.encode((samples / 255 - 0.5).contiguous(memory_format=LAYOUT))
        mean, log_variance = found.chunk(2, 1)
        return mean, log_variance.clamp(-8, 8)

    def purified(self, samples: Tensor) -> Tensor:
        """What the codes' means are decoded to: float32 N×C×H×W."""
        return self._cut(self.decode(self.codes(samples)[0])) * 255 + 127.5

    def loss(self, samples: Tensor, labels: Tensor, draw: torch.Generator) -> Tensor:
        """The error of the image alone, that with the class's part, and the information beyond what is free."""
        mean, log_variance = self.codes(samples)
        code = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=draw)
        rest = samples / 255 - 0.5 - self._cut(self.decode(code))
        by_class = self.classes(labels).view(-1, *self.code_shape)
        unforetold = rest - self._cut(self.foretell(torch.cat([code, by_class], 1)))
        nats = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2 / samples.numel()
        errors = rest.square().mean() + unforetold.square().mean()
        return ERROR * errors + INFORMATION * torch.relu(nats - NATS)

    def _cut(self, found: Tensor) -> Tensor:
        return found[..., : self.sides[0], : self.sides[1]]


def fitted(data: Dataset, seed: int) -> Autoencoder:
    """Teach an autoencoder the samples; in evaluation mode."""
    cpu = torch.device("cpu")
    with seeded(generator(cpu, seed, Stream.LEARNER, 0)):
        network = Autoencoder(tuple(data.samples.shape[1:]), len(data.classes)).to(memory_format=LAYOUT)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    batch = min(BATCH, max(LEAST_BATCH, PIXELS // data.samples[0, 0].numel()))
    for step in range(STEPS):
        draw = generator(cpu, seed, Stream.LEARNER_STEPS, step)
        index = torch.randint(len(data), (batch,), generator=draw)
        optimiser.zero_grad()
        network.loss(data.samples[index], data.labels[index], draw).backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _conv(before: int, after: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU())


def _decoder(before: int, channels: int) -> nn.Module:
    return nn.Sequential(
        _conv(before, 2 * WIDTH), nn.Upsample(scale_factor=2), _conv(2 * WIDTH, WIDTH), nn.Upsample(scale_factor=2),
        _conv(WIDTH, WIDTH), nn.Conv2d(WIDTH, channels, 3, padding=1),
    )  # fmt: skip
