"""How visible noise is and how easily it is read: PSNR, SSIM and linear separability of every kind of noise."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench.figures.lines import lines, needed, over_seeds, said, setting, spread
from workbench.figures.style import titled

MEASURES = {
    "psnr": "PSNR in dB (less is more visible)",
    "ssim": "SSIM (less is more visible)",
    "linear_separability": "linear separability, held out",
}


def looks(rows: pd.DataFrame, chance: float) -> Figure:
    """A mark for every kind of noise in three panels, whiskers from the lowest to the highest seed.

    rows: tidy rows of the metrics psnr, ssim and linear_separability; chance: accuracy of guessing the class.
    """
    rows = needed(rows[rows["metric"].isin(MEASURES) & np.isfinite(rows["value"])], "measure of noise")
    drawn = lines(rows)
    figure = Figure(figsize=(12, 0.42 * len(drawn) + 2), layout="constrained")
    axes = figure.subplots(1, len(MEASURES), sharey=True)
    places = np.arange(len(drawn))[::-1]
    told = []
    for line, place in zip(drawn, places, strict=True):
        words = []
        by_metric = spread(line.rows, "value", ["metric"])
        where = dict(zip(MEASURES, axes, strict=True))
        for metric, row in by_metric.iterrows():
            axis = where[str(metric)]
            axis.plot([row["low"], row["high"]], [place, place], color=line.style["color"], linewidth=2)
            axis.plot(row["mean"], place, color=line.style["color"], marker=line.style["marker"], markersize=8)
            axis.annotate(f"{row['mean']:.2f}", (row["mean"], place), (0, 8), textcoords="offset points", ha="center")
            words.append(f"{str(metric).replace('_', ' ')} {said(row)}")
        told.append(f"{line.name}: {', '.join(words)}")
    for axis, label in zip(axes, MEASURES.values(), strict=True):
        axis.set(xlabel=label, ylim=(-0.6, len(drawn) - 0.2))
        axis.margins(x=0.15)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set(yticks=places, yticklabels=[line.name for line in drawn])
    axes[2].axvline(chance, color="#767676", linestyle=(0, (1, 3)))
    axes[2].set_xlim(0, 1.08)
    about = ", ".join(filter(None, ["visibility of noise", setting(rows, but=("victim",))]))
    titled(figure, f"{about}; {over_seeds(rows, ['method', 'kind'], 'whiskers')}")
    figure.set_label(f"{figure.get_suptitle()}. {'; '.join(told)}. Guessing the class is {chance:.2f}.")
    return figure
