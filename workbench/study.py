"""What a notebook asks of the program: noises and victims of one data set, each kept in a folder named by what it is.

Runs of a sweep share one such store, so a clean twin that many of them need is trained once, whoever comes first; the
others wait for it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from workbench import images, noise, quality, results, runs, tasks, victim
from workbench.config import DataConfig, NoiseConfig, VictimConfig, key
from workbench.images import DataPair
from workbench.noise.perturbation import Perturbation
from workbench.quality import linear_separability

FACTS = "study.json"
SEVERAL = {"fractions": "protected_fraction"}  # other lists are called as their setting with an s: epsilons, victims


@dataclass(frozen=True)
class Made:
    """Noise that was found, and the folder of its run."""

    noise: Perturbation
    folder: Path
    record: dict[str, Any]

    @property
    def name(self) -> tuple[str, str]:
        """Method and kind."""
        return self.noise.method, self.noise.kind


class Study:
    """One data set, one seed, one device; stages kept below `store` (empty: below `out`)."""

    def __init__(self, out: str, *, store: str = "", **data: Any):
        self.out, self.store = Path(out), Path(store or out)
        self._which = data
        self.pair: DataPair = images.load(DataConfig(**data))
        self.classes = self.pair.train.classes
        self.chance = 1 / len(self.classes)
        self._stages: dict[str, dict[str, Any]] = {}

    def __str__(self) -> str:
        train, test = len(self.pair.train), len(self.pair.test)
        return f"{self.pair.name}: {train:,} training and {test:,} test images, {len(self.classes)} classes"

    def noise(self, method: str, kind: str, epsilon: int, **settings: Any) -> Made:
        """The noise of this method, kind ("classwise" or "samplewise") and budget (pixel values of 255).

        settings: other fields of NoiseConfig. Found earlier, it is read back.
        """
        config = NoiseConfig(**self._which, method=method, kind=kind, epsilon=epsilon, **settings)
        config = noise.resolved(config, self.pair.name)
        folder = self.store / f"noise-{method}-{kind}-{epsilon}-{key(asdict(config))}"
        with _only_one(folder):
            found = tasks.make_noise(config, folder, resume=True, data=self.pair)
        return Made(found, folder, self._note(folder))

    def victim(self, made: Made | None = None, *, epochs: int = 0, **settings: Any) -> pd.DataFrame:
        """The tidy rows of a victim trained on images with the noise `made`, or on clean ones.

        epochs: 0 takes the recipe of the data set; settings: other fields of VictimConfig.
        """
        config = victim.resolved(VictimConfig(**self._which, epochs=epochs or None, **settings), self.pair.name)
        identity = tasks.victim_identity(config, made.record if made else None)
        label = "clean" if made is None else "-".join((*made.name, str(made.noise.epsilon)))
        folder = self.store / f"victim-{label}-{config.defence}-{key(identity)}"
        with _only_one(folder):
            rows = tasks.train_victim(config, made.folder if made else None, folder, resume=True, data=self.pair)
        self._note(folder)
        return rows

    def quality(self, made: Made, sample: int = 500) -> pd.DataFrame:
        """Tidy rows about the noise: metrics linf (pixel values of 255), psnr (dB), ssim, means over `sample` training
        images spread over the set, and linear_separability; epoch 0, victim "none".
        """
        train = self.pair.train
        some = torch.linspace(0, len(train) - 1, min(sample, len(train))).long()
        measured = quality.measure(train.images[some], made.noise.apply(train)[some])
        means = {name: float(np.mean([getattr(one, name) for one in measured])) for name in ("psnr", "ssim")}
        delta = made.noise.delta
        each = delta if made.noise.kind == "samplewise" else delta[train.labels]
        means |= {"linf": max(one.linf for one in measured), "linear_separability": _separable(each, train.labels)}
        config = made.record["config"]
        identity = {
            "run": made.record["key"],
            "data": self.pair.name,
            "method": made.noise.method,
            "kind": made.noise.kind,
            "epsilon": made.noise.epsilon,
            "surrogate": "none" if made.noise.method == "random" else config["surrogate"],
            "victim": "none",
            "defence": "none",
            "protected_fraction": 1.0,
            "seed": config["seed"],
        }
        points = [{"epoch": 0, "split": "train", "metric": name, "value": value} for name, value in means.items()]
        return results.table(identity, points)

    def pictures(self, which: list[int], made: Made | None = None) -> dict[str, np.ndarray]:
        """The training images `which`, with noise if given, by class and index: uint8 H×W×C."""
        train = self.pair.train
        pixels = (train.images if made is None else made.noise.apply(train))[which].permute(0, 2, 3, 1).numpy()
        names = [f"{self.classes[label]} ({index})" for label, index in zip(train.labels[which], which, strict=True)]
        return dict(zip(names, pixels, strict=True))

    def examples(self, classes: int = 3, each: int = 2) -> list[int]:
        """The indices of the first `each` training images of the first classes."""
        labels = self.pair.train.labels
        return [int(i) for label in range(classes) for i in (labels == label).nonzero()[:each, 0]]

    def finish(self, *tables: pd.DataFrame) -> pd.DataFrame:
        """Write out/results.csv, every run once, and out/study.json, what it rests on; return the rows."""
        rows = results.merged(tables)
        self.out.mkdir(parents=True, exist_ok=True)
        results.write(rows, self.out)
        facts = {"chance": self.chance, "classes": self.classes, "stages": self._stages}
        runs.write_atomically(self.out / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        return rows

    def _note(self, folder: Path) -> dict[str, Any]:
        record = runs.read(folder)
        self._stages[folder.name] = {name: record[name] for name in runs.PROVENANCE if name in record}
        return record


def _only_one(folder: Path) -> FileLock:
    """A lock on a stage, freed by the system when its holder dies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{folder}.lock")


def _separable(delta: torch.Tensor, labels: torch.Tensor, most: int = 5000) -> float:
    """Linear separability, of the first `most` images where there are more."""
    return linear_separability(delta[:most], labels[:most])


def check_parameters(values: Mapping[str, Any]) -> None:
    """Raise ConfigError for a notebook's parameter that no noise and no victim could have. Unknown names pass.

    A list is checked item by item under its singular name: epsilons as epsilon. An `epochs` of 0 means the recipe.
    """
    name = str(values.get("data", DataConfig().data)).partition(":")[0]
    images.check_name(name)
    configurations: list[tuple[type, Callable[[Any, str], Any]]] = [
        (NoiseConfig, noise.resolved),
        (VictimConfig, victim.resolved),
    ]
    for kind, resolve in configurations:
        known = {entry.name for entry in fields(kind)} - {"data"}
        for given, value in values.items():
            setting = given if given in known else SEVERAL.get(given, given.removesuffix("s"))
            for item in value if isinstance(value, list) else [value]:
                if setting in known and (setting, item) != ("epochs", 0):
                    resolve(kind(**{setting: item}), name)
