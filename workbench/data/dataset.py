"""Dataset: labelled samples as one tensor of whole numbers, and the pair that a run needs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import ConfigError, DataError
from workbench.data.space import IMAGE, Space
from workbench.files import mapped
from workbench.files.layout import Layout

SCALED_AT_ONCE = 1024  # images; bounds the float copy


@dataclass(frozen=True)
class Dataset:
    """Labelled samples.

    samples: whole numbers of the space's type, N×…; images are uint8 N×C×H×W, pixel values 0..255, C is 1 or 3; sound
    is int16 N×C×T at `rate` Hz, zeros after a clip's length (lengths: int64 N); labels: int64 N; classes: class names
    by label; names: one relative file name per sample ("class/00012.png"), unique; root: the folder they are in, when
    there is one; source: the data set's name, whose settings searches and victims take; limits: of sound in a search,
    the largest change of every value.
    """

    samples: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]
    root: Path | None = None
    space: Space = IMAGE
    source: str = "arrays"
    rate: int = 0
    lengths: Tensor | None = None
    limits: Tensor | None = None

    @classmethod
    def of(cls, samples: Any, labels: Any = None, classes: Any = None) -> "Dataset":
        """Check arrays, tensors or a torch Dataset, and take them as images (see data/arrays.py). Raises DataError."""
        from workbench.data import arrays

        return cls(*arrays.checked(samples, labels, classes))

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.samples.shape[1:]))
        return f"Dataset({len(self):,} samples of {shape}, {len(self.classes)} classes, {self.source})"

    @property
    def side(self) -> int:
        """The longest side of a sample, pixels."""
        return max(self.samples.shape[2:])

    @property
    def short(self) -> int:
        """The shortest side of a sample, pixels."""
        return min(self.samples.shape[2:])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shape, samples, labels and class names, in order: what noise must have been made for."""
        digest = hashlib.sha256(repr((tuple(self.samples.shape), self.classes)).encode())
        for part in mapped.parts(len(self)):
            digest.update(self.samples[part].cpu().contiguous().numpy().data)
            mapped.release(self.samples)
        digest.update(self.labels.cpu().contiguous().numpy().data)
        if self.lengths is not None:
            digest.update(repr((self.rate, self.lengths.tolist())).encode())
        return digest.hexdigest()

    def subset(self, index: Tensor) -> "Dataset":
        """The samples at `index` (int64), in that order."""
        names = tuple(self.names[i] for i in index.tolist())
        return replace(self, names=names, **self._each(lambda part: part[index]))

    def limited(self, count: int) -> "Dataset":
        """The first `count` samples, taken evenly over the classes; 0 or more than there are: all of them."""
        if not 0 < count < len(self):
            return self
        if count < len(self.classes):
            raise ConfigError(f"a limit of {count} samples is less than one for each of {len(self.classes)} classes")
        order = torch.arange(len(self))
        rank = torch.empty_like(order)  # a sample's place within its class
        for label in range(len(self.classes)):
            mine = self.labels == label
            rank[mine] = torch.arange(int(mine.sum()))
        return self.subset(torch.argsort(rank, stable=True)[:count].sort().values)

    def scaled(self, side: int) -> "Dataset":
        """The images at `side` × `side` pixels, antialiased bilinear; 0: as they are. They are no files any more."""
        if not side or self.samples.shape[2:] == (side, side):
            return self
        if self.space != IMAGE:
            raise ConfigError(f"side {side}: only images are scaled, these are {self.space.name} data: leave it at 0")
        parts = [
            functional.interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True)
            for part in self.samples.split(SCALED_AT_ONCE)
        ]
        whole = [part.round().clamp(0, 255).to(torch.uint8) for part in parts]
        return replace(self, samples=torch.cat(whole), root=None)

    def to(self, device: torch.device) -> "Dataset":
        """The same set on a device."""
        if self.samples.device == device:
            return self
        return replace(self, **self._each(lambda part: part.to(device)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        parts = {part: getattr(self, part) for part in ("samples", "labels", "lengths", "limits")}
        return {part: change(one) for part, one in parts.items() if one is not None}


@dataclass(frozen=True)
class DataPair:
    """Training samples, and the test samples that stay clean.

    name: the data set's, without paths ("": the samples'); layout: of the folder they were read from, if they were.
    Raises DataError when their classes differ.
    """

    train: Dataset
    test: Dataset
    name: str = ""
    layout: Layout = field(default_factory=Layout, repr=False)

    def __post_init__(self) -> None:
        name = self.name or self.train.source
        for which, value in (
            ("name", name),
            ("train", replace(self.train, source=name)),
            ("test", replace(self.test, source=name)),
        ):
            object.__setattr__(self, which, value)
        if self.train.classes != self.test.classes:
            odd = sorted(set(self.train.classes) ^ set(self.test.classes))
            what = f"class {odd[0]!r} is not in both" if odd else "their classes are in another order"
            raise DataError(f"training and test samples: {what}: give both the same classes")

    @property
    def space(self) -> Space:
        """What the numbers are."""
        return self.train.space

    def check_sizes(self) -> None:
        """Raise DataError unless training and test samples are of one shape."""
        train, test = (_shape(part) for part in (self.train, self.test))
        if train != test:
            raise DataError(f"training samples are {train}, test samples {test}: bring them to one size")


def _shape(data: Dataset) -> str:
    channels, *sides = data.samples.shape[1:]
    size = "×".join(map(str, reversed(sides)))
    return f"{size} with {channels} channel{'s' if channels > 1 else ''}"
