"""The public library: the workbench's steps as functions, in memory, with every option of a command a keyword.

import workbench as wb
pair = wb.load("folder:photos")
noise = wb.make_noise(pair.train, method="em", epsilon=8, seed=0)
rows = wb.train(pair, noise=noise, victim="resnet18", defence="grayscale", epochs=12)
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils import data as torch_data

from workbench import models, registry, stages
from workbench import noise as noises
from workbench.budgets import USUAL, USUAL_DB
from workbench.config import (
    ConfigError,
    DataConfig,
    DataError,
    NoiseConfig,
    VictimConfig,
    check_choice,
    key,
)
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.data.space import AUDIO, IMAGE
from workbench.files.places import temporary
from workbench.judging import stage as judging
from workbench.judging.config import JudgeConfig
from workbench.judging.score import Score
from workbench.noise.perturbation import Perturbation
from workbench.records import table
from workbench.victim import exposure, recipes
from workbench.victim import train as training

Network = str | Callable[[int, int, int], nn.Module]
SETTLED = ("data", "limit_train", "limit_test", "side")  # by the samples that are given


def load(spec: str, *, limit_train: int = 0, limit_test: int = 0, side: int = 0, seed: int = 0) -> DataPair:
    """Load the data that a SPEC names ("photo-digits:600", "folder:PATH", …), as --data does."""
    config = DataConfig(data=spec, limit_train=limit_train, limit_test=limit_test, side=side, seed=seed)
    pair = sources.load(config)
    pair.layout.tell(spec)
    return pair


def make_noise(
    data: Dataset, /, method: str | Callable[..., Tensor] = "em-joint", kind: str = "samplewise",
    epsilon: int | None = None,
    surrogate: Network = "convnet-w16", seed: int = 0, **settings: Any,
) -> Perturbation:  # fmt: skip
    """Make noise for training samples, as `workbench noise` does.

    method, surrogate: a name, or one's own function: search(task, options) -> Tensor, and (channels, side, classes) ->
    nn.Module. epsilon: pixel values of 255 (None: 8), of sound dB under the peak (None: -30). settings: other fields of
    NoiseConfig (device=…), and the method's own options (rounds=…). Raises a WorkbenchError of one line.
    """
    if not isinstance(data, Dataset):
        raise DataError(f"noise is made for a Dataset (pair.train, Dataset.of(…)), not for {type(data).__name__}")
    _not_settled(settings)
    if epsilon is None:
        epsilon = USUAL_DB if data.space == AUDIO else USUAL
    given = {"method": registry.named("method", method), "surrogate": registry.named("network", surrogate)}
    config = NoiseConfig.of(**given, kind=kind, epsilon=epsilon, seed=seed, **settings)
    return noises.make(noises.resolved(config, data.source), data)[0]


def train(
    pair: DataPair, noise: Perturbation | None = None, victim: Network = "convnet-w16", defence: str = "none",
    epochs: int | None = None, seed: int = 0, **settings: Any,
) -> pd.DataFrame:  # fmt: skip
    """Train a victim on what is published and test it on clean samples, as `workbench train` does; noise=None is the
    clean twin.

    victim: a name, or one's own function (channels, side, classes) -> nn.Module. settings: other fields of
    VictimConfig (protected_fraction=0.5, batch_size=…). Returns the tidy rows; raises a WorkbenchError of one line.
    """
    if not isinstance(pair, DataPair):
        raise DataError(f"a victim is trained on a DataPair (training and test samples), not on {type(pair).__name__}")
    _not_settled(settings)
    known = {entry.name for entry in fields(VictimConfig)}
    for name in settings:
        check_choice("setting", name, sorted(known))
    pair.check_sizes()
    network = registry.named("network", victim)
    asked = VictimConfig(victim=network, defence=defence, epochs=epochs, seed=seed, **settings)
    config = training.resolved(asked, recipes.named(pair.name))
    models.check_fits(config.victim, pair.train.short, pair.space.name)
    found = stages.Found(noise, None) if noise is not None else None
    exposed = exposure.expose(pair.train, noise, config)
    curve = stages.learn(config, pair, exposed, found)
    run = key({**stages.victim_identity(config, found), "data": pair.train.fingerprint})
    return table.table(stages.row_identity(config, pair, run, found, exposed), curve)


def judge(
    pair: DataPair, noise: Perturbation | Dataset | None, panel: str = "quick", seeds: Sequence[int] = (0,),
    out: str | Path | None = None, workers: int = 0, **settings: Any,
) -> Score:  # fmt: skip
    """Ask whether the data can still be learnt from, as `workbench judge` does: every learner of the panel in turn.

    noise: or the training samples as some tool published them, in the order of pair.train; None judges clean data.
    out: a folder for tables, figure and every training, where an interrupted judgement goes on (None: nothing is kept
    but the ceilings on clean data). settings: other fields of JudgeConfig (learners="none,grayscale", network=…,
    epochs=…, device=…). Raises a WorkbenchError of one line.
    """
    if not isinstance(pair, DataPair):
        raise DataError(f"a DataPair (training and test samples) is judged, not {type(pair).__name__}")
    _not_settled(settings)
    pair.check_sizes()
    for name in settings:
        check_choice("setting", name, sorted(entry.name for entry in fields(JudgeConfig)))
    config = JudgeConfig(data=pair.name, panel=panel, seeds=",".join(map(str, seeds)), **settings)
    with ExitStack() as held:
        folder = Path(out) if out is not None else Path(held.enter_context(TemporaryDirectory(dir=temporary()))) / "out"
        case = judging.case_of(config, pair, noise)
        return judging.judged(config, case, folder, resume=True, workers=workers)


def _not_settled(settings: Mapping[str, Any]) -> None:
    for name in SETTLED:
        if name in settings:
            raise ConfigError(f"{name} goes into load or Dataset.of: the samples are given here")


class Protected(torch_data.Dataset):
    """What gets published, as a torch Dataset of pairs (sample, label): training samples with their noise.

    noise: None leaves them as they are. transform: gets each image as a PIL image, as torchvision's data sets give it
    (other data as an integer tensor); without one, samples are float32 tensors in 0..1, C×H×W. classes: their names.
    """

    def __init__(self, data: Dataset, noise: Perturbation | None, transform: Callable[[Any], Any] | None = None):
        self.samples = data.samples if noise is None else noise.apply(data)
        self.labels, self.classes, self.space, self.transform = data.labels, data.classes, data.space, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        sample = self.samples[index]
        label = int(self.labels[index])
        if self.transform is None:
            return self.space.unit_range(sample.to(torch.float32)), label
        return self.transform(_picture(sample) if self.space is IMAGE else sample), label


def _picture(sample: Tensor) -> Any:
    from torchvision.transforms.functional import to_pil_image

    return to_pil_image(sample)
