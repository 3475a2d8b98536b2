"""Dataset: labelled samples as one tensor of whole numbers, and the pair that a run needs."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import ConfigError
from workbench.files import mapped

SCALED_AT_ONCE = 1024  # images; bounds the float copy


@dataclass(frozen=True)
class Dataset:
    """Labelled images.

    images: uint8 N×C×H×W, pixel values 0..255, C is 1 or 3; labels: int64 N; classes: class names by label;
    names: one relative file name an image ("class/00012.png"), unique; root: the folder they are in, when there is one.
    """

    samples: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def side(self) -> int:
        """The longer side of the images in pixels."""
        return max(self.samples.shape[2:])

    def fingerprint(self) -> str:
        """SHA-256 over shape, pixels, labels and class names, in order: what noise must have been made for."""
        digest = hashlib.sha256(repr((tuple(self.samples.shape), self.classes)).encode())
        for part in mapped.parts(len(self)):
            digest.update(self.samples[part].cpu().contiguous().numpy().data)
            mapped.release(self.samples)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def subset(self, index: Tensor) -> "Dataset":
        """The images at `index` (int64), in that order."""
        names = tuple(self.names[i] for i in index.tolist())
        return replace(self, samples=self.samples[index], labels=self.labels[index], names=names)

    def limited(self, count: int) -> "Dataset":
        """The first `count` images, taken evenly over the classes; 0 or more than there are: all of them."""
        if not 0 < count < len(self):
            return self
        if count < len(self.classes):
            raise ConfigError(f"a limit of {count} images is less than one for each of {len(self.classes)} classes")
        order = torch.arange(len(self))
        rank = torch.empty_like(order)  # an image's place within its class
        for label in range(len(self.classes)):
            mine = self.labels == label
            rank[mine] = torch.arange(int(mine.sum()))
        return self.subset(torch.argsort(rank, stable=True)[:count].sort().values)

    def scaled(self, side: int) -> "Dataset":
        """The images at `side` × `side` pixels, antialiased bilinear; 0: as they are. They are no files any more."""
        if not side or self.samples.shape[2:] == (side, side):
            return self
        parts = [
            functional.interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True)
            for part in self.samples.split(SCALED_AT_ONCE)
        ]
        whole = [part.round().clamp(0, 255).to(torch.uint8) for part in parts]
        return replace(self, samples=torch.cat(whole), root=None)

    def to(self, device: torch.device) -> "Dataset":
        """The same set on a device."""
        return replace(self, samples=self.samples.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class DataPair:
    """Training images, and the test images that stay clean. `name` is the data set's name without paths."""

    name: str
    train: Dataset
    test: Dataset
