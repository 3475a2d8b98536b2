"""Draw what the best learner gets from a noise, by its perturbation budget and by the number of images.

    python experiments/worst_case.py

reads experiments/results/worst_case.csv (collect.py, of judgements at several budgets and numbers of images) and
writes worst_case.png beside it.
"""

import re
import sys
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench import figures
from workbench.figures.style import name_of

RESULTS = Path(__file__).parent / "results"
CHANCE, ALL, EPSILON = 0.1, 5000, 8
BESIDE = {"textcoords": "offset points", "size": 8}


def main() -> int:
    """Draw and write."""
    scores = figures.scores(pd.read_csv(RESULTS / "worst_case.csv"), CHANCE)
    scores["images"] = [int(found[1].replace(",", "")) if (found := re.search("([0-9,]+) images", data)) else ALL
                        for data in scores["data"]]  # fmt: skip
    sheet = Figure(figsize=(10, 4), layout="constrained")
    by_budget, by_images = sheet.subplots(1, 2, sharey=True)
    draw(by_budget, scores[scores["images"] == ALL], "epsilon", f"perturbation budget ε, {ALL:,} images")
    draw(by_images, scores[scores["epsilon"] == EPSILON], "images", f"training images, ε = {EPSILON}")
    by_images.set_xscale("log")
    by_images.set_xticks(ticks := sorted(scores["images"].unique()), [f"{one:,}" for one in ticks], minor=False)
    by_images.minorticks_off()
    by_budget.set_xticks(sorted(scores["epsilon"].unique()))
    by_budget.set_ylabel("accuracy of the best learner")
    by_budget.legend()
    sheet.suptitle(
        "Worst case on CIFAR-10 photographs, ten learners, one seed: more budget helps, fewer images undo it"
    )
    (RESULTS / "worst_case.png").write_bytes(figures.png(sheet))
    return 0


def draw(axes: Axes, scores: pd.DataFrame, by: str, label: str) -> None:
    """Draw one line per noise, with the learner that binds at every point, and what clean images teach."""
    for turn, ((method, kind), part) in enumerate(scores.groupby(["method", "kind"], sort=False)):
        part = part.sort_values(by)
        axes.plot(part[by], part["worst"], marker="o", label=name_of(method, kind))
        for _, row in part.iterrows():
            axes.annotate(row["binding"], (row[by], row["worst"]), xytext=(4, 7 - 19 * (turn % 2)), **BESIDE)
    clean = scores.groupby(by)["clean_best"].max()
    axes.plot(clean.index, clean.values, color="grey", linestyle="--", marker=".", label="clean images, best learner")
    axes.axhline(CHANCE, color="grey", linewidth=1, linestyle=":")
    axes.set_xlabel(label)
    axes.set_ylim(0, 0.8)
    axes.margins(x=0.3)


if __name__ == "__main__":
    sys.exit(main())
