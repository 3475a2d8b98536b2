"""The pair, without a window: noise searched at a budget, the clean twin and the victim trained, all kept in memory."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from workbench import config as configs
from workbench import noise
from workbench.apps.background import Watch
from workbench.config import ConfigError, DataConfig, NoiseConfig, VictimConfig, check_choice
from workbench.data import sources
from workbench.figures import name_of
from workbench.noise.perturbation import Perturbation
from workbench.records import table
from workbench.victim import module

LARGEST = 32  # pixel values of 255: the end of the slider, where anybody sees the noise


class Choice(NamedTuple):
    """What a victim's images carry; epsilon in pixel values of 255."""

    method: str
    kind: str
    epsilon: int

    def __str__(self) -> str:
        return f"{name_of(self.method, self.kind)} noise at ε = {self.epsilon}"


CLEAN = Choice("clean", "none", 0)
Drawn = Callable[[pd.DataFrame], None]


class Experiment:
    """Data, one architecture and one recipe; the noises found so far and the curves of the finished runs.

    noises, curves: by Choice (the clean twin's curve under CLEAN), so that nothing is done twice. A curve is a tidy
    table (results.COLUMNS).
    """

    def __init__(self, config: DataConfig, network: str, epochs: int, first: Choice):
        self.config, self.network = config, network
        name = config.data.partition(":")[0]
        sources.check_name(name)
        if not 0 <= first.epsilon <= LARGEST:
            raise ConfigError(f"epsilon is {first.epsilon}: here it must be in 0..{LARGEST} pixel values of 255")
        given = VictimConfig(**asdict(config), victim=network, epochs=epochs or None)
        self.recipe = module.resolved(given, name)
        self._noise_config(first, name)
        self.data = sources.load(config)
        self.noises: dict[Choice, Perturbation] = {}
        self.curves: dict[Choice, pd.DataFrame] = {}

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.data.train.classes)

    @property
    def epochs(self) -> int:
        """Passes over the training images."""
        return self.recipe.epochs or 1

    def _noise_config(self, choice: Choice, name: str) -> NoiseConfig:
        check_choice("method", choice.method, noise.METHODS)
        return noise.resolved(NoiseConfig(**asdict(self.config), **choice._asdict(), surrogate=self.network), name)

    def nearest(self, choice: Choice) -> Perturbation | None:
        """The noise of this method and kind found at this ε, or else at the nearest other one; None: none yet."""
        found = [key for key in self.noises if key[:2] == choice[:2] and (key.epsilon or key == choice)]
        best = min(found, key=lambda key: abs(key.epsilon - choice.epsilon), default=None)
        return self.noises[best] if best else None

    def quick(self, choice: Choice) -> bool:
        """Whether there is nothing to search: the noise is drawn, or must be zero."""
        return choice.method == "random" or choice.epsilon == 0

    def search(self, choice: Choice, watch: Watch) -> Perturbation:
        """The noise at exactly this ε, searched on all training images unless it was found before."""
        if choice not in self.noises:
            config = self._noise_config(choice, self.data.name)
            if self.quick(choice):
                config = replace(config, method="random")
            with watch.stage(f"searching {choice}"):
                self.noises[choice], _ = noise.search(config, self.data.train)
        return self.noises[choice]

    def pair(self, choice: Choice, watch: Watch, drawn: Drawn) -> pd.DataFrame:
        """Noise, clean twin, victim: the rows of the two curves. `drawn` gets the rows after every epoch."""
        found = self.search(choice, watch)
        so_far = pd.DataFrame(columns=list(table.COLUMNS))
        for run, carried in ((CLEAN, None), (choice, found)):
            before = so_far

            def grown(curve: Sequence[dict[str, Any]], run: Choice = run, before: pd.DataFrame = before) -> None:
                rows = self._rows(run, curve)
                drawn(pd.concat([before, rows], ignore_index=True) if len(before) else rows)

            if run not in self.curves:
                name = "the clean twin" if run is CLEAN else f"the victim of {choice}"
                with watch.stage(f"training {name}"):
                    curve = module.train(
                        self.recipe, self.data, carried, label=f"{name}, epoch", callbacks=[_Epochs(grown)]
                    )
                self.curves[run] = self._rows(run, curve)
            so_far = pd.concat([so_far, self.curves[run]], ignore_index=True) if len(so_far) else self.curves[run]
            drawn(so_far)
        return so_far

    def _rows(self, run: Choice, curve: Sequence[dict[str, Any]]) -> pd.DataFrame:
        searched = run.method not in ("clean", "random")
        identity: dict[str, Any] = {
            "data": self.data.name,
            **run._asdict(),
            "surrogate": self.network if searched else "none",
            "victim": self.network,
            "defence": "none",
            "protected_fraction": 0.0 if run is CLEAN else 1.0,
            "seed": self.config.seed,
        }
        run_key = configs.key({**asdict(self.recipe), **identity})
        return table.table(table.Identity(run=run_key, **identity), curve)

    def work(self, choice: Choice, *, pair: bool) -> int:
        """About how many images will pass through a network: for the time left. Searches may end earlier."""
        count = 0 if choice in self.noises else self._search_passes(choice)
        if pair:
            an_epoch = len(self.data.train) + len(self.data.test)
            count += sum(self.epochs * an_epoch for run in (CLEAN, choice) if run not in self.curves)
        return count

    def _search_passes(self, choice: Choice) -> int:
        config, every = self._noise_config(choice, self.data.name), len(self.data.train)
        if self.quick(choice):
            return 0
        if choice.method == "em-joint":
            return (config.rounds or 1) * every
        if choice.method == "linear":
            return every  # its passes go through no network
        swept = every if choice.kind == "samplewise" else every // 5
        training = (config.train_steps or 1) * (config.batch_size or 1)
        sweeping = (config.rounds or 1) * ((config.noise_steps or 1) + 1) * swept
        if choice.method == "em":
            return (config.rounds or 1) * training + sweeping
        return (config.train_steps or 1) * every + sweeping

    def shown(self, index: int, found: Perturbation | None, epsilon: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Training image `index` and its copy with the noise, scaled to `epsilon`: two uint8 tensors C×H×W."""
        image = self.data.train.samples[index]
        if found is None or found.epsilon == 0:
            return image, image.clone()
        where = torch.tensor([index])
        row = found.rows(self.data.train.labels[where], where)
        delta = (found.delta[row][0].float() * (epsilon / found.epsilon)).round()
        return image, (image + delta).clamp(0, 255).to(torch.uint8)

    def sentence(self, choice: Choice) -> str:
        """The finished pair in words, with its numbers."""
        clean, mine = self.numbers(CLEAN), self.numbers(choice)
        return (
            f"On clean test images the clean twin reaches {clean['peak']:.2f} at its best epoch and "
            f"{clean['final']:.2f} after the last one; the victim of {choice} reaches {mine['peak']:.2f} at its best "
            f"epoch and {mine['final']:.2f} after the last one. Guessing is {self.chance:.2f}. On the training images "
            f"it was given, the victim ends at {mine['train']:.2f}."
        )

    def numbers(self, run: Choice) -> dict[str, float]:
        """peak and final accuracy on clean test images, and train, the final one on the training images."""
        row = table.summary(self.curves[run]).iloc[0]
        return {name: float(row[name]) for name in ("peak", "final", "train")}


class _Epochs(Callback):
    """Hands the curve on after every epoch but the last, which the caller has.

    At the start of the next epoch: Lightning calls a callback's on_train_epoch_end before the module's own, and the
    module's is what lengthens the curve.
    """

    def __init__(self, grown: Callable[[Sequence[dict[str, Any]]], None]):
        self.grown = grown

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show what there is."""
        assert isinstance(pl_module, module.Victim)
        if pl_module.curve:
            self.grown(pl_module.curve)
