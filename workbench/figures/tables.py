"""The numbers for people: a table of all runs, the worst case, which is the learner's best, and plain sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.budgets import budget_name, kind_in_words
from workbench.figures.grouping import NAMED, Line, has_several, in_words, lines, overall, percent, summarised
from workbench.figures.style import CONTROLS, name_of, outside, way_of
from workbench.records.table import IDENTITY

SETTING = [name for name in IDENTITY if name not in ("run", "seed")]
PUBLISHED = [name for name in SETTING if name not in ("victim", "defence")]  # what makes a training set
OF_NOISE = ["data", "method", "kind", "epsilon"]
SHOWN = ("method", "kind", "epsilon", "victim", "defence")
LITTLE = 0.1  # of the way from guessing to being always right: who comes less far did not learn
NOTHING = "Nothing can be said: the clean twin itself did not learn"
Chance = float | Mapping[str, float]  # of guessing right, or that of each data set


def table(summary: pd.DataFrame, chance: float | None = None) -> pd.DataFrame:
    """One row per setting, accuracy as mean (lowest to highest) over its seeds.

    summary: as records/table.summary returns it, or the tidy rows; of these, PSNR and SSIM are shown too where
    measured. chance: with it each row shows the peak of its clean twin, marked where that did not learn.
    """
    runs = summarised(summary)
    # As in the figures, a seed counts once, however often it ran.
    runs = runs.groupby([*SETTING, "seed"], sort=False)[["train", "peak", "final"]].mean().reset_index()
    shown = runs.groupby(SETTING, sort=False).agg(
        seeds=("seed", "nunique"), train=("train", "mean"), peak=("peak", _spread), final=("final", _spread)
    )
    shown = shown.reset_index().round({"train": 3})
    several = [name for name in NAMED if name not in SHOWN and has_several(shown, name)]
    measured = []
    for metric in ("psnr", "ssim"):
        seen = summary[summary["metric"] == metric] if "metric" in summary else summary.iloc[:0]
        if not seen.empty:
            measured.append(metric)
            shown = shown.join(seen.groupby(OF_NOISE)["value"].mean().rename(metric), on=OF_NOISE)
    if chance is not None:
        measured.append("clean twin")
        shown["clean twin"] = [_beside(runs, dict(row), chance) for _, row in shown.iterrows()]
    shown["train"] = shown["train"].round(3)
    shown["method"] += shown["method"].map(outside)
    shown["kind"] = shown["kind"].map(kind_in_words)
    return shown[[*SHOWN, *several, "seeds", "train", "peak", "final", *measured]]


def _beside(runs: pd.DataFrame, keys: Mapping[Any, Any], chance: float) -> str:
    """The peak of the clean twin of the same defence; "" where there is none."""
    reached = overall(clean_twin(runs, keys, str(keys["defence"])), "peak")
    if not reached["seeds"]:
        return ""
    nothing = "" if learnt(reached["mean"], chance) else " did not learn: this row says nothing"
    return f"{reached['mean']:.3f}{nothing}"


def _spread(values: Sequence[float]) -> str:
    low, mean, high = min(values), float(np.mean(values)), max(values)
    return f"{mean:.3f}" if len(values) == 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"


def worst_case(rows: pd.DataFrame) -> dict[str, Any]:
    """The most that any learner got from images with noise (but the random control); {} when there is no such run.

    rows: the tidy table or its summary. Of every setting, defence and victim, that whose mean over seeds of the best
    epoch's accuracy on clean test data is largest. Keys: the setting (data, method, kind, epsilon, surrogate, victim,
    protected_fraction, defence); way: how, in words; peak with low, high and seeds; clean with clean_low, clean_high
    and clean_seeds: the same of the clean twin (NaN without one), of the same defence if alike, else without defence;
    plain: the peak of the clean twin without defence; share: peak / clean; ways: how many ways of learning were tried.
    """
    runs = summarised(rows)
    noisy = runs[~runs["method"].isin(CONTROLS)].dropna(subset=["peak"])
    if noisy.empty:
        return {}
    groups = [(dict(zip(SETTING, key, strict=True)), overall(part, "peak")) for key, part in noisy.groupby(SETTING)]
    keys, peak = max(groups, key=lambda group: float(group[1]["mean"]))
    plain, same = (clean_twin(runs, keys, defence) for defence in ("none", str(keys["defence"])))
    twin = overall(plain if same.empty else same, "peak")
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
        "alike": not same.empty,
        "plain": float(overall(plain, "peak")["mean"]),
        "share": float(peak["mean"] / twin["mean"]) if twin["mean"] else float("nan"),
        "ways": int(noisy["defence"].nunique()),
    }


def learnt(accuracy: float, chance: float) -> bool:
    """Whether somebody did more than guess: only then does it say anything what noise does to them."""
    return accuracy - chance >= LITTLE * (1 - chance)


def clean_twin(runs: pd.DataFrame, keys: Mapping[Any, Any], defence: str = "none") -> pd.DataFrame:
    """The clean runs with this defence of the same data and victim."""
    same = runs[(runs["method"] == "clean") & (runs["defence"] == defence)]
    return same[(same["data"] == keys["data"]) & (same["victim"] == keys["victim"])]


def honest_sentences(summary: pd.DataFrame, chance: Chance) -> list[str]:
    """Say what was found, with its numbers: one sentence per line of a figure, then one verdict per training set.

    summary: as records/table.summary returns it, or the tidy rows. A training set can still be learnt from when its
    worst case recovers more than half of what lies between guessing and the clean twin of the same defence, both at
    their best epoch; nothing can be said when that twin did not learn.
    """
    runs = summarised(summary)

    def guess(part: pd.DataFrame) -> float:
        return chance[part["data"].iloc[0]] if isinstance(chance, Mapping) else chance

    plain = lines(runs[runs["defence"] == "none"])
    found = [_effect(line, runs, guess(line.rows)) for line in plain if line.method != "clean"]
    # One verdict on all training sets would let the weakest speak for the strongest.
    clean, noisy = runs[runs["method"] == "clean"], runs[~runs["method"].isin(CONTROLS)]
    for _, part in noisy.groupby(PUBLISHED, sort=False):
        worst = worst_case(pd.concat([clean, part]))
        found += [_verdict(worst, guess(part))] if worst else []
    for (data, victim, defence), part in clean.groupby(["data", "victim", "defence"], sort=False):
        reached, least = overall(part, "peak"), guess(part)
        if noisy.empty and not learnt(reached["mean"], least):
            by = "" if defence == "none" else f", {way_of(str(defence))}"
            found.append(f"{NOTHING} ({in_words(reached)}, guessing is {least:.2f}), on {data}, victim {victim}{by}.")
    return found


def _effect(line: Line, runs: pd.DataFrame, chance: float) -> str:
    same = clean_twin(runs, {name: line.rows[name].iloc[0] for name in ("data", "victim")})
    clean = "there is no clean twin" if same.empty else f"the clean twin ends at {in_words(overall(same, 'final'))}"
    final, peak = overall(line.rows, "final"), overall(line.rows, "peak")
    return (
        f"{line.name}: {in_words(final)} on clean test data after the last epoch, {in_words(peak)} at the best one, "
        f"{_seeds(final['seeds'])}; {clean}, guessing is {chance:.2f}."
    )


def _verdict(worst: dict[str, Any], chance: float) -> str:
    between = f", {worst['low']:.2f} to {worst['high']:.2f}" if worst["seeds"] > 1 else ""
    measured = f"{_seeds(worst['seeds'])}{between}, at the best epoch"
    number = f"worst case {worst['peak']:.2f}"
    guessing = f"guessing is {chance:.2f}"
    data = (
        f"{worst['data']} with {name_of(worst['method'], worst['kind'])} noise, {budget_name(worst['epsilon'])}, "
        f"{percent(worst['protected_fraction'])} of the data protected, victim {worst['victim']}"
    )
    got = f"{worst['way']} gets {number}"
    if not worst["clean_seeds"]:
        return f"There is no clean twin to compare with: {got} ({measured}), on {data}; {guessing}."
    if not learnt(worst["clean"], chance):
        return f"{NOTHING} ({worst['clean']:.2f}, {guessing}); {got}, on {data}."
    data += f"; {guessing}. Others may get more."
    if not worst["alike"]:
        number += f", the clean twin without it {worst['clean']:.2f} (there is none with it to compare with)"
    else:
        number += f" = {100 * worst['share']:.0f} % of the clean twin's {worst['clean']:.2f}"
        if worst["defence"] != "none":
            number += " with the same" + (f", {worst['plain']:.2f} without" if worst["plain"] == worst["plain"] else "")
    if worst["peak"] - chance > (worst["clean"] - chance) / 2:
        return f"This data can still be learnt by {worst['way']}: {number} ({measured}), on {data}"
    tried = "the one way" if worst["ways"] == 1 else f"{worst['ways']} ways"
    verdict = f"By {tried} of learning tried here, not half of what the clean twin learns above guessing was reached"
    return f"{verdict}: {worst['way']} gets {number} ({measured}), on {data}"


def _seeds(count: float) -> str:
    return "1 seed" if count == 1 else f"{count:.0f} seeds"
