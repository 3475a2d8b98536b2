"""A search by several processes, one device each: Lightning starts them, rank 0 leaves the noise in a file."""

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from workbench import device, progress
from workbench.config import DataError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.files.places import temporary
from workbench.files.untrusted import one_line
from workbench.noise import run as method
from workbench.noise.perturbation import FILE_NAME, Perturbation


def run(config: NoiseConfig, data: Dataset, fabric: Fabric) -> tuple[Tensor, dict[str, Any]]:
    """Return δ in whole steps on the CPU, and the facts of its rounds. Such a search keeps no checkpoint.

    Every process gets a copy of the samples through a pipe: shared memory is 64 MB small in many containers.
    """
    # Copies: a tensor that is sent takes its whole storage into shared memory, from under the arrays.
    empty = replace(data, samples=data.samples[:0].clone(), labels=data.labels[:0].clone())
    plain = (data.samples.numpy(), data.labels.numpy(), empty)
    with tempfile.TemporaryDirectory(dir=temporary()) as folder:
        file = Path(folder) / FILE_NAME
        try:
            facts: dict[str, Any] = fabric.launch(partial(_in_process, config=config, plain=plain, file=file))
        except ProcessRaisedException as error:
            last = one_line(str(error).strip().splitlines()[-1])
            raise DataError(f"one of {fabric.world_size} processes failed: {last}") from error
        return Perturbation.load(file).delta.clone(), facts


def _in_process(fabric: Fabric, config: NoiseConfig, plain: Any, file: Path) -> dict[str, Any]:
    samples, labels, empty = plain
    data = replace(empty, samples=torch.from_numpy(samples), labels=torch.from_numpy(labels))
    with progress.shown_as("off") if fabric.global_rank > 0 else nullcontext():
        whole, facts = method.run(config, data, fabric, None)
    if fabric.local_rank == 0:
        Perturbation(whole, config.kind, config.epsilon, config.method, "0" * 64, data.space, shape=config.shape).save(
            file
        )
    fabric.barrier()
    device.leave_group()
    return facts
