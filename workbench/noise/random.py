"""`random`: noise of the same size, the control."""

from pathlib import Path

from lightning.fabric import Fabric
from torch import Tensor

from workbench.config import NoiseConfig
from workbench.data.batches import generator
from workbench.data.dataset import Dataset
from workbench.noise.budget import PerturbationBudget
from workbench.noise.em import start


def search_random(data: Dataset, config: NoiseConfig, fabric: Fabric, folder: Path | None) -> tuple[Tensor, None]:
    """Draw δ uniformly from the ball, once: what a change of this size does by itself."""
    budget, zero = PerturbationBudget(config.epsilon), start(data, config.kind)
    return budget.random_start(tuple(zero.shape), generator(zero.device, config.seed, 4)), None
