"""How much noise is enough: accuracy against the budget, and against how visible the noise is."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from workbench.figures.lines import Line, lines, needed, over_seeds, overall, said, setting, spread, undefended
from workbench.figures.style import guessing, titled

# Fewer dB and a smaller SSIM mean more visible: those axes run backwards, so that to the right is always more visible.
VISIBILITY = {
    "psnr": "PSNR in dB (axis reversed: to the right is more visible)",
    "ssim": "SSIM (axis reversed: to the right is more visible)",
}


def budget(rows: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy on clean test images against ε, and against PSNR and SSIM where the table has them.

    rows: the tidy table; PSNR and SSIM are rows of that metric, of the noise a method, kind and ε made.
    """
    runs = undefended(rows)
    runs = needed(runs[(runs["method"] == "clean") | (runs["epsilon"] > 0)], "accuracy with noise")
    drawn = lines(runs, but=("epsilon",))
    measured = {metric: _measured(rows, metric) for metric in VISIBILITY}
    scales = ["epsilon", *(metric for metric, found in measured.items() if not found.empty)]
    figure = Figure(figsize=(1.2 + 3.9 * len(scales), 4.8) if len(scales) > 1 else (7, 4.8), layout="constrained")
    axes = dict(zip(scales, figure.subplots(1, len(scales), sharey=True, squeeze=False)[0], strict=True))
    told = []
    for line in drawn:
        if line.method == "clean":
            told.append(f"{line.name} {said(_level(axes, line))}")
            continue
        by_budget = spread(line.rows, "final", ["epsilon"])
        told.append(f"{line.name} " + ", ".join(f"{said(row)} at ε = {step}" for step, row in by_budget.iterrows()))
        _draw(axes["epsilon"], line, by_budget, by_budget.index.to_numpy(float))
        for metric in scales[1:]:
            _draw(axes[metric], line, by_budget, _seen(measured[metric], line, by_budget.index))
    _finish(axes, sorted(set(runs.loc[runs["method"] != "clean", "epsilon"])), chance)
    columns = min(len(drawn), 3 if len(scales) > 1 else 2)
    figure.legend(*axes["epsilon"].get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=9)
    about = ", ".join(filter(None, ["final accuracy by noise budget", setting(runs, but=("epsilon",))]))
    titled(figure, f"{about}; {over_seeds(runs, ['method', 'kind'], 'band')}")
    figure.set_label(f"{figure.get_suptitle()}, on clean test images. {'; '.join(told)}. Guessing is {chance:.2f}.")
    return figure


def _measured(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    if "metric" not in rows.columns:
        return rows.iloc[:0]
    return rows[(rows["metric"] == metric) & np.isfinite(rows["value"]) & (rows["method"] != "clean")]


def _seen(measured: pd.DataFrame, line: Line, steps: pd.Index) -> np.ndarray:
    """PSNR or SSIM of a line's noise at each ε, the mean over seeds; NaN where it was not measured."""
    own = measured[(measured["method"] == line.method) & (measured["kind"] == line.kind)]
    for column in ("data", "surrogate"):
        same = own[own[column] == line.keys.get(column)]
        own = own if same.empty else same
    return own.groupby("epsilon")["value"].mean().reindex(steps).to_numpy(float)


def _draw(axis: Axes, line: Line, by_budget: pd.DataFrame, places: np.ndarray) -> None:
    known = np.isfinite(places)
    order = np.argsort(places[known])
    shown, at = by_budget[known].iloc[order], places[known][order]
    axis.plot(at, shown["mean"], label=line.name, markersize=5, **line.style)
    if (shown["seeds"] > 1).any():
        axis.fill_between(at, shown["low"], shown["high"], color=line.style["color"], alpha=0.15)


def _level(axes: dict[str, Axes], line: Line) -> "pd.Series":
    """The clean twin has no noise: a level across every panel, with its own band."""
    level = overall(line.rows, "final")
    for axis in axes.values():
        axis.axhline(level["mean"], color=line.style["color"], linestyle=line.style["linestyle"], label=line.name)
        if level["seeds"] > 1:
            axis.axhspan(level["low"], level["high"], color=line.style["color"], alpha=0.12, linewidth=0)
    return level


def _finish(axes: dict[str, Axes], steps: list[int], chance: float) -> None:
    for scale, axis in axes.items():
        guessing(axis, chance)
        axis.set(ylim=(0, 1.02), xlabel=VISIBILITY.get(scale, "ε: largest change, in pixel values of 255"))
        axis.xaxis.label.set_fontsize(9)
        if scale != "epsilon":
            axis.invert_xaxis()
    first = axes["epsilon"]
    first.set_xscale("log", base=2)
    first.set_xticks(steps, [str(step) for step in steps])
    first.xaxis.set_minor_locator(NullLocator())
    first.set_ylabel("final accuracy on clean test images")
