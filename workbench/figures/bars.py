"""Final and peak accuracy of every run."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.figures.lines import lines, needed, over_seeds, overall, said, setting, summarised
from workbench.figures.style import GUESSING, titled

BY = ("method", "kind", "defence")


def bars(summary: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy (bar) and peak accuracy (mark) on clean test images, a bar a run and defence.

    summary: as results.summary returns it, or the tidy rows; several seeds are averaged, whiskers from lowest to
    highest.
    """
    summary = needed(summarised(summary), "accuracy")
    drawn = lines(summary, by=BY)
    defences = [str(line.keys["defence"]) for line in drawn]
    names = [
        line.name + ("" if defence == "none" else f"\nlearner uses {defence}")
        for line, defence in zip(drawn, defences, strict=True)
    ]
    final = pd.DataFrame([overall(line.rows, "final") for line in drawn])
    peak = pd.DataFrame([overall(line.rows, "peak") for line in drawn])
    figure = Figure(figsize=(8, 0.5 * len(names) + 1.9), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(names))[::-1]
    several = bool((final["seeds"] > 1).any())
    axis.barh(
        places,
        final["mean"],
        color=[line.style["color"] for line in drawn],
        hatch=["" if defence == "none" else "//" for defence in defences],
        edgecolor="white",
        alpha=0.5,  # so that the whiskers can be seen on the black bars
        label="final",
        xerr=np.stack([final["mean"] - final["low"], final["high"] - final["mean"]]) if several else None,
    )
    axis.plot(
        peak["mean"], places, "k|", markersize=16, markeredgewidth=2, linestyle="none", label="peak of all epochs"
    )
    axis.axvline(chance, **GUESSING)
    ends = np.fmax(final["high"], peak["mean"])
    for place, value, best, end in zip(places, final["mean"], peak["mean"], ends, strict=True):
        # Beyond whisker and mark, so that the numbers hide neither.
        text = f"{value:.2f}, peak {best:.2f}"
        axis.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center", size=9)
    axis.set(
        yticks=places,
        xlim=(0, 1.22),
        xticks=np.linspace(0, 1, 6),
        xlabel="accuracy on clean test images (dotted: guessing)",
    )
    axis.set_yticklabels(names)
    axis.set_ylim(-0.6, len(names) - 0.4)
    titled(figure, f"{setting(summary)}; {over_seeds(summary, BY, 'whiskers')}")
    figure.legend(loc="outside lower right", ncols=2, fontsize=9)
    told = [
        f"{name.replace(chr(10), ', ')} ends at {said(last)}, best epoch {said(top)}"
        for name, (_, last), (_, top) in zip(names, final.iterrows(), peak.iterrows(), strict=True)
    ]
    title = f"Bars of the accuracy on clean test images ({figure.get_suptitle()})"
    figure.set_label(f"{title}. {'; '.join(told)}. Guessing is {chance:.2f}.")
    return figure
