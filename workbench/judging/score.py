"""The protection score: from what every learner reached, on clean and on published samples, to one number and sentence.

For a learner, a is the mean over seeds of its peak accuracy on clean test samples. worst: the largest a on published
data; clean_best: the largest a on clean data; retained: (worst − chance) / (clean_best − chance): 0 is unlearnable,
1 is no protection. Two tiers, never mixed: alone, and with help. Who learns nothing from clean data counts for nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.figures import learnt, peak, verdict
from workbench.files.atomic import write_atomically
from workbench.judging.learners import Learner
from workbench.judging.trial import CLEAN, PUBLISHED

TIERS = ("alone", "with help")
COLUMNS = (
    "learner", "tier", "binding", "learnt", "ceiling", "ceiling_low", "ceiling_high", "protected", "low", "high",
    "final", "ceiling_final", "seeds", "network", "head", "defence", "recipe", "side", "words",
)  # fmt: skip
FILES = ("judge.csv", "score.json")


@dataclass(frozen=True)
class Score:
    """What came out. worst, clean_best, retained, binding (a learner's name): of the tier `alone`; None where nothing
    can be said. with_help: the same four, {} where nobody had help. learners: judge.csv, one row per learner; rows: the
    tidy table of all trainings.
    """

    worst: float | None
    clean_best: float | None
    chance: float
    retained: float | None
    binding: str | None
    with_help: dict[str, Any]
    sentence: str
    learners: pd.DataFrame
    rows: pd.DataFrame

    def as_json(self) -> dict[str, Any]:
        """What score.json holds."""
        names = ("worst", "clean_best", "chance", "retained", "binding", "with_help", "sentence")
        return {name: getattr(self, name) for name in names}

    def save(self, folder: Path) -> None:
        """Write judge.csv and score.json."""
        write_atomically(folder / FILES[0], self.learners.to_csv(index=False, lineterminator="\n"))
        write_atomically(folder / FILES[1], json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n")


def of(learners: Sequence[Learner], rows: pd.DataFrame, sides: dict[str, str], chance: float, tested: int = 0) -> Score:
    """Score the trainings. rows: tidy, `defence` the learner's name; sides: by run, clean or published; tested: on how
    many test samples, for the sentence.
    """
    table = pd.DataFrame([_row(one, rows[rows["defence"] == one.name], sides, chance) for one in learners])
    found = {tier: _of_tier(table[(table["tier"] == tier) & table["learnt"]], chance) for tier in TIERS}
    bound = [one["binding"] for one in found.values() if one]
    table["binding"] = table["learner"].isin(bound)
    order = table.assign(place=table["tier"].map(TIERS.index)).sort_values(
        ["place", "protected"], ascending=[True, False], kind="stable"
    )
    table = table.loc[order.index, list(COLUMNS)].reset_index(drop=True)
    alone = found["alone"] or dict.fromkeys(("worst", "clean_best", "retained", "binding"))
    return Score(
        **alone, chance=chance, with_help=found["with help"], sentence=in_words(table, found, chance, tested),
        learners=table, rows=rows,
    )  # fmt: skip


def _row(learner: Learner, rows: pd.DataFrame, sides: dict[str, str], chance: float) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for side, names in ((CLEAN, ("ceiling", "ceiling_low", "ceiling_high")), (PUBLISHED, ("protected", "low", "high"))):
        mine = rows[rows["run"].map(sides) == side]
        runs = [part for _, part in mine.groupby("seed")]
        peaks = [peak(part) for part in runs]
        values |= dict(zip(names, (float(np.mean(peaks)), min(peaks), max(peaks)), strict=True))
        test = [part[(part["split"] == "test") & (part["metric"] == "accuracy")] for part in runs]
        last = [float(part.sort_values("epoch")["value"].iloc[-1]) for part in test]
        values["ceiling_final" if side == CLEAN else "final"] = float(np.mean(last))
    network = str(rows["victim"].iloc[0])
    return values | {
        "learner": learner.name, "tier": learner.tier, "learnt": learnt(values["ceiling"], chance),
        "seeds": rows["seed"].nunique(), "network": network, "head": learner.head, "defence": learner.defence,
        "recipe": learner.recipe, "side": learner.scale, "words": learner.words,
    }  # fmt: skip


def _of_tier(counted: pd.DataFrame, chance: float) -> dict[str, Any]:
    if counted.empty:
        return {}
    worst = counted.sort_values("protected", kind="stable").iloc[-1]
    best = float(counted["ceiling"].max())
    retained = (float(worst["protected"]) - chance) / (best - chance)
    return {
        "worst": float(worst["protected"]), "clean_best": best, "retained": retained, "binding": str(worst["learner"]),
    }  # fmt: skip


def in_words(table: pd.DataFrame, found: dict[str, dict[str, Any]], chance: float, tested: int = 0) -> str:
    """Say it in a sentence or two, never without its numbers."""
    alone, helped = (found[tier] for tier in TIERS)
    words, tried = table.set_index("learner")["words"], table[table["tier"] == "alone"]
    if alone:
        counts = {"learners": int(tried["learnt"].sum()), "seeds": int(table["seeds"].min()), "tested": tested}
        said = verdict({**alone, **counts}, str(words[alone["binding"]]), chance)
    else:
        best = f"the best got {tried['ceiling'].max():.2f}" if len(tried) else "nobody tried alone"
        said = f"Nothing can be said: no learner learnt from the clean data either ({best}, guessing is {chance:.2f})."
    if helped:
        said += f" With help, {words[helped['binding']]} gives {helped['worst']:.2f} of {helped['clean_best']:.2f}."
    return said
