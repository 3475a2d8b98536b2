"""Tidy rows for tests, and what a figure shows."""

import pandas as pd

from workbench.records import table

CHANCE = 1 / 3


def run(
    method="clean",
    kind="none",
    seed=0,
    test=(0.3, 0.9, 0.6),
    train=(0.2, 0.5, 0.8),
    defence="none",
    epsilon=8,
    victim="convnet-w4",
    surrogate="convnet-w4",
    fraction=1.0,
    more=(),
):
    """The rows of one run, three epochs; more: further points of its curve."""
    clean = method == "clean"
    identity = {
        "run": f"{method}{kind}{seed}{defence}{epsilon}{victim}{surrogate}{fraction}", "data": "folder",
        "method": method, "kind": kind, "epsilon": 0 if clean else epsilon,
        "surrogate": "none" if method in ("clean", "random") else surrogate, "victim": victim, "defence": defence,
        "protected_fraction": 0.0 if clean else fraction, "seed": seed,
    }  # fmt: skip
    points = [
        {"epoch": epoch, "split": split, "metric": metric, "value": value if metric == "accuracy" else 3 - value}
        for split, values in (("test", test), ("train", train))
        for epoch, value in enumerate(values, 1)
        for metric in ("accuracy", "loss")
    ]
    return table.table(table.Identity(**identity), [*points, *more])


def ends(final, peak=None):
    """A test curve with this end and this best epoch."""
    return (0.1, max(final, peak or final), final)


def lines(axis):
    """The drawn runs by their label."""
    return {line.get_label(): line for line in axis.get_lines() if not line.get_label().startswith("_")}


def texts(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))


def three_runs():
    """The clean twin, the random control and noise that works."""
    return pd.concat(
        [run(), run("random", "samplewise", test=(0.3, 0.8, 0.7)), run("em", "classwise", test=(0.4, 0.2, 0.1))]
    )


def seeds(make, values, spread=0.1):
    """Runs of three seeds: make(seed, value) with the value below, at and above the given one."""
    return pd.concat([make(seed, values + (seed - 1) * spread) for seed in range(3)])


def clean(**names):
    """The clean twin, three seeds."""
    return seeds(lambda seed, value: run(seed=seed, test=ends(value), **names), 0.85, 0.05)


def noisy(value, **names):
    """Three seeds of noise around this accuracy."""
    return seeds(lambda seed, value: run("em", "samplewise", seed=seed, test=ends(value), **names), value)
