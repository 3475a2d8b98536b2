"""Every plot of the project, from the tidy table or plain arrays. No torch here: figures can be drawn anywhere."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.results import IDENTITY

# Okabe and Ito's palette, which the colour-blind can tell apart; every line also has its own marker and dash.
STYLES: dict[tuple[str, str], dict[str, Any]] = {
    ("clean", "none"): {"color": "#000000", "marker": "o", "linestyle": "-"},
    ("random", "classwise"): {"color": "#56B4E9", "marker": "v", "linestyle": ":"},
    ("random", "samplewise"): {"color": "#0072B2", "marker": "^", "linestyle": "--"},
    ("em-joint", "classwise"): {"color": "#D55E00", "marker": "s", "linestyle": "-."},
    ("em-joint", "samplewise"): {"color": "#009E73", "marker": "D", "linestyle": "-"},
    ("em", "classwise"): {"color": "#E69F00", "marker": "P", "linestyle": "-."},
    ("em", "samplewise"): {"color": "#CC79A7", "marker": "X", "linestyle": "--"},
    ("em-max", "classwise"): {"color": "#999999", "marker": "<", "linestyle": "-."},
    ("em-max", "samplewise"): {"color": "#666666", "marker": ">", "linestyle": "--"},
}
DPI = 110
WORDS = {"none": "", "classwise": ", class-wise", "samplewise": ", sample-wise"}


def name_of(method: str, kind: str) -> str:
    """A run's name in legends and tables."""
    return f"{method}{WORDS[kind]}"


def curves(rows: pd.DataFrame, chance: float) -> Figure:
    """Accuracy on clean test images (left) and on the training images (right) by epoch; a line a method and kind.

    rows: the tidy table; several seeds of one line are drawn as their mean with a band from lowest to highest.
    chance: accuracy of guessing, drawn as a dotted line.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    accuracy = rows[(rows["metric"] == "accuracy") & (rows["defence"] == "none")]
    for axis, split, title in zip(
        axes, ("test", "train"), ("clean test images", "training images, as published"), strict=True
    ):
        _curves_of(axis, accuracy[accuracy["split"] == split])
        axis.axhline(chance, color="#888888", linewidth=1, linestyle=(0, (1, 3)))
        axis.annotate(
            "guessing",
            (0.99, chance),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            size=8,
            color="#555555",
        )
        axis.set(title=f"accuracy on {title}", xlabel="epoch", ylim=(0, 1.02))
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9)
    seeds = rows["seed"].nunique()
    spread = f"mean of {seeds} seeds, band: lowest to highest" if seeds > 1 else f"seed {rows['seed'].iloc[0]}"
    figure.suptitle(f"{rows['data'].iloc[0]}, victim {', '.join(rows['victim'].unique())}, {spread}", size=11)
    return figure


def _curves_of(axis: Axes, accuracy: pd.DataFrame) -> None:
    for (method, kind), line in accuracy.groupby(["method", "kind"], sort=False):
        by_epoch = line.groupby("epoch")["value"].agg(["mean", "min", "max"])
        style = STYLES[(str(method), str(kind))]
        axis.plot(by_epoch.index, by_epoch["mean"], label=name_of(str(method), str(kind)), markersize=4, **style)
        if line["seed"].nunique() > 1:
            axis.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=style["color"], alpha=0.15)


def noise_sheet(
    images: Mapping[str, np.ndarray], protected: Mapping[str, Mapping[str, np.ndarray]], epsilon: int
) -> Figure:
    """Image, magnified noise and protected image, side by side.

    images: uint8 H×W×C by class name; protected: for each kind of noise, the protected images by class name. The noise
    is shown as mid-grey ± noise, magnified so that ±epsilon spans black to white.
    """
    kinds = list(protected)
    figure = Figure(figsize=(1.25 * (1 + 2 * len(kinds)) + 0.6, 1.25 * len(images) + 1.0), layout="constrained")
    grid = figure.subplots(len(images), 1 + 2 * len(kinds), squeeze=False)
    magnified = 127 / max(1, epsilon)
    titles = ["original"]
    for kind in kinds:
        shown = kind.replace(", ", "\n")
        titles += [f"{shown}\nnoise ×{magnified:.0f}", f"{shown}\nprotected"]
    for row, (label, image) in zip(grid, images.items(), strict=True):
        cells = [image]
        for kind in kinds:
            copy = protected[kind][label]
            noise = copy.astype(float) - image
            cells += [np.clip(127.5 + magnified * noise, 0, 255).astype(np.uint8), copy]
        for axis, cell in zip(row, cells, strict=True):
            axis.imshow(cell.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, size=8)
    figure.suptitle(f"noise within ±{epsilon} of 255; grey is no change", size=10)
    return figure


def bars(summary: pd.DataFrame, chance: float) -> Figure:
    """Final accuracy (bar) and peak accuracy (mark) on clean test images, a bar a run and defence.

    summary: as results.summary returns it; several seeds are averaged, whiskers from lowest to highest.
    """
    runs = summary.groupby(["method", "kind", "defence"], sort=False)
    final, peak = runs["final"].agg(["mean", "min", "max"]), runs["peak"].mean()
    keys = final.index.to_frame(index=False).astype(str)
    names = [
        name_of(method, kind) + ("" if defence == "none" else f"\nlearner uses {defence}")
        for method, kind, defence in keys.itertuples(index=False)
    ]
    figure = Figure(figsize=(8, 0.5 * len(names) + 1.6), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(names))[::-1]
    drawn: dict[str, Any] = {
        "color": [STYLES[key]["color"] for key in zip(keys["method"], keys["kind"], strict=True)],
        "hatch": ["" if defence == "none" else "//" for defence in keys["defence"]],
        "edgecolor": "white",
        "alpha": 0.75,
        "label": "final",
    }
    if summary["seed"].nunique() > 1:
        drawn["xerr"] = np.stack([final["mean"] - final["min"], final["max"] - final["mean"]])
    axis.barh(places, final["mean"], **drawn)
    axis.plot(peak, places, "k|", markersize=16, markeredgewidth=2, linestyle="none", label="peak of all epochs")
    axis.axvline(chance, color="#888888", linewidth=1, linestyle=(0, (1, 3)))
    for place, value in zip(places, final["mean"], strict=True):
        axis.annotate(f"{value:.2f}", (value, place), (6, 0), textcoords="offset points", va="center", size=9)
    axis.set(
        yticks=places, yticklabels=names, xlim=(0, 1.08), xlabel="accuracy on clean test images (dotted: guessing)"
    )
    figure.legend(loc="outside lower right", ncols=2, fontsize=9)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write folder/name.png and .svg, the same bytes for the same figure; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(paths[0], dpi=DPI, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def show(figure: Figure, text: str) -> None:
    """Show a figure in a notebook with `text` as its alternative text, for readers who cannot see it."""
    from IPython.display import Image, display

    picture = io.BytesIO()
    figure.savefig(picture, dpi=DPI)
    display(Image(picture.getvalue()), metadata={"image/png": {"alt": text}})


def table(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary for people: a row a run, accuracy as mean (lowest to highest) over its seeds."""
    runs = summary.groupby([name for name in IDENTITY if name not in ("run", "seed", "data")], sort=False)
    shown = runs.agg(
        seeds=("seed", "nunique"), train=("train", "mean"), peak=("peak", _spread), final=("final", _spread)
    )
    return shown.reset_index()[["method", "kind", "epsilon", "victim", "defence", "seeds", "train", "peak", "final"]]


