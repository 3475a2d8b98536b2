"""Every plot of the project, from the tidy table or plain arrays. No torch here: figures can be drawn anywhere."""

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from workbench.figures.budget import budget, fractions, looks
from workbench.figures.curves import bars, curves
from workbench.figures.film import film
from workbench.figures.leaderboard import leaderboard, peak, scores, verdict, verdicts
from workbench.figures.learners import learners
from workbench.figures.learning import learning
from workbench.figures.matrix import confusion, confusion_table, transfer
from workbench.figures.noise import histogram, noise_sheet, side_by_side, spectrum
from workbench.figures.panel import panel, people, shares, whole
from workbench.figures.reading import compared
from workbench.figures.sheet import look_of, output, png, save, say, show, words_of
from workbench.figures.sounds import spectrograms, waveform
from workbench.figures.style import name_of, styles, way_of
from workbench.figures.tables import honest_sentences, learnt, table, worst_case

# The figures that a table alone can draw, by name: each takes the tidy rows and the accuracy of guessing.
FIGURES: dict[str, Callable[[pd.DataFrame, float], Figure]] = {
    "curves": curves,
    "bars": bars,
    "budget": budget,
    "fractions": fractions,
    "transfer": transfer,
    "confusion": lambda rows, chance: confusion(rows),
    "panel": panel,
    "leaderboard": leaderboard,
    "looks": looks,
    "people": people,
    # The same rows hold other scenes too, which would be lines of their own.
    "people_panel": lambda rows, chance: panel(whole(rows), chance),
    "people_fractions": lambda rows, chance: fractions(shares(rows), chance),
}

__all__ = [
    "FIGURES", "bars", "budget", "compared", "confusion", "confusion_table", "curves", "film", "fractions",
    "histogram", "honest_sentences", "leaderboard", "learners", "learning", "learnt", "look_of", "looks",
    "name_of", "noise_sheet", "output", "panel", "peak", "people", "png", "save", "say", "scores", "shares", "show",
    "side_by_side", "spectrograms", "spectrum", "styles", "table", "transfer", "verdict", "verdicts", "waveform",
    "way_of", "whole", "words_of", "worst_case",
]  # fmt: skip
