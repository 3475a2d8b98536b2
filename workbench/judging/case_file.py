"""What is judged, as one file that the processes of a judgement map: samples, labels, names of classes."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from workbench.data.dataset import DataPair, Dataset
from workbench.data.sources import numbered
from workbench.data.space import Space
from workbench.files.atomic import make, replacing
from workbench.judging.trial import Case
from workbench.records import table

NAME = "case.safetensors"


def write(case: Case, folder: Path) -> None:
    """Write folder/case.safetensors."""
    parts = {"train": case.pair.train, "test": case.pair.test, "published": case.train}
    if case.elsewhere:
        parts |= {"elsewhere-train": case.elsewhere.train, "elsewhere-test": case.elsewhere.test}
    tensors: dict[str, Tensor] = {}
    for name, data in parts.items():
        for part, values in ((name, data.samples), (f"{name}-labels", data.labels), (f"{name}-lengths", data.lengths)):
            if values is not None:
                tensors[part] = values.clone(memory_format=torch.contiguous_format)  # some are the same in memory
    facts = {name: [data.source, list(data.classes), _told(data.space), data.rate] for name, data in parts.items()}
    make(folder)
    with replacing(folder / NAME) as file:
        file.write(save(tensors, {"parts": json.dumps(facts), "made": json.dumps(asdict(case.made))}))


def read(folder: Path) -> Case:
    """Read it back, with names that count the samples."""
    with safe_open(folder / NAME, "pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["parts"])
        made = table.Identity(**json.loads(file.metadata()["made"]))
        found = {name: _dataset(file, name, *facts[name]) for name in facts}
    pair = DataPair(found["train"], found["test"])
    there = "elsewhere-train" in found
    return Case(
        pair, found["published"], made, DataPair(found["elsewhere-train"], found["elsewhere-test"]) if there else None
    )


def counted(data: Dataset) -> Dataset:
    """The samples under names that count them, as a worker knows them."""
    return replace(data, names=numbered(data.labels, data.classes), root=None)


def _told(space: Space) -> list[Any]:
    return [*space[:4], *(str(kept).removeprefix("torch.") for kept in (space.sample, space.delta))]


def _dataset(file: Any, name: str, source: str, classes: list[str], told: list[Any], rate: int) -> Dataset:
    called, low, high, unit, sample, delta = told
    space = Space(called, low, high, unit, getattr(torch, sample), getattr(torch, delta))
    samples, labels = file.get_tensor(name), file.get_tensor(f"{name}-labels")
    names, lengths = numbered(labels, tuple(classes)), f"{name}-lengths"
    return Dataset(
        samples, labels, tuple(classes), names, space=space, source=source, rate=rate,
        lengths=file.get_tensor(lengths) if lengths in file.keys() else None,  # noqa: SIM118 (it is no mapping)
    )  # fmt: skip
