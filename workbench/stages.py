"""Recorded stages: noise, victim, export. Each opens its run's folder, does the work once, leaves files and a record.

The command line and the notebooks both call these, so a notebook's stage and a command's run are the same thing on
disk, and what is finished is read back.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workbench import budgets, catalogue, device, models, noise, registry
from workbench.config import DataConfig, NoiseConfig, VictimConfig
from workbench.data import delay, sources
from workbench.data.dataset import DataPair
from workbench.data.measures import describe_noise
from workbench.export import write
from workbench.files import lock, mapped
from workbench.files.layout import check_output
from workbench.noise.perturbation import FILE_NAME, Perturbation
from workbench.records import foreign_table, run_folder, table
from workbench.records.record import Record
from workbench.victim import composed, exposure, recipes, train, warm_start
from workbench.victim.exposure import Exposed


class Found(NamedTuple):
    """Noise and, where a run of this program made it, its record."""

    noise: Perturbation
    record: Record | None

    @property
    def key(self) -> str:
        """What a victim's run knows the noise by: the key of its run, or a hash of the noise."""
        return self.record.key if self.record else self.noise.digest

    @property
    def surrogate(self) -> str:
        """The network that it was made against, for a table."""
        entry = catalogue.METHODS.get(self.noise.method)
        if entry is not None and not entry.surrogates:
            return entry.stands_for or "none"
        name = str(self.record.config.get("surrogate")) if self.record else self.noise.surrogate
        return name if foreign_table.NAME.fullmatch(name) else "unknown"  # somebody else may have written the record


def find_noise(path: Path | None) -> Found | None:
    """The noise in a run's folder, or in a bare file; None for none. Raises DataError."""
    if path is None:
        return None
    run = path if path.is_dir() else path.parent if path.name == FILE_NAME else None
    recorded = run is not None and (path.is_dir() or (run / run_folder.RECORD).is_file())
    return Found(Perturbation.load(path), run_folder.read(run) if recorded and run else None)


def make_noise(config: NoiseConfig, out: Path, *, data: DataPair | None = None, **how: Any) -> Perturbation:
    """Search noise and leave it in `out` with its record.

    data: what `config` names, when it is loaded already; how: resume, reuse, wait, as run_folder.opened takes them.
    """
    config = noise.resolved(config, data_name(config))
    identity = noise_identity(config)
    on = device.pick(config.device)
    check_output(config.data, out)
    run_folder.check_free(out, "noise", identity, resume=how.get("resume", False), wait=how.get("wait", False))
    data = data or sources.load(config)
    if not catalogue.METHODS[config.method].stands_for:
        for name in noise.architectures(config):
            models.check_fits(name, data.train.short, data.space.name)
    mapped.check_room(out, noise.bytes_on_disk(config, data.train), "the search", "make room or name another folder")
    with run_folder.opened(out, "noise", identity, data_fingerprint=data.train.fingerprint, **how) as run:
        if run.complete:
            return Perturbation.load(out)
        data.layout.tell(config.data)
        run.note(device=device.describe(on), contents=data.layout.facts)
        with run.stage("noise"):
            found, facts = noise.make(config, data.train, folder=out)
        found.save(out / FILE_NAME)
        run.note(**facts, noise=describe_noise(found.delta, found.kind, data.train.labels))
    noise.forget(out)
    return found


def noise_identity(config: NoiseConfig) -> dict[str, Any]:
    """What a search is known by; config: as noise.resolved returns it."""
    return _with_sources(config.identity(), noise.sources(config))


