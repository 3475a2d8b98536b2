"""Training a victim: Lightning's Trainer, every epoch kept on disk, and networks of earlier runs to go on from.

The clean twin and every protected run go through `train` with the same configuration, so that only the noise differs.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from workbench import device, models, registry
from workbench.config import ConfigError, DataError, VictimConfig, check_choice
from workbench.data import delay
from workbench.data.dataset import DataPair, Dataset
from workbench.files.atomic import sweep
from workbench.records import checkpoint
from workbench.records.nan_guard import NotFinite
from workbench.victim import composed, recipes, warm_start
from workbench.victim.epochs import CHECKPOINT, EveryEpoch, Generations, LeaveGroup, ShowEpochs, heard, quiet
from workbench.victim.module import Victim
from workbench.victim.recipes import Recipe

GRADIENT_CLIP = 5.0
ADVICE = "lower --learning-rate"


def resolved(config: VictimConfig, recipe: Recipe) -> VictimConfig:
    """Fill every setting that was left open from the recipe. Raises ConfigError for names that are unknown."""
    models.check_name(config.victim)
    composed.check_name(config.defence)
    device.check_group(device.pick(config.device), config)
    if config.devices * config.num_nodes > 1 and registry.sources(network=config.victim):
        raise ConfigError(f"network {config.victim}: one of your own trains on one device only: use --devices 1")
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "augmentation")
    usual = {**vars(recipe), **recipes.OPTIMISERS[config.optimiser]}
    full = replace(config, **{name: usual[name] for name in names if getattr(config, name) is None})
    check_choice("augmentation", full.augmentation or "", delay.EVERY)
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
    made = composed.prepared(config.defence, exposed, carries, seed=config.seed, originals=data.train)
    learnt = made.train_set(exposed, carries)
    learnt, test, *held = (
        replace(part, samples=made.inputs(part.samples)) for part in (learnt, data.test, made.held) if part
    )
    network = models.for_data(config.victim, learnt, seed=config.seed)
    warmup = (recipe or recipes.named(data.name)).warmup
    victim = Victim(network, config, learnt, test, made, warmup, *held)
    with device.enough_memory(config.batch_size or 1), quiet(), heard():
        if start is not None:
            warm_start.take_over(network, warm_start.weights(start))
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
    trainer = _trainer(victim.config, [*callbacks, LeaveGroup()], strategy=strategy, plugins=[Generations()])
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
        accelerator=device.pick(config.device).type,
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
