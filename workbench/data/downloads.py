"""Data sets by torchvision, downloaded on request."""

import os
from pathlib import Path
from typing import Any

import torch

from workbench.config import ConfigError, DataError
from workbench.data.dataset import DataPair, Dataset
from workbench.data.sources import numbered
from workbench.files import atomic
from workbench.files.places import home
from workbench.files.untrusted import first_line

TORCHVISION = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "svhn": "SVHN"}


def cifar10(rest: str, seed: int) -> DataPair:
    """CIFAR-10."""
    return _torchvision("cifar10", rest)


def cifar100(rest: str, seed: int) -> DataPair:
    """CIFAR-100."""
    return _torchvision("cifar100", rest)


def svhn(rest: str, seed: int) -> DataPair:
    """Street View House Numbers."""
    return _torchvision("svhn", rest)


def data_root() -> Path:
    """Where downloaded data sets are kept: $WORKBENCH_DATA, else data/ in places.home()."""
    return Path(os.environ.get("WORKBENCH_DATA") or home() / "data")


def _torchvision(name: str, rest: str) -> DataPair:
    if rest:
        raise ConfigError(f"data {name}:{rest}: {name} takes nothing after a colon")
    return DataPair(_half(name, "train"), _half(name, "test"))


def _half(name: str, split: str) -> Dataset:
    from torchvision import datasets

    kind: Any = getattr(datasets, TORCHVISION[name])
    arguments = {"split": split} if name == "svhn" else {"train": split == "train"}
    root = data_root()
    new = not root.exists()
    try:
        try:
            source = kind(root, download=False, **arguments)
        except RuntimeError:  # torchvision's word for "not there"
            print(f"downloading {name} to {root}", flush=True)
            source = kind(root, download=True, **arguments)
    except (OSError, RuntimeError) as error:
        if new:
            atomic.remove_folder(root, empty=True)
        raise DataError(
            f"{name} is not in {root} and could not be downloaded ({first_line(error)}): put torchvision's "
            "files for it there (WORKBENCH_DATA names another folder), or use photo-digits or folder:PATH, which need "
            "no network"
        ) from error
    if name == "svhn":
        images, labels, classes = torch.from_numpy(source.data), torch.from_numpy(source.labels), tuple("0123456789")
    else:
        images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()
        labels, classes = torch.tensor(source.targets), tuple(source.classes)
    return Dataset(images, labels.long(), classes, numbered(labels, classes))