def train_victim(
    config: VictimConfig, noise_path: Path | None, out: Path, *, data: DataPair | None = None,
    start: Path | None = None, **how: Any,
) -> pd.DataFrame:  # fmt: skip
    """Train a victim, on clean samples or on those with the noise in `noise_path`, and leave `out`/results.csv.

    start: the folder of an earlier complete run of the same architecture, whose network the training goes on from; the
    victim is then called "ARCHITECTURE after METHOD", METHOD being what that network had learnt from. data, how: as
    for make_noise.
    """
    config, found = train.resolved(config, recipes.named(data_name(config))), find_noise(noise_path)
    before = warm_start.record_of(start, config.victim) if start else None
    identity = victim_identity(config, found, before)
    on = device.pick(config.device)
    check_output(config.data, out)
    run_folder.check_free(out, "train", identity, resume=how.get("resume", False), wait=how.get("wait", False))
    data = data or sources.load(config)
    if found is not None:
        found.noise.check_belongs(data.train)
    models.check_fits(config.victim, data.train.short, data.space.name)
    delay.named(config.augmentation or "none", data.space.name)
    exposed = exposure.expose(data.train, found.noise if found else None, config)
    composed.prepared(config.defence, *exposed)  # or what makes no sense would leave a folder
    mine, noise_digest = data.train.fingerprint, found.noise.digest if found else None
    with run_folder.opened(out, "train", identity, data_fingerprint=mine, made_from=noise_digest, **how) as run:
        if run.complete:
            return table.read(out)
        data.layout.tell(config.data)
        run.note(device=device.describe(on), contents=data.layout.facts, chance=1 / len(data.train.classes))
        with run.stage("train"):
            curve = learn(config, data, exposed, found, folder=out, start=start)
        after = str(table.read(start)["method"].iloc[0]) if start else ""
        rows = table.table(row_identity(config, data, run.record.key, found, exposed, after), curve)
        table.write(rows, out)
    return rows


def learn(
    config: VictimConfig, data: DataPair, exposed: Exposed, found: Found | None, *, folder: Path | None = None,
    start: Path | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train on what is published and return the curve."""
    what = f"{found.noise.method} {budgets.kind_in_words(found.noise.kind)}" if found else "clean"
    label = f"victim, {what}, " + ("epoch" if config.defence == "none" else f"{config.defence}, epoch")
    return train.train(config, data, *exposed, label=label, folder=folder, start=start)


def row_identity(
    config: VictimConfig, data: DataPair, run: str, found: Found | None, exposed: Exposed, after: str = ""
) -> table.Identity:
    """The columns of a victim's rows; after: what the network had learnt from that it went on from."""
    return table.Identity(
        run=run,
        data=data.name,
        method=found.noise.method if found else "clean",
        kind=budgets.kind_name(found.noise.kind, found.noise.shape) if found else "none",
        epsilon=found.noise.epsilon if found else 0,
        surrogate=found.surrogate if found else "none",
        victim=config.victim + (f" after {after}" if after else ""),
        defence=config.defence,
        protected_fraction=round(float(exposed.carries.float().mean()), 4),
        seed=config.seed,
    )


def victim_identity(config: VictimConfig, found: Found | None, start: Record | None = None) -> dict[str, Any]:
    """What a victim's run is known by: its configuration, its noise, and the key of the run it goes on from."""
    identity = {**config.identity(), "noise": found.key if found else None} | ({"start": start.key} if start else {})
    name = config.data.partition(":")[0]
    return _with_sources(identity, registry.sources(network=config.victim, defence=config.defence, data=name))


def export(config: DataConfig, noise_path: Path | None, out: Path, *, official: bool = False) -> dict[str, Any]:
    """Export the training images, protected (or, without noise, as they are), as PNG files with a manifest."""
    found = find_noise(noise_path)
    check_output(config.data, out)
    write.check_new(out)
    lock.check_free(out)
    data = sources.load(config)
    taken = set(data.train.names)
    facts = {
        "source": data.name,
        "contents": data.layout.facts,
        "seed": config.seed,
        "noise_run": found.key if found else None,
        "left_out": [name for name in data.layout.train.names if name not in taken],
    }
    manifest = write.export(data.train, found.noise if found else None, out, official=official, **facts)
    data.layout.tell(config.data)
    return manifest


def data_name(config: DataConfig) -> str:
    """The data set's name in a SPEC, checked."""
    name = config.data.partition(":")[0]
    registry.check("data", name)
    return name


def _with_sources(identity: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    """The identity of a run, with the hashes of one's own code that it uses: changed code is another run."""
    return identity | ({"sources": own} if own else {})
