"""What a judgement is asked to do. No torch, or the command line would load it to show its help."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from workbench.budgets import USUAL
from workbench.catalogue import PANELS
from workbench.config import ConfigError, DataConfig, NoiseConfig, check_choice, documented


@dataclass(frozen=True)
class JudgeConfig(DataConfig):
    """Which learners are tried, how often. `data` is empty where two folders are judged."""

    panel: str = documented("quick", "quick, standard or full: `workbench learners` lists who is in them")
    learners: str = documented("", "names of learners or defences, by commas, instead of a panel")
    seeds: str = documented("0", "seeds of the trainings, by commas: 0,1,2")
    network: str = documented("convnet-w16", "network that they train, with both heads where it has them")
    epochs: int = documented(0, "passes over the training data (0: by data set)", least=0)
    elsewhere: str = documented("", "clean data of other classes, as a SPEC, for the learner who learnt these before")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("panel", self.panel, PANELS)
        _ = self.each_seed

    @property
    def names(self) -> list[str]:
        """The learners that are asked for by name."""
        return list(dict.fromkeys(name.strip() for name in self.learners.split(",") if name.strip()))

    @property
    def each_seed(self) -> list[int]:
        """The seeds as numbers. Raises ConfigError."""
        words = [word.strip() for word in self.seeds.split(",")]
        if not all(word.isascii() and word.isdigit() and int(word) < 2**31 for word in words):
            raise ConfigError(f"seeds are {self.seeds!r}: they must be whole numbers by commas, as in 0,1,2")
        if len(set(words)) < len(words):
            raise ConfigError(f"seeds are {self.seeds!r}: name each once")
        return [int(word) for word in words]

    def identity(self) -> dict[str, Any]:
        """What the judgement is known by."""
        return asdict(self)


@dataclass(frozen=True)
class BoardConfig(JudgeConfig):
    """The rules of a class's board, the same for every submission."""

    epsilon: int = documented(USUAL, "budget that every submission must keep, in pixel values of 255")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.control

    @property
    def control(self) -> NoiseConfig:
        """Random noise of the same budget, which stands on every board. Raises ConfigError for a budget of none."""
        shared = {entry.name: getattr(self, entry.name) for entry in fields(DataConfig)}
        return NoiseConfig(**shared, method="random", epsilon=self.epsilon)
