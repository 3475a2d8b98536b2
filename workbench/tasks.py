"""One function a command: open the run's folder, do the work, leave its files and its record, return plain values.

The command line and the notebooks both call these, so a notebook's stage and a command's run are the same thing on
disk, and a finished stage is not done twice.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workbench import device, models, noise
from workbench.config import DataConfig, NoiseConfig, VictimConfig
from workbench.data import sources
from workbench.data.dataset import DataPair
from workbench.data.measures import linear_separability
from workbench.export import write
from workbench.files import mapped
from workbench.noise import perturbation
from workbench.noise.perturbation import Perturbation
from workbench.records import run_folder, table
from workbench.records.record import Record
from workbench.victim import exposure, module, trained

DESCRIBED = 10_000


def make_noise(config: NoiseConfig, out: Path, *, resume: bool = False, data: DataPair | None = None) -> Perturbation:
    """Search noise and leave it in `out` with its record. A complete run is read back, not repeated.

    data: what `config` names, when it is loaded already.
    """
    config = noise.resolved(config, data_name(config))
    on = device.pick(config.device)
    run_folder.check_free(out, "noise", asdict(config), resume=resume)
    data = data or sources.load(config)
    for name in noise.architectures(config):
        models.check_fits(name, min(data.train.samples.shape[2:]))
    mapped.check_room(out, noise.bytes_on_disk(config, data.train), "the search", "make room or name another folder")
    mine = data.train.fingerprint
    with run_folder.opened(out, "noise", asdict(config), resume=resume, data_fingerprint=mine) as run:
        if run.complete:
            return perturbation.load(out)
        run.note(device=device.describe(on))
        with run.stage("noise"):
            search = partial(noise.search, data=data.train, folder=out)
            (found, facts), smaller = device.within_memory(search, config)
        found.save(out)
        run.note(**facts, **smaller, noise=describe_noise(found, data.train.labels))
    noise.forget(out)
    return found


def describe_noise(found: Perturbation, labels: torch.Tensor) -> dict[str, float]:
    """Measures of the noise itself, for the record: sign balance, separability by a linear model, likeness.

    Of more than DESCRIBED noises, that many at even distances are measured.
    """
    chosen = torch.linspace(0, len(found.delta) - 1, min(len(found.delta), DESCRIBED)).round().long()
    delta = found.delta[chosen]
    measured = {
        "largest": float(delta.short().abs().max()),
        "share_positive": float((delta > 0).float().mean()),
        "share_negative": float((delta < 0).float().mean()),
    }
    if found.kind == "samplewise":
        measured["linear_separability"] = linear_separability(delta, labels[chosen])
        measured["within_class_similarity"] = noise.within_class_similarity(delta, labels[chosen])
    return {name: round(value, 4) for name, value in measured.items()}


def train_victim(
    config: VictimConfig,
    noise_folder: Path | None,
    out: Path,
    *,
    resume: bool = False,
    data: DataPair | None = None,
    start: Path | None = None,
) -> pd.DataFrame:
    """Train a victim, on clean images or on those with the noise in `noise_folder`, and leave `out`/results.csv.

    start: the folder of an earlier complete run of the same architecture, whose network the training goes on from; the
    victim is then called "ARCHITECTURE after METHOD", METHOD being what that network had learnt from.
    """
    config = module.resolved(config, data_name(config))
    made, found = _noise_for(noise_folder)
    before = trained.record_of(start, config.victim) if start else None
    identity = victim_identity(config, made, before)
    on = device.pick(config.device)
    run_folder.check_free(out, "train", identity, resume=resume)
    data = data or sources.load(config)
    if found is not None:
        found.check_belongs(data.train)
    seen, chosen = exposure.published(data.train, found, config)
    exposure.check(config, seen, chosen)
    models.check_fits(config.victim, min(data.train.samples.shape[2:]))
    mine = data.train.fingerprint
    with run_folder.opened(out, "train", identity, resume=resume, data_fingerprint=mine) as run:
        if run.complete:
            return table.read(out)
        run.note(device=device.describe(on))
        method, kind = (found.method, found.kind) if found else ("clean", "none")
        label = f"victim, {method}{f' {kind}' if found else ''} images"
        label += ", epoch" if config.defence == "none" else f", {config.defence}, epoch"
        with run.stage("train"):
            learn = partial(
                module.train,
                data=data,
                perturbation=found,
                label=label,
                folder=out,
                start=start,
                noted=run.note,
            )
            curve, smaller = device.within_memory(learn, config)
        run.note(**smaller)
        identity_of_rows = table.Identity(
            run.record.key,
            data.name,
            method,
            kind,
            epsilon=found.epsilon if found else 0,
            surrogate=made.config["surrogate"] if made and found and found.method != "random" else "none",
            victim=config.victim + (f" after {table.read(start)['method'].iloc[0]}" if start else ""),
            defence=config.defence,
            protected_fraction=round(float(chosen.float().mean()), 4),
            seed=config.seed,
        )
        rows = table.table(identity_of_rows, curve)
        table.write(rows, out)
    return rows


def victim_identity(config: VictimConfig, made: Record | None, start: Record | None = None) -> dict[str, Any]:
    """What a victim's run is known by: its configuration, the key of its noise, whose record is `made`, and the key of
    the run it goes on from, whose record is `start`, if there is one.
    """
    identity = {**asdict(config), "noise": made.key if made else None}
    return identity | ({"start": start.key} if start else {})


def _noise_for(folder: Path | None) -> tuple[Record | None, Perturbation | None]:
    if folder is None:
        return None, None
    return run_folder.read(folder), perturbation.load(folder)


def export(config: DataConfig, noise_folder: Path | None, out: Path, *, official: bool = False) -> dict[str, Any]:
    """Export the training images, protected (or, without a noise folder, as they are), as PNG files with a manifest."""
    made, found = _noise_for(noise_folder)
    write.check_new(out)
    data = sources.load(config)
    same_folder = data.train.root is not None and data.train.root == data.test.root
    facts = {
        "source": data.name,
        "seed": config.seed,
        "noise_run": made.key if made else None,
        "left_out": list(data.test.names) if same_folder else [],
    }
    return write.export(data.train, found, out, official=official, **facts)


def data_name(config: DataConfig) -> str:
    """The data set's name in a SPEC, checked."""
    name = config.data.partition(":")[0]
    sources.check_name(name)
    return name
