"""Networks that earlier runs have trained: found, read back, put into a new network to go on from."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from workbench.config import ConfigError, DataError
from workbench.files.untrusted import one_line
from workbench.records import checkpoint, run_folder
from workbench.records.record import Record
from workbench.victim.epochs import CHECKPOINT

PREFIX = "network."  # of the network's tensors among those of the LightningModule


def record_of(folder: Path, architecture: str) -> Record:
    """The record of the complete `workbench train` run in `folder`, whose network must be an `architecture`.

    Raises DataError when the run is missing or not complete, ConfigError when its network is another one.
    """
    record = run_folder.read(folder)
    if record.command != "train":
        found = one_line(record.command, 40)
        raise DataError(f"{folder} holds a `workbench {found}` run: --start needs one of `workbench train`")
    trained = record.config.get("victim")
    if trained != architecture:
        found = one_line(trained, 40)
        raise ConfigError(f"{folder} holds a trained {found}, not {architecture}: start with --victim {found}")
    return record


def weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of the network in a run's folder by name, on the CPU. Raises DataError when they cannot be read."""
    path = folder / CHECKPOINT
    try:
        state = checkpoint.read(path)
        whole = state.get("state_dict") if isinstance(state, dict) else None
        named = whole.items() if isinstance(whole, dict) else ()
        found = {name.removeprefix(PREFIX): value for name, value in named if str(name).startswith(PREFIX)}
        if not found or not all(isinstance(value, Tensor) for value in found.values()):
            raise DataError(f"{path} holds no network")
    except DataError as error:  # an earlier generation is another network than the run's results are of
        raise DataError(f"{error}: train that network again") from error
    return found


def take_over(network: nn.Module, found: Mapping[str, Tensor]) -> list[str]:
    """Copy every tensor of `found` whose name and shape fit into `network`; return the names that stayed fresh.

    With another number of classes that is the classifier; with another number of colours the first layer too.
    """
    own = network.state_dict()
    fitting = {name: value for name, value in found.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]
