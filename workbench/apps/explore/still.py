"""The bench where nobody can press a button: still pictures, or the line that says what is wrong."""

from collections.abc import Sequence
from typing import Protocol

import ipywidgets as widgets
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from workbench import figures
from workbench.apps import html
from workbench.apps.explore.pair import Choice, Pairs

SHOWN = 3  # images on the sheet


class Bench(Protocol):
    """The two faces, a cell of the notebook each."""

    def look(self) -> None:
        """Show an image, the noise and their sum."""

    def train(self) -> None:
        """Train the clean twin and the victim and show their curves."""


class Still:
    """The bench where a program runs the notebook: the parameters' own choice, as pictures and as files in `out`.

    defences: what the learners use, a pair of networks for each.
    """

    def __init__(self, pairs: Pairs, choice: Choice, defences: Sequence[str]):
        self.pairs, self.choice, self.defences = pairs, choice, defences

    def look(self) -> None:
        """Search the noise; show the first images, their noise and their sum, and the numbers of each."""
        found = self.pairs.search(self.choice).noise
        originals, copies = {}, {}
        for index in range(min(SHOWN, self.pairs.count)):
            name = f"image {index} (class {self.pairs.named(index)})"
            originals[name], copies[name] = self.pairs.shown(index, found, self.choice.epsilon)
        figures.say(*(f"{name}: {html.measured(originals[name], copies[name])}" for name in originals))
        kind = figures.name_of(self.choice.method, self.choice.kind)
        self._show(figures.noise_sheet(originals, {kind: copies}, self.choice.epsilon), "sheet")

    def train(self) -> None:
        """Train the pairs; show the curves of each, say what came out, write results.csv."""
        for defence in self.defences:
            choice = self.choice._replace(defence=defence)
            self.pairs.train(choice, lambda _: None)
            rows = pd.concat([self.pairs.curves[run] for run in (choice.twin, choice)])
            self._show(self.pairs.plotted(rows, choice), "curves" if defence == "none" else f"curves-{defence}")
            figures.say(self.pairs.sentence(choice))
        self.pairs.finish()

    def _show(self, figure: Figure, name: str) -> None:
        figures.save(figure, self.pairs.study.out / "figures", name)
        figures.show(figure)


class Refused:
    """Stands where a bench would be when its parameters are wrong: shows what is wrong, in one line."""

    def __init__(self, line: str):
        self.message = widgets.HTML(html.said(f"Error: {line}", urgent=True))

    def look(self) -> None:
        """Show the line."""
        display(self.message)

    train = look
