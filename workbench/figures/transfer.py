"""Whether noise made against one architecture holds against another."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from workbench.figures.heat import MAP, ink_on, squares
from workbench.figures.lines import CONTROLS, Line, lines, needed, over_seeds, said, setting, spread, undefended
from workbench.figures.style import titled

CLEAN = "clean, no noise"
LABEL = "final accuracy (dotted: guessing)"


def transfer(rows: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy by the surrogate that the noise was made against (rows) and the victim that learns (columns).

    A panel a kind of noise; its top row is the clean twin of each victim. Cells: mean, below it lowest to highest.
    """
    runs = undefended(rows)
    clean = runs[runs["method"] == "clean"]
    noisy = needed(runs[~runs["method"].isin(CONTROLS)], "accuracy with noise from a surrogate")
    surrogates, victims = list(dict.fromkeys(noisy["surrogate"])), list(dict.fromkeys(runs["victim"]))
    panels = lines(noisy, but=("surrogate", "victim"))
    size = (max(4.6, 1.25 * len(victims) + 2.4) * len(panels) + 0.8, 0.75 * len(surrogates) + 3.0)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    told = []
    for axis, panel in zip(axes, panels, strict=True):
        table = _cells(clean, panel).reindex(
            pd.MultiIndex.from_product([[CLEAN, *surrogates], victims], names=["surrogate", "victim"])
        )
        squares(axis, table["mean"].unstack().loc[[CLEAN, *surrogates], victims].to_numpy(float))
        for (down, across), (_, cell) in zip(
            np.ndindex(len(surrogates) + 1, len(victims)), table.iterrows(), strict=True
        ):
            _write(axis, down, across, cell)
        axis.axhline(0.5, color="white", linewidth=4)
        axis.set_title(panel.name, size=10)
        axis.set_xticks(
            range(len(victims)), victims, rotation=0 if len(max(victims, key=len)) < 13 else 25, ha="center"
        )
        axis.set_yticks(range(len(surrogates) + 1), [CLEAN, *surrogates])
        axis.set_xlabel("victim")
        known = table.dropna(subset=["mean"]).reset_index()
        cells = [f"{row['surrogate']} to {row['victim']} {said(row)}" for _, row in known.iterrows()]
        told.append(f"{panel.name}: {', '.join(cells)}")
    axes[0].set_ylabel("surrogate of the noise")
    bar = figure.colorbar(
        ScalarMappable(cmap=MAP),
        ax=list(axes),
        pad=0.02,
        label=LABEL,
    )
    bar.ax.axhline(chance, color="white", linewidth=2, linestyle=":")
    titled(figure, f"{setting(runs, but=('victim',))}; {over_seeds(runs, ['method', 'kind'], 'small type')}")
    figure.set_label(
        f"Heat map of the final accuracy on clean test images, surrogate to victim ({figure.get_suptitle()}). "
        f"{'; '.join(told)}. Guessing is {chance:.2f}."
    )
    return figure


def _cells(clean: pd.DataFrame, panel: Line) -> pd.DataFrame:
    """The spread of the final accuracy by surrogate and victim, the clean twin of the panel's data included."""
    clean = clean[clean["data"].isin(panel.rows["data"])]
    return spread(pd.concat([clean.assign(surrogate=CLEAN), panel.rows]), "final", ["surrogate", "victim"])


def _write(axis: Axes, down: int, across: int, cell: "pd.Series[Any]") -> None:
    if not np.isfinite(cell["mean"]):
        axis.text(across, down, "not run", ha="center", va="center", size=8, color="#444444")
        return
    colour = ink_on(cell["mean"])
    several = cell["seeds"] > 1
    axis.text(across, down - 0.1 * several, f"{cell['mean']:.2f}", ha="center", va="center", size=11, color=colour)
    if several:
        text = f"{cell['low']:.2f} to {cell['high']:.2f}"
        axis.text(across, down + 0.24, text, ha="center", va="center", size=7.5, color=colour)
