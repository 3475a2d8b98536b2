"""Training a victim: Lightning's Trainer, every epoch kept on disk, and networks of earlier runs to go on from.

The clean twin and every protected run go through `train` with the same configuration, so that only the noise differs.
"""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from workbench import device, models, registry
from workbench.config import ConfigError, DataError, VictimConfig, check_choice
from workbench.data.augment import AUGMENTATIONS
from workbench.data.dataset import DataPair, Dataset
from workbench.files.atomic import sweep
from workbench.files.untrusted import one_line
from workbench.records import checkpoint, run_folder
from workbench.records.nan_guard import NotFinite
from workbench.records.record import Record
from workbench.victim import composed, recipes
from workbench.victim.epochs import EveryEpoch, Generations, ShowEpochs
from workbench.victim.module import Victim
from workbench.victim.recipes import Recipe

CHECKPOINT = "victim.ckpt"
PREFIX = "network."  # of the network's tensors among those of the LightningModule
GRADIENT_CLIP = 5.0
ADVICE = "lower --learning-rate"


def resolved(config: VictimConfig, recipe: Recipe) -> VictimConfig:
    """Fill every setting that was left open from the recipe. Raises ConfigError for names that are unknown."""
    models.check_name(config.victim)
    composed.check_name(config.defence)
    device.check_group(device.pick(config.device), config.devices, config.precision)
    if config.devices * config.num_nodes > 1 and registry.sources(network=config.victim):
        raise ConfigError(f"network {config.victim}: one of your own trains on one device only: use --devices 1")
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "augmentation")
    full = replace(config, **{name: getattr(recipe, name) for name in names if getattr(config, name) is None})
    check_choice("augmentation", full.augmentation or "", AUGMENTATIONS)
    return full


def train(
    config: VictimConfig,
    data: DataPair,
    exposed: Dataset,
    carries: Tensor,
    *,
    recipe: Recipe | None = None,
    label: str = "victim",
    folder: Path | None = None,
    start: Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> list[dict[str, Any]]:
    """Train a victim on `exposed`, the training set as exposure.expose publishes it, and return its curve (see Victim).

    config: as `resolved` returned it; carries: which samples carry noise, bool N; recipe: whose warm-up (None: that of
    `data.name`); folder: where a checkpoint is kept after every epoch; training goes on from one that is there (None:
    nothing is written). start: the folder of an earlier run, whose network this one goes on from; the curve then begins
    with its test values before any training, as epoch 0. callbacks: Lightning's, to watch the training. Raises
    DataError, naming epoch and step, for a loss that is not finite, and when there is not enough memory.
    """
    made = composed.prepared(config.defence, exposed, carries)
    learnt = made.train_set(exposed, carries)
    learnt = replace(learnt, samples=made.inputs(learnt.samples))
    test = replace(data.test, samples=made.inputs(data.test.samples))
    network = models.for_data(config.victim, learnt, seed=config.seed)
    warmup = (recipe or recipes.named(data.name)).warmup
    victim = Victim(network, config, learnt, test, made, warmup)
    with device.enough_memory(config.batch_size or 1), _quiet(), _heard():
        if start is not None:
            take_over(network, weights(start))
            _trainer(replace(config, devices=1, num_nodes=1)).validate(victim, verbose=False)
        if config.compile:
            network.compile()  # in place, so that its weights keep their names
        _fit(victim, folder / CHECKPOINT if folder else None, [ShowEpochs(label), *callbacks])
    return victim.curve


def _fit(victim: Victim, path: Path | None, callbacks: Sequence[Callback]) -> None:
    """Train, going on from the newest checkpoint at `path` if there is one.

    On several devices Lightning starts a process for each; what the module's state_dict holds comes back from the
    first. Raises DataError when one of them fails.
    """
    several = victim.config.devices * victim.config.num_nodes > 1
    newest = None
    if path is not None:
        sweep(path.parent, path.name)  # what a killed process left half written
        callbacks = [*callbacks, EveryEpoch(path)]
        if checkpoint.exists(path):
            newest = str(path)
            if several:
                checkpoint.load(path)  # puts an earlier one in a damaged one's place, before all of them read it
    strategy = "ddp_spawn" if several else "auto"
    trainer = _trainer(victim.config, callbacks, strategy=strategy, plugins=[Generations()])
    try:
        trainer.fit(victim, ckpt_path=newest, weights_only=True)
    except NotFinite as error:
        raise DataError(f"{error}: {ADVICE}") from error
    except ProcessRaisedException as error:
        kind, _, last = str(error).strip().splitlines()[-1].partition(": ")
        if kind.endswith(NotFinite.__name__):
            raise DataError(f"{last}: {ADVICE}") from error
        raise DataError(f"one of the processes that train together failed: {kind}: {last}") from error


def _trainer(config: VictimConfig, callbacks: Sequence[Callback] = (), **more: Any) -> Trainer:
    return Trainer(
        accelerator="gpu" if device.pick(config.device).type == "cuda" else "cpu",
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        max_epochs=config.epochs,
        gradient_clip_val=GRADIENT_CLIP,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=any(isinstance(callback, EveryEpoch) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,  # whose tensors the metrics could not be reset in
        **more,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice about workers and loggers to itself: they are left out on purpose."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        yield


@contextmanager
def _heard() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C, which Lightning turns into exit(1) and leaves switched off."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        raise KeyboardInterrupt from ended
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


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
