"""A search by several processes, a device each: Lightning starts them, rank 0 leaves the noise in a file."""

import os
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from workbench.config import DataError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.noise import em_joint, perturbation
from workbench.noise.budget import PerturbationBudget
from workbench.noise.perturbation import Perturbation

METHODS = {"em-joint": em_joint.search}


def search(config: NoiseConfig, data: Dataset, fabric: Fabric) -> tuple[Tensor, dict[str, Any]]:
    """Return δ as a method does, on the CPU, and the facts of its rounds. The search keeps no checkpoint.

    Every process gets a copy of the images through a pipe: shared memory is 64 MB small in many containers.
    """
    plain = replace(data, samples=data.samples.numpy(), labels=data.labels.numpy())  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        try:
            facts: dict[str, Any] = fabric.launch(partial(_in_process, config=config, plain=plain, folder=Path(folder)))
        except ProcessRaisedException as error:
            raise DataError(
                f"one of {fabric.world_size} processes failed: {str(error).strip().splitlines()[-1]}"
            ) from error
        return perturbation.load(Path(folder)).delta.clone(), facts


def _in_process(fabric: Fabric, config: NoiseConfig, plain: Dataset, folder: Path) -> dict[str, Any]:
    if fabric.global_rank > 0:
        os.environ["WORKBENCH_PROGRESS"] = "off"
    images, labels = torch.from_numpy(plain.samples), torch.from_numpy(plain.labels)
    data = replace(plain, samples=images, labels=labels).to(fabric.device)
    delta, rounds = METHODS[config.method](data, config, fabric, None)
    if fabric.local_rank == 0:
        whole = delta if delta.dtype == torch.int8 else PerturbationBudget(config.epsilon).round(delta)
        Perturbation(whole.cpu(), config.kind, config.epsilon, config.method, "0" * 64).save(folder)
    fabric.barrier()
    return rounds.facts()
