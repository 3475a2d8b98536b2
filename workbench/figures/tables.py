"""The numbers for people: a table of all runs, the worst case, which is the learner's best, and plain sentences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.figures.grouping import NAMED, Line, has_several, in_words, lines, overall, percent, summarised
from workbench.figures.style import CONTROLS, name_of, way_of
from workbench.records.table import IDENTITY

SETTING = [name for name in IDENTITY if name not in ("run", "seed")]
PUBLISHED = [name for name in SETTING if name not in ("victim", "defence")]  # what makes a training set
OF_NOISE = ["data", "method", "kind", "epsilon"]
SHOWN = ("method", "kind", "epsilon", "victim", "defence")


def table(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, accuracy as mean (lowest to highest) over its seeds.

    summary: as records/table.summary returns it, or the tidy rows; of these, PSNR and SSIM are shown too where
    measured.
    """
    runs = summarised(summary)
    # As in the figures, a seed counts once, however often it ran.
    runs = runs.groupby([*SETTING, "seed"], sort=False)[["train", "peak", "final"]].mean().reset_index()
    shown = runs.groupby(SETTING, sort=False).agg(
        seeds=("seed", "nunique"), train=("train", "mean"), peak=("peak", _spread), final=("final", _spread)
    )
    shown = shown.reset_index()
    several = [name for name in NAMED if name not in SHOWN and has_several(shown, name)]
    measured = []
    for metric in ("psnr", "ssim"):
        seen = summary[summary["metric"] == metric] if "metric" in summary else summary.iloc[:0]
        if not seen.empty:
            measured.append(metric)
            shown = shown.join(seen.groupby(OF_NOISE)["value"].mean().rename(metric), on=OF_NOISE)
    return shown[[*SHOWN, *several, "seeds", "train", "peak", "final", *measured]]


def _spread(values: Sequence[float]) -> str:
    low, mean, high = min(values), float(np.mean(values)), max(values)
    return f"{mean:.3f}" if len(values) == 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"


def worst_case(rows: pd.DataFrame) -> dict[str, Any]:
    """The most that any learner got from images with noise (but the random control); {} when there is no such run.

    rows: the tidy table or its summary. Of every setting, defence and victim, that whose mean over seeds of the best
    epoch's accuracy on clean test images is largest. Keys: the setting (data, method, kind, epsilon, surrogate, victim,
    protected_fraction, defence); way: how, in words; peak with low, high and seeds; clean with clean_low, clean_high
    and clean_seeds: the same of the clean twin without defence (NaN without one); share: peak / clean; ways: how many
    ways of learning were tried.
    """
    runs = summarised(rows)
    noisy = runs[~runs["method"].isin(CONTROLS)].dropna(subset=["peak"])
    if noisy.empty:
        return {}
    groups = [(dict(zip(SETTING, key, strict=True)), overall(part, "peak")) for key, part in noisy.groupby(SETTING)]
    keys, peak = max(groups, key=lambda group: float(group[1]["mean"]))
    twin = overall(_twin(runs, keys), "peak")
    how = "training as usual, stopping at the best epoch" if keys["defence"] == "none" else way_of(str(keys["defence"]))
    return {
        **keys,
        "way": how,
        "peak": float(peak["mean"]),
        "low": float(peak["low"]),
        "high": float(peak["high"]),
        "seeds": int(peak["seeds"]),
        "clean": float(twin["mean"]),
        "clean_low": float(twin["low"]),
        "clean_high": float(twin["high"]),
        "clean_seeds": int(twin["seeds"]),
        "share": float(peak["mean"] / twin["mean"]) if twin["mean"] else float("nan"),
        "ways": int(noisy["defence"].nunique()),
    }


def _twin(runs: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    """The clean runs without defence of the same data and victim."""
    twin = runs[(runs["method"] == "clean") & (runs["defence"] == "none")]
    return twin[(twin["data"] == keys["data"]) & (twin["victim"] == keys["victim"])]


def honest_sentences(summary: pd.DataFrame, chance: float) -> list[str]:
    """Say what was found, with its numbers: one sentence per line of a figure, then one verdict per training set.

    summary: as records/table.summary returns it, or the tidy rows. A training set can still be learnt from when its
    worst case recovers more than half of what lies between guessing and the clean twin, both at their best epoch.
    """
    runs = summarised(summary)
    plain = lines(runs[runs["defence"] == "none"])
    found = [_effect(line, runs, chance) for line in plain if line.method != "clean"]
    # One verdict on all training sets would let the weakest speak for the strongest.
    clean, noisy = runs[runs["method"] == "clean"], runs[~runs["method"].isin(CONTROLS)]
    for _, part in noisy.groupby(PUBLISHED, sort=False):
        worst = worst_case(pd.concat([clean, part]))
        found += [_verdict(worst, chance)] if worst else []
    return found


def _effect(line: Line, runs: pd.DataFrame, chance: float) -> str:
    twin = _twin(runs, {name: line.rows[name].iloc[0] for name in ("data", "victim")})
    clean = "there is no clean twin" if twin.empty else f"the clean twin ends at {in_words(overall(twin, 'final'))}"
    final, peak = overall(line.rows, "final"), overall(line.rows, "peak")
    return (
        f"{line.name}: {in_words(final)} on clean test images after the last epoch, {in_words(peak)} at the best one, "
        f"{_seeds(final['seeds'])}; {clean}, guessing is {chance:.2f}."
    )


def _verdict(worst: dict[str, Any], chance: float) -> str:
    between = f", {worst['low']:.2f} to {worst['high']:.2f}" if worst["seeds"] > 1 else ""
    measured = f"{_seeds(worst['seeds'])}{between}, at the best epoch"
    number = f"worst case {worst['peak']:.2f}"
    data = (
        f"{worst['data']} with {name_of(worst['method'], worst['kind'])} noise, ε = {worst['epsilon']}, "
        f"{percent(worst['protected_fraction'])} of the images protected, victim {worst['victim']}"
    )
    if not worst["clean_seeds"]:
        return f"There is no clean twin to compare with: {worst['way']} gets {number} ({measured}), on {data}."
    number += f" = {100 * worst['share']:.0f} % of the clean twin's {worst['clean']:.2f}"
    if worst["clean"] <= chance:
        return (
            f"Nothing can be said, for the clean twin itself did not beat guessing ({chance:.2f}): {number}, on {data}."
        )
    if worst["peak"] - chance > (worst["clean"] - chance) / 2:
        return (
            f"This data can still be learnt by {worst['way']}: {number} ({measured}), on {data}. Others may get more."
        )
    tried = "the one way" if worst["ways"] == 1 else f"{worst['ways']} ways"
    verdict = f"By {tried} of learning tried here, not half of what the clean twin learns above guessing was reached"
    return f"{verdict}: {worst['way']} gets {number} ({measured}), on {data}. Others may get more."


def _seeds(count: float) -> str:
    return "1 seed" if count == 1 else f"{count:.0f} seeds"
