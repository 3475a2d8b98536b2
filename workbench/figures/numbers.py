"""The numbers for people: a table of all runs, and the worst case, which is the learner's best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.figures.lines import CONTROLS, NAMED, has_several, overall, summarised
from workbench.figures.ways import way_of
from workbench.records.table import IDENTITY

SETTING = [name for name in IDENTITY if name not in ("run", "seed")]
OF_NOISE = ["data", "method", "kind", "epsilon"]
SHOWN = ("method", "kind", "epsilon", "victim", "defence")


def table(summary: pd.DataFrame) -> pd.DataFrame:
    """The numbers for people: a row a run, accuracy as mean (lowest to highest) over its seeds.

    summary: as results.summary returns it, or the tidy rows; of these, PSNR and SSIM are shown too where measured.
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
    twin = overall(twin_of(runs, keys), "peak")
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


def twin_of(runs: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    """The clean runs without defence of the same data and victim."""
    twin = runs[(runs["method"] == "clean") & (runs["defence"] == "none")]
    return twin[(twin["data"] == keys["data"]) & (twin["victim"] == keys["victim"])]
