"""One learner, one seed, on clean or on published samples: a training with a folder and a record of its own."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workbench import device, registry
from workbench.config import VictimConfig, key
from workbench.data.dataset import DataPair, Dataset
from workbench.files.atomic import remove
from workbench.judging.learners import Learner
from workbench.records import run_folder, table
from workbench.victim import train

CLEAN, PUBLISHED = "clean", "published"


@dataclass(frozen=True)
class Case:
    """What is judged. pair: clean training samples and test samples; train: the former as they are published.

    made: the columns of a table that say what noise they carry; elsewhere: data that a learner may know before.
    """

    pair: DataPair
    train: Dataset
    made: table.Identity
    elsewhere: DataPair | None = None

    def scaled(self, side: int) -> "Case":
        """The same with all images at side×side pixels; 0: as they are."""
        pair = replace(self.pair, train=self.pair.train.scaled(side), test=self.pair.test.scaled(side))
        return replace(self, pair=pair, train=self.train.scaled(side))


@dataclass(frozen=True)
class Trial:
    """One training to be done. side: clean, for the learner's ceiling, or published."""

    learner: Learner
    side: str
    config: VictimConfig
    data: str  # fingerprints of what is learnt and tested, and of what was learnt before
    where: Path  # of the folders of all trials of this side

    @property
    def identity(self) -> dict[str, Any]:
        """What it is known by."""
        said = {"learner": self.learner.name, "scale": self.learner.scale, "start": self.learner.start}
        own = registry.sources(network=self.config.victim, defence=self.config.defence)
        return {**self.config.identity(), **said, "side": self.side, "samples": self.data} | (
            {"sources": own} if own else {}
        )

    @property
    def folder(self) -> Path:
        """Where its record and table stand."""
        return self.where / f"{self.learner.name}-{self.config.seed}-{key(self.identity)}"

    def done(self, reuse: bool = False) -> bool:
        """Whether it is complete, by today's code; reuse: or by any."""
        record = run_folder.peek(self.folder)
        return record is not None and record.complete and (record.current or reuse or run_folder.reuse_asked())


def learn(trial: Trial, case: Case) -> pd.DataFrame:
    """Train and test, or read back what is done; an interrupted training goes on. Returns tidy rows."""
    with run_folder.opened(trial.folder, "judge", trial.identity, resume=True, wait=True) as run:
        if run.complete:
            return table.read(trial.folder)
        config, learner = trial.config, trial.learner
        small = case.scaled(learner.side(case.pair.train))
        published = trial.side == PUBLISHED
        samples = small.train if published else small.pair.train
        carries = torch.full((len(samples),), published)
        run.note(device=device.describe(device.pick(config.device)), chance=1 / len(samples.classes))
        with run.stage("train"):
            start = _known(trial, small) if learner.start else None
            curve = train.train(
                config, small.pair, samples, carries, label=learner.name, folder=trial.folder, start=start
            )
        rows = table.table(_identity(trial, case, run.record.key), curve)
        table.write(rows, trial.folder)
    for name in run_folder.HALF_DONE:  # a trained network is not asked for again
        remove(trial.folder / name)
    return rows


def _identity(trial: Trial, case: Case, run: str) -> table.Identity:
    made = case.made if trial.side == PUBLISHED else table.Identity("", case.made.data)
    return replace(made, run=run, victim=trial.config.victim, defence=trial.learner.name, seed=trial.config.seed)


def _known(trial: Trial, case: Case) -> Path:
    """Train the same network on clean data of other classes; return its folder."""
    assert case.elsewhere is not None
    config = replace(trial.config, data=case.elsewhere.name, defence="none")
    side = case.pair.train.side
    pair = DataPair(case.elsewhere.train.scaled(side), case.elsewhere.test.scaled(side))
    identity = {**config.identity(), "side": "elsewhere", "samples": fingerprint(pair)}
    folder = trial.where / f"elsewhere-{config.seed}-{key(identity)}"
    with run_folder.opened(folder, "judge", identity, resume=True, wait=True) as run:
        if not run.complete:
            with run.stage("train"):
                carries = torch.zeros(len(pair.train), dtype=torch.bool)
                train.train(config, pair, pair.train, carries, label="elsewhere", folder=folder)
    return folder


def fingerprint(pair: DataPair, published: Dataset | None = None) -> str:
    """A hash of the samples that are learnt (clean, or as published) and of those that are tested."""
    learnt = published or pair.train
    return key({"clean": pair.train.fingerprint, "learnt": learnt.fingerprint, "test": pair.test.fingerprint})
