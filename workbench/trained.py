"""Networks that earlier runs have trained: their weights read back, put into a new network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench import runs
from workbench.config import ConfigError, DataError

CHECKPOINT = "victim.ckpt"
PREFIX = "network."  # of the network's tensors among those of the LightningModule


def record_of(folder: Path, architecture: str) -> dict[str, Any]:
    """The record of the complete `workbench train` run in `folder`, whose network must be an `architecture`.

    Raises DataError when the run is missing or not complete, ConfigError when its network is another one.
    """
    record = runs.read(folder)
    if record["command"] != "train":
        raise DataError(f"{folder} holds a `workbench {record['command']}` run: --start needs one of `workbench train`")
    trained = record["config"].get("victim")
    if trained != architecture:
        raise ConfigError(f"{folder} holds a trained {trained}, not {architecture}: start with --victim {trained}")
    return record


def weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of the network in a run's folder by name, on the CPU. Raises DataError when they cannot be read."""
    path = folder / CHECKPOINT
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    except Exception as error:  # torch raises a dozen kinds for a missing, cut or foreign file
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({line[:120]}): train that network again") from error


def take_over(network: nn.Module, found: Mapping[str, Tensor]) -> list[str]:
    """Copy every tensor of `found` whose name and shape fit into `network`; return the names that stayed fresh.

    With another number of classes that is the classifier; with another number of colours the first layer too.
    """
    own = network.state_dict()
    fitting = {name: value for name, value in found.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]
