"""What was found, in plain sentences: the effect, the control, and what still learns."""

from typing import Any

import pandas as pd

from workbench.figures.lines import CONTROLS, Line, lines, overall, percent, said, summarised
from workbench.figures.numbers import twin_of, worst_case
from workbench.figures.style import name_of

PUBLISHED = ["data", "method", "kind", "epsilon", "surrogate", "protected_fraction"]  # what makes a training set


def honest_sentences(summary: pd.DataFrame, chance: float) -> list[str]:
    """What was found, in plain words with its numbers: a sentence a line, then a verdict a training set.

    summary: as results.summary returns it, or the tidy rows. A training set can still be learnt from when its worst
    case recovers more than half of what lies between guessing and the clean twin, both at their best epoch.
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
    twin = twin_of(runs, {name: line.rows[name].iloc[0] for name in ("data", "victim")})
    clean = "there is no clean twin" if twin.empty else f"the clean twin ends at {said(overall(twin, 'final'))}"
    final, peak = overall(line.rows, "final"), overall(line.rows, "peak")
    return (
        f"{line.name}: {said(final)} on clean test images after the last epoch, {said(peak)} at the best one, "
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
