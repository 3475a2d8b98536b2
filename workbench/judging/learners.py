"""Learners by name: who tries to learn from what was published, with what network, defence and recipe."""

import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from workbench import models
from workbench.catalogue import DEFENCES, NETWORKS, PANELS
from workbench.config import SMALLEST_SIDE, VictimConfig, check_choice
from workbench.data.dataset import Dataset
from workbench.data.space import IMAGE
from workbench.installation import PACKAGE
from workbench.victim import composed, recipes, train
from workbench.victim.recipes import Recipe

HEADS = {"max": "", "avg": "-avg"}
FOLDERS = ("folder", "recordings")
# Of folders of people's own files, whose numbers differ: as many steps as 12 epochs of 5,000 have.
STEPS, MOST_EPOCHS, LEAST_BATCHES, LEAST_BATCH = 900, 100, 16, 8


@dataclass(frozen=True)
class Learner:
    """One way of learning. Shares are of the data set's own recipe: 2.0 epochs are twice as many."""

    name: str
    words: str
    defence: str = "none"
    head: str = "max"  # or avg: how the network pools its last features
    optimiser: str = "sgd"
    schedule: str = "cosine"
    epochs: float = 1.0
    batch: float = 1.0
    rate: float = 1.0  # of the learning rate
    scale: float = 1.0  # of the images' side
    architecture: str = ""  # the network that it takes whatever the others take
    start: str = ""  # "elsewhere": goes on from a network that learnt other data
    help: str = ""  # what it has besides the published samples; else as its defence says
    cost: float = 0.0  # in plain trainings; 0: as its defence says
    quick: bool = False

    @property
    def tier(self) -> str:
        """ "alone", or "with help": with more than what was published."""
        helped = self.help or any(DEFENCES[part].help for part in self.defence.split("+"))
        return "with help" if helped else "alone"

    @property
    def units(self) -> float:
        """What its training costs, in plain trainings."""
        return self.cost or math.prod(DEFENCES[part].cost for part in self.defence.split("+"))

    @property
    def panel(self) -> str:
        """The smallest panel that it is in."""
        return "quick" if self.quick else "standard" if self.tier == "alone" else "full"

    @property
    def needs(self) -> str:
        """What it has besides the published samples, as the end of a line; "" for nothing."""
        helps = self.help or ", ".join(DEFENCES[part].help for part in self.defence.split("+") if DEFENCES[part].help)
        return f" (has {helps})" if helps else ""

    @property
    def facts(self) -> dict[str, Any]:
        """Everything about it."""
        said = {"tier": self.tier, "panel": self.panel, "units": self.units, "recipe": self.recipe}
        return asdict(self) | said | {"help": self.needs.removeprefix(" (has ").removesuffix(")")}

    @property
    def recipe(self) -> str:
        """Optimiser, schedule and what else is not as the data set's recipe has it, in words."""
        shares = {"epochs": self.epochs, "batch": self.batch, "rate": self.rate}
        other = [f"{name} x{share:g}" for name, share in shares.items() if share != 1]
        return ", ".join([f"{self.optimiser} {self.schedule}", *other])

    def network(self, base: str) -> str:
        """The architecture: this learner's own, or `base` with its head, where that has several."""
        if self.architecture:
            return self.architecture
        return base.removesuffix("-avg") + HEADS[self.head] if models.has_heads(base) else base

    def side(self, data: Dataset) -> int:
        """The side that images are scaled to, pixels; 0: as they are."""
        return 0 if self.scale == 1 else max(SMALLEST_SIDE, round(self.scale * data.side))

    def config(self, base: str, data: Dataset, *, seed: int, device: str, epochs: int = 0) -> VictimConfig:
        """The victim's configuration for this data, resolved. epochs: instead of the recipe's (0: those)."""
        recipe = suited(recipes.named(data.source), len(data))
        passes = max(1, round((epochs or recipe.epochs) * self.epochs))
        asked = VictimConfig(
            data=data.source, victim=self.network(base), defence=self.defence, optimiser=self.optimiser,
            schedule=self.schedule, epochs=passes, batch_size=max(1, round(recipe.batch_size * self.batch)),
            seed=seed, device=device,
        )  # fmt: skip
        full = train.resolved(asked, recipe)
        return replace(full, learning_rate=(full.learning_rate or 0.0) * self.rate)


def suited(recipe: Recipe, count: int) -> Recipe:
    """The recipe of folders with as many steps for few files as for 5,000, smaller ones as their batches are smaller
    (Goyal et al. 2017: at the full rate a small recogniser learns nothing of 140 photos); any other as it is.
    """
    if not any(recipe is recipes.RECIPES[name] for name in FOLDERS):
        return recipe
    batch = min(recipe.batch_size, max(LEAST_BATCH, count // LEAST_BATCHES))
    epochs = max(recipe.epochs, min(MOST_EPOCHS, math.ceil(STEPS / math.ceil(count / batch))))
    rate = recipe.learning_rate * batch / recipe.batch_size
    return replace(recipe, batch_size=batch, epochs=epochs, learning_rate=rate)


@cache
def known() -> dict[str, Learner]:
    """The built-in learners."""
    table = tomllib.loads((PACKAGE / "learners.toml").read_text(encoding="utf-8"))
    return {name: Learner(name, **facts) for name, facts in table.items()}


def named(name: str) -> Learner:
    """A learner by its name, or one that tries a defence (or several joined by +) and is called so. ConfigError."""
    if name in known():
        return known()[name]
    if all(part in DEFENCES for part in name.split("+")):
        composed.check_name(name)
        return Learner(name, " then ".join(DEFENCES[part].words for part in name.split("+")), defence=name)
    check_choice("learner", name, [*known(), *(other for other in DEFENCES if other not in known())])
    raise AssertionError(name)


def of_panel(panel: str, base: str, data: Dataset) -> list[Learner]:
    """The learners of a panel that make sense for this data, of two that come to the same the first."""
    check_choice("panel", panel, PANELS)
    wanted = {"quick": lambda one: one.quick, "standard": lambda one: one.tier == "alone", "full": lambda one: True}
    return list(_different([one for one in known().values() if wanted[panel](one)], base, data))


def _hears(one: Learner) -> bool:
    """Whether a learner can take what is no image: none is scaled, and none was taught on images before."""
    return one.scale == 1 and not one.start


def _different(learners: Sequence[Learner], base: str, data: Dataset) -> Iterator[Learner]:
    seen = set()
    for one in learners:
        grey = data.samples.shape[1] == 1 and "grayscale" in one.defence.split("+")
        spaces = [DEFENCES[part].spaces for part in one.defence.split("+")]
        named = one.architecture.partition("-w")[0]  # without its width
        spaces += [NETWORKS[named].spaces] if named else []
        fits = all(data.space.name in each for each in spaces) and (data.space == IMAGE or _hears(one))
        same = (replace(one, name="", words="", head="max"), one.network(base))
        if not grey and fits and same not in seen:
            seen.add(same)
            yield one