def _spread(values: Sequence[float]) -> str:
    low, mean, high = min(values), float(np.mean(values)), max(values)
    return f"{mean:.3f}" if len(values) == 1 else f"{mean:.3f} ({low:.3f} to {high:.3f})"


def honest_sentences(summary: pd.DataFrame, chance: float) -> list[str]:
    """What was found, in plain words with its numbers: the effect, the control, and what still learns."""
    runs = summary.groupby(["method", "kind", "defence"], sort=False)[["peak", "final"]].mean().reset_index()
    mean: list[dict[str, Any]] = runs.to_dict("records")  # type: ignore[assignment]
    plain = [run for run in mean if run["defence"] == "none"]
    clean = next(run["final"] for run in plain if run["method"] == "clean")
    found = [
        f"{name_of(run['method'], run['kind'])}: {run['final']:.2f} on clean test images after the last epoch, "
        f"{run['peak']:.2f} at the best one; the clean twin ends at {clean:.2f}, guessing is {chance:.2f}."
        for run in plain
        if run["method"] != "clean"
    ]
    attacked = [run for run in mean if run["method"] not in ("clean", "random")]
    if attacked:
        best = max(attacked, key=lambda run: run["peak"])
        how = "stopping at the best epoch" if best["defence"] == "none" else f"{best['defence']} before training"
        verdict = "This data can still be learnt from" if best["peak"] > clean / 2 else "None of the learners got far"
        found.append(
            f"{verdict}: the most that any learner tried here got out of protected images is {best['peak']:.2f} "
            f"({name_of(best['method'], best['kind'])}, {how}). Others may get more."
        )
    return found
