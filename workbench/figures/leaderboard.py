"""Methods against learners: the worst case of every noise, who binds, and a heat map of what each learner gets."""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.budgets import budget_name
from workbench.catalogue import DEFENCES
from workbench.figures.grouping import heading, needed
from workbench.figures.matrix import MAP, ink_on
from workbench.figures.sheet import frame, tell
from workbench.figures.style import name_of, way_of
from workbench.figures.tables import learnt
from workbench.installation import PACKAGE

NOISE = ["data", "method", "kind", "epsilon"]
SCORE = ["worst", "low", "high", "ceiling", "binding", "clean_best", "retained", "learners", "seeds"]
HALF = 0.5  # of what clean data teaches above guessing: from there data counts as learnable


def peak(curve: pd.DataFrame) -> float:
    """The accuracy on clean test samples of one training: at its best epoch, or, where samples were held out to choose
    the epoch by, at the first that is best on these.
    """
    curve = curve[curve["metric"] == "accuracy"].sort_values("epoch", kind="stable")
    test, held = (curve[curve["split"] == split].set_index("epoch")["value"] for split in ("test", "held"))
    return float(test.max() if held.empty else test.loc[held == held.max()].iloc[0])


def scores(rows: pd.DataFrame, chance: float) -> pd.DataFrame:
    """The protection score of every noise in the tidy rows of judgements, of learners alone, the smallest worst first.

    Columns: data, method, kind, epsilon; worst with low, high (over seeds of the learner that binds) and its ceiling;
    binding; clean_best; retained; learners; seeds.
    """
    cells = _cells(rows)
    cells = cells[cells["learner"].isin([name for name in cells["learner"] if not _has_help(name)])]
    clean = cells[cells["method"] == "clean"]
    found = []
    for key, part in cells[cells["method"] != "clean"].groupby(NOISE, sort=False):
        ceilings = part["learner"].map(clean[clean["data"] == key[0]].set_index("learner")["mean"])
        part = part.assign(ceiling=ceilings)[[learnt(value, chance) for value in ceilings]]
        if part.empty:
            continue
        worst, best = part.sort_values("mean", kind="stable").iloc[-1], float(part["ceiling"].max())
        found.append(
            dict(zip(NOISE, key, strict=True))
            | {"worst": worst["mean"], "low": worst["low"], "high": worst["high"], "ceiling": worst["ceiling"]}
            | {"binding": worst["learner"], "clean_best": best, "retained": (worst["mean"] - chance) / (best - chance)}
            | {"learners": len(part), "seeds": int(part["seeds"].min())}
        )
    table = pd.DataFrame(found, columns=[*NOISE, *SCORE])
    return table.sort_values("worst", kind="stable", ignore_index=True)


def verdicts(rows: pd.DataFrame, chance: float) -> list[str]:
    """Say of every noise in the tidy rows, but the random control, what the best learner gets from it."""
    ranked = scores(rows[rows["method"] != "random"], chance)
    found = []
    for _, row in ranked.iterrows():
        said = verdict(
            {str(name): value for name, value in row.items()},
            _words_of(row["binding"]),
            chance,
        )
        found.append(f"{name_of(row['method'], row['kind'])}: {said}")
    return found


def verdict(score: Mapping[str, Any], words: str, chance: float) -> str:
    """Say what a score means, never without its numbers. words: what the learner does who binds.

    score: worst, clean_best, retained, learners (how many had a say), seeds; tested: on how many test samples.
    """
    seeds = f"{score['seeds']} seed{'s' * (score['seeds'] > 1)}"
    seeds += f", {score['tested']:,} test samples" if score.get("tested") else ""
    got, how = f"{score['worst']:.2f} of {score['clean_best']:.2f}", f"(guessing is {chance:.2f}, {seeds})"
    if score["retained"] >= HALF:
        return f"This data can still be learnt from: {words} gives {got} {how}."
    half = f"half of what the clean data teaches: {{}} gets {got} {how}. Others may get more."
    if score["learners"] == 1:
        return f"The one learner who tried did not get {half.format(words)}"
    return f"None of {score['learners']} learners got {half.format(f'the best, {words},')}"


