"""The pair, without a window: noise searched at a budget, clean twin and victim who learn alike, all kept as runs of a
study.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from workbench import figures
from workbench.catalogue import METHODS, check_within
from workbench.config import ConfigError
from workbench.figures import learnt, name_of, way_of
from workbench.figures.tables import NOTHING
from workbench.noise.perturbation import Perturbation
from workbench.parameters import check_parameters
from workbench.progress import Listener, listening
from workbench.records import table
from workbench.records.growing import growing
from workbench.study import Made, Study

LARGEST = 32  # pixel values of 255: the end of the slider, where anybody sees the noise


class Choice(NamedTuple):
    """What a victim's images carry, and what the learner uses against it; epsilon in pixel values of 255."""

    method: str
    kind: str
    epsilon: int
    defence: str = "none"

    def __str__(self) -> str:
        return f"{name_of(self.method, self.kind)} noise at ε = {self.epsilon}"

    @property
    def used(self) -> str:
        """Say what both learners of the pair use; "" where that is nothing."""
        return "" if self.defence == "none" else f"Both learners use {self.defence} ({way_of(self.defence)})."

    @property
    def plain(self) -> "Choice":
        """The same for a learner who uses nothing."""
        return self._replace(defence="none")

    @property
    def twin(self) -> "Choice":
        """Clean images, for a learner who uses the same."""
        return CLEAN._replace(defence=self.defence)


CLEAN = Choice("clean", "none", 0)


class Pairs:
    """One data set, architecture and recipe; the noises found so far and the curves of the finished victims.

    noises, curves: by Choice, of noises that of a learner who uses nothing (the clean twin's curve, a tidy table, under
    Choice.twin). What is not here yet may still be among the study's stages, finished or not, from earlier: then it is
    read back, or gone on with.
    """

    def __init__(self, network: str, epochs: int, first: Choice, out: str, **data: Any):
        asked = {"surrogate": network, "victim": network, "epochs": epochs, "out": out}
        check_parameters({**data, **first._asdict(), **asked})
        check_within(first.method)
        if first.epsilon > LARGEST:
            raise ConfigError(f"epsilon is {first.epsilon}: here it must be in 0..{LARGEST} pixel values of 255")
        self.study, self.network, self.epochs = Study(out, **data), network, epochs
        self.longest = max(1, epochs)  # the last epoch, as far as it is known: a recipe's is told with its first step
        self.noises: dict[Choice, Made] = {}
        self.curves: dict[Choice, pd.DataFrame] = {}

    @property
    def count(self) -> int:
        """Training images."""
        return len(self.study.pair.train)

    def nearest(self, choice: Choice) -> Perturbation | None:
        """Give the noise of this method and kind found at this ε, or else at the nearest other one; None: none yet."""
        found = [key for key in self.noises if key[:2] == choice[:2] and (key.epsilon or key == choice.plain)]
        best = min(found, key=lambda key: abs(key.epsilon - choice.epsilon), default=None)
        return self.noises[best].noise if best else None

    def search(self, choice: Choice) -> Made:
        """Find the noise at exactly this ε on all training images, unless it was found before."""
        if choice.plain not in self.noises:
            method = choice.method if choice.epsilon else "random"  # of no size: there is nothing to search
            self.noises[choice.plain] = self.study.noise(method, *choice[1:3], surrogate=self.network)
        return self.noises[choice.plain]

    def ahead(self, choice: Choice, *, pair: bool) -> int:
        """Count the stages that are to be done."""
        searched = choice.epsilon > 0 and not METHODS[choice.method].drawn and choice.plain not in self.noises
        return searched + sum(pair and run not in self.curves for run in (choice.twin, choice))

    def train(self, choice: Choice, drawn: Callable[[pd.DataFrame], None]) -> None:
        """Find the noise, train the clean twin and the victim. `drawn` gets the rows so far after every epoch."""
        made, before = self.search(choice), list[pd.DataFrame]()
        for run, carried in ((choice.twin, None), (choice, made)):
            if run not in self.curves:
                with listening(self._growing(run, before, drawn)):
                    rows = self.study.victim(carried, epochs=self.epochs, victim=self.network, defence=run.defence)
                self.curves[run] = rows.assign(**run._asdict())
            before.append(self.curves[run])
            drawn(pd.concat(before, ignore_index=True))

    def _growing(self, run: Choice, before: list[pd.DataFrame], drawn: Callable[[pd.DataFrame], None]) -> Listener:
        """Draw a curve as it grows, until the victim's own rows are there."""

        def grown(rows: pd.DataFrame, total: int) -> None:
            self.longest = total
            drawn(pd.concat([*before, rows], ignore_index=True))

        identity = table.Identity(str(run), self.study.pair.name, **run._asdict(), victim=self.network)
        return growing(identity, grown)

    def finish(self) -> None:
        """Write out/results.csv with all curves."""
        self.study.finish(*self.curves.values())

    def plotted(self, rows: pd.DataFrame, choice: Choice) -> Figure:
        """Draw the curves so far of a choice's learners, on axes as long as the whole training."""
        return figures.curves(rows, self.study.chance, choice.defence, self.longest)

    def shown(self, index: int, found: Perturbation | None, epsilon: int) -> tuple[np.ndarray, np.ndarray]:
        """Give training image `index` and its copy with the noise, scaled to `epsilon`: uint8 H×W×C."""
        train = self.study.pair.train
        image = train.samples[index]
        copy = image
        if found is not None and found.epsilon:
            where = torch.tensor([index])
            row = found.rows(train.labels[where], where)
            delta = (found.delta[row][0].float() * (epsilon / found.epsilon)).round()
            copy = (image + delta).clamp(0, 255).to(torch.uint8)
        return image.permute(1, 2, 0).numpy(), copy.permute(1, 2, 0).numpy()

    def named(self, index: int) -> str:
        """Name the class of a training image."""
        train = self.study.pair.train
        return train.classes[train.labels[index]]

    def sentence(self, choice: Choice) -> str:
        """Say how the finished pair ended, with its numbers, beside a learner who uses nothing, if known."""
        clean, mine = self.numbers(choice.twin), self.numbers(choice)
        nothing = "" if learnt(clean["peak"], self.study.chance) else f" {NOTHING}."
        used, beside = choice.used and f"{choice.used} ", ""
        if used and choice.plain in self.curves:
            beside = f" Without {choice.defence} the victim reaches {self.numbers(choice.plain)['peak']:.2f}."
        return (
            f"{used}On clean test images the clean twin reaches {clean['peak']:.2f} at its best epoch and "
            f"{clean['final']:.2f} after the last one; the victim of {choice} reaches {mine['peak']:.2f} at its best "
            f"epoch and {mine['final']:.2f} after the last one.{beside} Guessing is {self.study.chance:.2f}. On the "
            f"training images it was given, the victim ends at {mine['train']:.2f}.{nothing}"
        )

    def numbers(self, run: Choice) -> dict[str, float]:
        """Give peak and final accuracy on clean test images, and train, the final one on the training images."""
        row = table.summary(self.curves[run]).iloc[0]
        return {name: float(row[name]) for name in ("peak", "final", "train")}
