"""Defences of a learner who has some of the originals: as they are, or as examples of what the noise does."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.config import ConfigError
from workbench.data.augment import flip
from workbench.data.batches import LAYOUT, Stream, generator
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence, seeded
from workbench.victim.defences.projections import whole
from workbench.victim.defences.shares import of_each_class

STEPS, BATCH, RATE = 400, 32, 4e-3  # of Adam; the rate climbs to its largest and falls to zero
SIDE = 32  # pixels, of the crops that it learns from
NOISE = 8  # pixel values, of a noise as it may be expected
WIDTH = 16  # channels of the purifier's first layers
AT_ONCE = 32  # images; bounds what the layers hold


class Helped(Defence):
    """A defence that looks into the originals."""

    name = ""

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError when there are no originals, or not of these samples."""
        self._originals(data)

    def _originals(self, data: Dataset) -> tuple[Dataset, dict[str, int]]:
        """The originals, and where each stands by its name."""
        if self.originals is None:
            raise ConfigError(f"defence {self.name}: it needs the originals")
        place = {name: i for i, name in enumerate(self.originals.names)}
        lacking = next((name for name in data.names if name not in place), None)
        if lacking is not None or self.originals.samples.shape[1:] != data.samples.shape[1:]:
            what = "are of another size" if lacking is None else f"lack {lacking}"
            raise ConfigError(f"defence {self.name}: the originals {what}")
        return self.originals, place


class CleanShare(Helped):
    """Some samples without noise, in their places among the others. share: percent of each class, one at least."""

    def __init__(self, share: int):
        self.share, self.name = share, f"clean-share-{share}"

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Put originals in the places of a seeded share of each class."""
        originals, place = self._originals(data)
        draw = generator(torch.device("cpu"), self.seed, Stream.HELPED, 0)
        samples = data.samples.clone()
        for i in of_each_class(data.labels, self.share, draw).nonzero()[:, 0].tolist():
            samples[i] = originals.samples[place[data.names[i]]]
        return replace(data, samples=samples)


class Pairs(Helped):
    """The noise taken off by a network that has seen so many samples with and without it. Tests stay as they are.

    A stand-in for the diffusion bridge of the source: as much help, a much smaller network.
    """

    def __init__(self, count: int):
        self.count, self.name = count, f"pairs-{count}"

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError without originals, and when there are fewer samples than pairs."""
        super().check(data, carries)
        if len(data) < self.count:
            raise ConfigError(f"defence {self.name}: there are {len(data)} samples, it needs {self.count} or more")

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Learn from the pairs, then purify all."""
        originals, place = self._originals(data)
        draw = generator(torch.device("cpu"), self.seed, Stream.HELPED, 1)
        index = torch.randperm(len(data), generator=draw)[: self.count]
        clean = originals.samples[torch.tensor([place[data.names[i]] for i in index.tolist()])]
        published, labels = data.samples[index], data.labels[index]
        common = Common(published.float() - clean, labels, len(data.classes))
        network = fitted(published, clean, common, self.seed)
        with torch.no_grad():
            samples = torch.cat([
                whole(part - network(part.float(), common.mean(label)))
                for part, label in zip(data.samples.split(AT_ONCE), data.labels.split(AT_ONCE), strict=True)
            ])  # fmt: skip
        return replace(data, samples=samples)


class Common:
    """The mean noise of each class's pairs: noise that is one for a class is nothing else. noise: float32 N×C×H×W."""

    def __init__(self, noise: Tensor, labels: Tensor, classes: int):
        self.noise, self.labels = noise, labels
        self.sums = noise.new_zeros(classes, *noise.shape[1:]).index_add_(0, labels, noise)
        self.counts = torch.bincount(labels, minlength=classes)[:, None, None, None]

    def mean(self, labels: Tensor) -> Tensor:
        """The mean noise of these classes, 0 for one without pairs: float32 N×C×H×W."""
        return self.sums[labels] / self.counts[labels].clamp(min=1)

    def of_others(self, index: Tensor) -> Tensor:
        """For these pairs the mean of the others of its class: the network would learn to trust the own in it."""
        labels = self.labels[index]
        return (self.sums[labels] - self.noise[index]) / (self.counts[labels] - 1).clamp(min=1)


class UNet(nn.Module):
    """The noise in samples, from these and what their class's noise has in common: all float32 N×C×H×W, pixel values.

    Two levels below the first, for images of any size.
    """

    def __init__(self, channels: int, width: int = WIDTH):
        super().__init__()
        self.start = _block(2 * channels, width)
        self.down, self.deep = _block(width, 2 * width), _block(2 * width, 4 * width)
        self.up, self.end = _block(6 * width, 2 * width), _block(3 * width, width)
        self.last = nn.Conv2d(width, channels, 1)
        with torch.no_grad():
            for parameter in self.last.parameters():
                parameter.zero_()  # it begins by leaving the samples as they are

    def forward(self, pixels: Tensor, common: Tensor) -> Tensor:
        """Down by averages, up by repetition, each level beside the one on the way down."""
        both = torch.cat([pixels / 255 - 0.5, common / NOISE], 1)
        first = self.start(both.contiguous(memory_format=LAYOUT))
        second = self.down(_halved(first))
        second = self.up(torch.cat([second, _like(self.deep(_halved(second)), second)], 1))
        noise: Tensor = self.last(self.end(torch.cat([first, _like(second, first)], 1)))
        return noise * NOISE


def fitted(published: Tensor, clean: Tensor, common: Common, seed: int) -> nn.Module:
    """Teach a U-Net what to subtract from `published` to get `clean`: uint8 N×C×H×W, in the same order."""
    cpu, channels = torch.device("cpu"), clean.shape[1]
    with seeded(generator(cpu, seed, Stream.LEARNER, 0)):
        network = UNet(channels).to(memory_format=LAYOUT)
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for step in range(STEPS):
        draw = generator(cpu, seed, Stream.LEARNER_STEPS, step)
        index = torch.randint(len(clean), (BATCH,), generator=draw)
        together = torch.cat([published[index], clean[index], common.of_others(index)], 1)
        noisy, goal, hint = flip(_crop(together, draw), draw).split(channels, 1)  # cropped and mirrored as one
        loss = (noisy - network(noisy, hint) - goal).square().mean() / NOISE
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _crop(images: Tensor, draw: torch.Generator) -> Tensor:
    """Cut SIDE×SIDE pixels out, at one place for a batch; smaller images stay whole."""
    tops = [int(torch.randint(max(0, side - SIDE) + 1, (1,), generator=draw)) for side in images.shape[2:]]
    return images[:, :, tops[0] : tops[0] + SIDE, tops[1] : tops[1] + SIDE]


def _block(before: int, after: int) -> nn.Module:
    layers = [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.Conv2d(after, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def _halved(found: Tensor) -> Tensor:
    return functional.avg_pool2d(found, 2, ceil_mode=True)


def _like(found: Tensor, other: Tensor) -> Tensor:
    return functional.interpolate(found, scale_factor=2)[..., : other.shape[2], : other.shape[3]]
