"""What a notebook asks of the program: noises and victims of one data set, each kept in a folder named by what it is.

Runs of a sweep share one such store, so a clean twin that many of them need is trained once, whoever comes first; the
others wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench import models, noise, stages
from workbench.budgets import kind_name
from workbench.config import ConfigError, DataConfig, NoiseConfig, VictimConfig, as_row, check_choice, key
from workbench.data import measures, sources
from workbench.data.dataset import DataPair
from workbench.data.measures import linear_separability
from workbench.data.space import AUDIO, IMAGE
from workbench.files.atomic import make
from workbench.files.layout import check_output
from workbench.files.names import chosen
from workbench.files.places import home
from workbench.judging import stage as judging
from workbench.judging.config import JudgeConfig
from workbench.judging.judgement import Watching
from workbench.judging.score import Score
from workbench.noise.perturbation import Perturbation
from workbench.records import run_folder, study_file, table
from workbench.records.record import Record
from workbench.stages import Found
from workbench.victim import matching, recipes, train

MOST = 5000  # samples whose linear separability is measured


@dataclass(frozen=True)
class Made:
    """Noise that was found, and the folder of its run."""

    noise: Perturbation
    folder: Path
    record: Record

    @property
    def name(self) -> tuple[str, str]:
        """Method and kind, as tables know them."""
        return self.noise.method, kind_name(self.noise.kind, self.noise.shape)

    @property
    def found(self) -> Found:
        """The noise with its record, as stages know it."""
        return Found(self.noise, self.record)


class Study:
    """One data set, one seed, one device; stages kept below `store` (empty: below `out`).

    out, store: relative ones are below places.home(). data: fields of DataConfig, kept as `which`. A stage
    that is there is read back, unless other code made it: then it is made again.
    """

    def __init__(self, out: str, *, store: str = "", **data: Any):
        self.out, self.store = home() / out, home() / (store or out)
        study_file.check_ours(self.out)
        self.which = data
        config = DataConfig(**data)
        check_output(config.data, self.out)
        self.pair: DataPair = sources.load(config)
        self.pair.layout.tell(config.data)
        self.classes = self.pair.train.classes
        self.chance = 1 / len(self.classes)
        self._stages: dict[str, dict[str, Any]] = {}
        self._folders: dict[str, Path] = {}  # of the victims, by the key of their run

    def __str__(self) -> str:
        train, test = len(self.pair.train), len(self.pair.test)
        what = "images" if self.pair.space == IMAGE else "clips" if self.pair.space == AUDIO else "samples"
        return f"{self.pair.name}: {train:,} training and {test:,} test {what}, {len(self.classes)} classes"

    def noise(self, method: str, kind: str, epsilon: int, **settings: Any) -> Made:
        """The noise of this method, kind ("classwise" or "samplewise") and budget (pixel values of 255; of sound dB).

        settings: other fields of NoiseConfig, and the method's own options.
        """
        config = NoiseConfig.of(**self.which, method=method, kind=kind, epsilon=epsilon, **settings)
        config = noise.resolved(config, self.pair.name)
        folder = self.store / f"noise-{method}-{kind}-{epsilon}-{key(stages.noise_identity(config))}"
        found = stages.make_noise(config, folder, data=self.pair, resume=True, wait=True)
        return Made(found, folder, self._note(folder))

    def victim(
        self, made: Made | None = None, *, epochs: int = 0, start: pd.DataFrame | None = None, **settings: Any
    ) -> pd.DataFrame:
        """The tidy rows of a victim trained on images with the noise `made`, or on clean ones.

        epochs: 0 takes the recipe of the data set; start: the rows of an earlier victim of this study, whose network
        this one goes on from; settings: other fields of VictimConfig.
        """
        before = None if start is None else self._folders[start["run"].iloc[0]]
        config = self._victim_config(epochs, settings)
        earlier = run_folder.read(before) if before else None
        identity = stages.victim_identity(config, made.found if made else None, earlier)
        label = "clean" if made is None else "-".join((*made.name, str(made.noise.epsilon)))
        folder = self.store / f"victim-{label}-{config.defence}-{key(identity)}"
        rows = stages.train_victim(
            config, made.folder if made else None, folder, data=self.pair, start=before, resume=True, wait=True
        )
        self._note(folder)
        self._folders[rows["run"].iloc[0]] = folder
        return rows

    def judge(
        self, made: Made | None = None, *, panel: str = "quick", seeds: Sequence[int] = (),
        watching: Watching | None = None, **settings: Any,
    ) -> Score:  # fmt: skip
        """Let every learner of a panel try on the noise `made`, or on clean images, and score what they get.

        seeds: of the trainings (none: the study's own); watching: is told every epoch (judgement.Watching); settings:
        other fields of JudgeConfig.
        """
        for name in settings:
            check_choice("setting", name, [entry.name for entry in fields(JudgeConfig)])
        own = self.which.get("seed", DataConfig().seed)
        config = JudgeConfig(**self.which, panel=panel, seeds=",".join(map(str, seeds or [own])), **settings)
        label = "clean" if made is None else "-".join((*made.name, str(made.noise.epsilon)))
        case = judging.case_of(config, self.pair, made.found if made else None)
        identity = judging.identity_of(config) | {"noise": made.found.key if made else None}
        folder = self.store / f"judged-{label}-{key(identity)}"
        score = judging.judged(config, case, folder, resume=True, wait=True, watching=watching)
        self._note(folder)
        return score

    def _victim_config(self, epochs: int, settings: Mapping[str, Any]) -> VictimConfig:
        for name in settings:
            check_choice("setting", name, [entry.name for entry in fields(VictimConfig)])
        config = VictimConfig(**self.which, epochs=epochs or None, **settings)
        return train.resolved(config, recipes.named(self.pair.name))

    def named(self, numbers: Sequence[int]) -> str:
        """The names of classes given by their numbers, as protected_classes takes them."""
        for number in numbers:
            if type(number) is not int or not 0 <= number < len(self.classes):
                raise ConfigError(
                    f"classes holds {number!r}: {self.pair.name} has the classes 0 to {len(self.classes) - 1}"
                )
        return as_row(self.classes[number] for number in numbers)

    def groups(self, rows: pd.DataFrame, names: str | Sequence[str]) -> pd.DataFrame:
        """Tidy rows of how well the people in `names` and the others are recognised at the end.

        rows: of a victim with confusion=True and protected_classes=names; metrics accuracy/protected and
        accuracy/others, means over the people.
        """
        wanted = chosen(names, self.classes)
        right = rows[rows["metric"].isin([f"confusion/{name}/{name}" for name in self.classes])]
        mine = right["metric"].str.split("/").str[1].isin(wanted)
        parts = {table.PROTECTED: right[mine], table.OTHERS: right[~mine]}
        means = [part.iloc[:1].assign(metric=name, value=part["value"].mean()) for name, part in parts.items()]
        return pd.concat(means, ignore_index=True)

    def matching(self, made: Made | None = None, *, epochs: int = 0, **settings: Any) -> pd.DataFrame:
        """The tidy row of nearest-neighbour matching (see matching.match): victim "matching:NAME", metric accuracy.

        Half of the people teach the network, with clean photos; the others are matched, by guessing right at twice
        `chance`. Settings as for `victim`. A network that comes with weights of its own is not taught.
        """
        config, taught = self._victim_config(epochs, settings), None
        if config.victim not in models.PRETRAINED:
            others, _ = matching.halves(self.pair, config.seed)
            lesson = replace(config, protected_fraction=1.0, protected_classes="", confusion=False)
            taught = self.store / f"matcher-{config.defence}-{key(lesson.identity())}"
            stages.train_victim(lesson, None, taught, data=others, resume=True, wait=True)
            self._note(taught)
        value = matching.match(config, self.pair, made.noise if made else None, taught)
        identity = replace(
            self._identity(made),
            run=key({"matching": stages.victim_identity(config, made.found if made else None)}),
            victim=f"matching:{config.victim}",
            defence=config.defence,
        )
        return table.table(identity, [{"epoch": 0, "split": "test", "metric": "accuracy", "value": value}])

    def _identity(self, made: Made | None) -> table.Identity:
        """The columns of a table that say what noise all images carry, for results of no victim."""
        seed = self.which.get("seed", DataConfig().seed)
        if made is None:
            return table.Identity("none", self.pair.name, seed=seed)
        method, kind = made.name
        return table.Identity(
            made.record.key, self.pair.name, method, kind, made.noise.epsilon, made.found.surrogate,
            protected_fraction=1.0, seed=seed,
        )  # fmt: skip

    def quality(self, made: Made, sample: int = 500) -> pd.DataFrame:
        """Tidy rows about the noise: metrics linf (the largest change in whole steps: pixel values of 255, or of 16
        bits) over `sample` training samples spread over the set, of images also psnr (dB) and ssim, means over these,
        and linear_separability; epoch 0, victim "none".
        """
        train = self.pair.train
        some = torch.linspace(0, len(train) - 1, min(sample, len(train))).long()
        before, after = train.samples[some], made.noise.apply(train)[some]
        measured = measures.measure(before, after) if self.pair.space == IMAGE else []
        names = ("psnr", "ssim") if measured else ()
        means = {name: float(np.mean([getattr(one, name) for one in measured])) for name in names}
        delta = made.noise.delta
        each = delta if made.noise.kind == "samplewise" else delta[train.labels]
        means |= {
            "linf": int((after.int() - before.int()).abs().max()),
            "linear_separability": linear_separability(each[:MOST], train.labels[:MOST]),
        }
        points = [{"epoch": 0, "split": "train", "metric": name, "value": value} for name, value in means.items()]
        return table.table(self._identity(made), points)

    def pictures(self, which: list[int], made: Made | None = None) -> dict[str, np.ndarray]:
        """The training images `which`, with noise if given, by class and index: uint8 H×W×C. Or ConfigError."""
        train = self.pair.train
        if train.space != IMAGE:
            raise ConfigError(f"{self.pair.name} is {train.space.name} data, of which there are no pictures")
        pixels = (train.samples if made is None else made.noise.apply(train))[which].permute(0, 2, 3, 1).numpy()
        names = [f"{self.classes[label]} ({index})" for label, index in zip(train.labels[which], which, strict=True)]
        return dict(zip(names, pixels, strict=True))

    def examples(self, classes: int = 3, each: int = 2) -> list[int]:
        """The indices of the first `each` training images of the first classes."""
        labels = self.pair.train.labels
        return [int(i) for label in range(classes) for i in (labels == label).nonzero()[:each, 0]]

    def finish(self, *tables: pd.DataFrame) -> pd.DataFrame:
        """Write out/results.csv, every run once, and out/study.json, what it rests on; return the rows."""
        rows = table.merged(tables)
        make(self.out)
        study_file.check_ours(self.out)
        study_file.write(self.out, self.chance, self.classes, self._stages)
        table.write(rows, self.out)
        return rows

    def _note(self, folder: Path) -> Record:
        record = run_folder.read(folder)
        self._stages[folder.name] = record.provenance()
        return record