def leaderboard(rows: pd.DataFrame, chance: float) -> Figure:
    """Show the peak accuracy by noise (rows, the smallest worst case on top) and learner (columns), clean data below.

    A frame marks the learner that binds; a learner who learns nothing from clean data is crossed out and has no say.
    """
    needed(rows, "accuracy of learners")
    cells, ranked = _cells(rows), scores(rows, chance)
    names = [*ranked[["method", "kind", "epsilon"]].itertuples(index=False, name=None), ("clean", "none", 0)]
    grid = cells.pivot_table("mean", ["method", "kind", "epsilon"], "learner").reindex(names)
    order = grid.iloc[:-1].max().sort_values(ascending=False).index
    grid = grid[order]
    several = ranked["epsilon"].nunique() > 1
    labels = [
        name_of(method, kind) + (f", {budget_name(eps)}" if several and eps else "") for method, kind, eps in names
    ]
    labels = [f"{label}   {one:.2f}" for label, one in zip(labels, [*ranked["worst"], float("nan")], strict=True)]
    labels[-1] = "clean (ceilings)"
    figure, (axis,) = frame(3.4 + 0.42 * len(order), 2.4 + 0.34 * len(labels))
    axis.imshow(grid.to_numpy(float), cmap=MAP, vmin=0, vmax=1, aspect="auto")
    axis.set_yticks(range(len(labels)), labels, size=9)
    axis.set_xticks(range(len(order)), order, rotation=55, ha="right", size=8.5)
    axis.tick_params(length=0)
    for (down, across), value in np.ndenumerate(grid.to_numpy(float)):
        if np.isfinite(value):
            ink: dict[str, Any] = {"color": ink_on(value), "ha": "center", "va": "center", "size": 7.5}
            axis.text(across, down, f"{value:.2f}".lstrip("0"), **ink)
    for across, name in enumerate(order):
        if not learnt(float(grid[name].iloc[-1]), chance):
            axis.plot([across - 0.4, across + 0.4], [-0.5, len(labels) - 0.5], color="#B22222", linewidth=1)
    numbers = []
    box: dict[str, Any] = {"fill": False, "edgecolor": "#B22222", "linewidth": 2, "zorder": 4}
    for down, (_, row) in enumerate(ranked.iterrows()):
        axis.add_patch(Rectangle((list(order).index(row["binding"]) - 0.5, down - 0.5), 1, 1, **box))
        reached = f"{row['worst']:.2f} by {row['binding']}, of {row['clean_best']:.2f}"
        numbers.append(f"{name_of(row['method'], row['kind'])} {reached}")
    axis.axhline(len(labels) - 1.5, color="white", linewidth=4)
    figure.colorbar(ScalarMappable(cmap=MAP), ax=axis, pad=0.01, label="peak accuracy")
    title = heading(rows, "", by=("method", "kind", "defence"), but=("victim",), about="worst case beside names")
    return tell(figure, "Heat map of peak accuracy, noise by learner", title, numbers, chance)


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    """mean, low, high and seeds of the peak of every learner and noise; a seed that ran twice counts once."""
    rows = rows[(rows["metric"] == "accuracy") & (rows["split"] != "train")]
    if rows.empty:
        return pd.DataFrame(columns=[*NOISE, "learner", "mean", "low", "high", "seeds"])
    if (rows.groupby("defence")["victim"].nunique() > 1).any():  # judgements by several networks, each a learner
        rows = rows.assign(defence=rows["defence"] + ", " + rows["victim"])
    keys = [*NOISE, "defence", "seed", "run"]
    runs = rows.groupby(keys, sort=False)[["epoch", "split", "metric", "value"]].apply(peak)
    seeds = runs.groupby(level=[*NOISE, "defence", "seed"], sort=False).mean()
    groups = seeds.groupby(level=[*NOISE, "defence"], sort=False)
    found = pd.DataFrame({"mean": groups.mean(), "low": groups.min(), "high": groups.max(), "seeds": groups.size()})
    return found.reset_index().rename(columns={"defence": "learner"})


@cache
def _learners() -> dict[str, dict[str, Any]]:
    return tomllib.loads((PACKAGE / "learners.toml").read_text(encoding="utf-8"))


def _words() -> dict[str, str]:
    return {name: str(facts["words"]) for name, facts in _learners().items()}


def _words_of(learner: str) -> str:
    name, comma, network = learner.partition(", ")
    return f"{_words().get(name) or way_of(name)}{comma}{network}"


def _has_help(learner: str) -> bool:
    """Whether a learner, or one that a defence is the name of, has more than what was published."""
    learner = learner.partition(", ")[0]
    facts = _learners().get(learner, {"defence": learner})
    parts = str(facts.get("defence", "none")).split("+")
    return bool(facts.get("help")) or any(part in DEFENCES and bool(DEFENCES[part].help) for part in parts)
