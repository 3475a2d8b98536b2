"""The bench where a person watches: live controls, each reachable by keyboard; every picture also in words."""

from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython.display import display

from workbench.apps import html
from workbench.apps.background import BUSY, Job, Stages
from workbench.apps.explore.pair import LARGEST, Choice, Pairs
from workbench.budgets import KIND_WORDS
from workbench.catalogue import DEFENCES, METHODS
from workbench.config import KINDS
from workbench.figures import way_of
from workbench.noise.perturbation import Perturbation
from workbench.progress import Step

MAGNIFIED = (("as it is", 1), ("×4", 4), ("×16", 16))
SIDE = 208  # CSS pixels of a picture, so that three stand side by side in a cell
ONE_PER = {"classwise": "class", "samplewise": "image"}
BUTTONS = {"style": {"button_width": "auto"}}
WIDE = {"style": {"description_width": "90px"}, "layout": {"width": "420px"}}
TRIED = ("trained on", "learner uses", "peak", "final", "on its own training images")


class Panel:
    """Live controls over pairs: `look` and `train` show them, a cell each, with the same choice in both.

    The attributes are the widgets. Work is done by `job`, one piece at a time, while all controls stay alive.
    """

    def __init__(self, pairs: Pairs, choice: Choice):
        self.pairs = pairs
        methods = [name for name, entry in METHODS.items() if "image" in entry.spaces and not entry.outside]
        # Not Dropdown or RadioButtons: JupyterLab takes the arrow keys from them, to move between cells and headings.
        self.method = widgets.ToggleButtons(options=methods, value=choice.method, **BUTTONS)
        kinds = [(f"{KIND_WORDS[kind]} (one per {ONE_PER[kind]})", kind) for kind in KINDS]
        self.kind = widgets.ToggleButtons(options=kinds, value=choice.kind, **BUTTONS)
        self.epsilon = widgets.IntSlider(value=choice.epsilon, min=0, max=LARGEST, description="ε, of 255", **WIDE)
        # Of so many a list, which the space bar opens.
        self.defence = widgets.Dropdown(
            options=_defences(choice.defence), value=choice.defence, description="learner uses", **WIDE
        )
        self.image = widgets.IntSlider(value=0, min=0, max=pairs.count - 1, description="image", **WIDE)
        self.times = widgets.ToggleButtons(options=MAGNIFIED, value=4, **BUTTONS)
        self.search = widgets.Button(description="Search noise at this ε", icon="search", layout={"width": "220px"})
        self.fit = widgets.Button(
            description="Train the pair", icon="play", button_style="primary", layout={"width": "220px"}
        )
        self.halt = widgets.Button(description="Stop", icon="stop", layout={"width": "120px"})
        self.done = widgets.FloatProgress(value=0.0, min=0.0, max=1.0, description="progress", **WIDE)
        self.picture, self.text, self.chosen, self.status = (widgets.HTML() for _ in range(4))
        self.curves, self.answer, self.tried = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.job = Job(self._say, self._ended)
        for control in (self.method, self.kind, self.epsilon, self.defence, self.image, self.times):
            control.observe(self._draw, "value")
        self.search.on_click(lambda _: self._start(pair=False))
        self.fit.on_click(lambda _: self._start(pair=True))
        self.halt.on_click(lambda _: self.job.stop())
        self._draw()
        self._say("Ready.")

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        return Choice(self.method.value, self.kind.value, self.epsilon.value, self.defence.value)

    def look(self) -> None:
        """Show the controls, the pictures and their numbers, and start the first search."""
        chosen = [*self._carried(), self.image, _named("show noise", self.times)]
        display(widgets.VBox([*chosen, self.picture, self.text, widgets.HBox([self.search, self.halt]), self.status]))
        if self.pairs.nearest(self.choice) is None and self.choice.epsilon:
            self._start(pair=False)

    def train(self) -> None:
        """Show the same choice again with the buttons that train, and the curves."""
        buttons = widgets.HBox([self.fit, self.halt])
        chosen = [*self._carried(), self.defence, self.chosen]
        display(widgets.VBox([*chosen, buttons, self.done, self.status, self.curves, self.answer, self.tried]))

    def _carried(self) -> list[widgets.Widget]:
        return [_named("method", self.method), _named("noise", self.kind), self.epsilon]

    def _draw(self, _: Any = None) -> None:
        choice, index = self.choice, self.image.value
        if METHODS[choice.method].drawn and choice.epsilon and self.pairs.nearest(choice) is None:
            self.pairs.search(choice)  # drawn, not searched: it takes no time
        found = self.pairs.nearest(choice)
        image, copy = self.pairs.shown(index, found, choice.epsilon)
        name = f"image {index} of {self.pairs.count:,}, class {self.pairs.named(index)}"
        self.picture.value = sheet(image, copy, self.times.value, name)
        measured = html.measured(image, copy) if found or choice.epsilon == 0 else ""
        self.text.value = html.said(f"{_capital(name)}.", measured, self._origin(choice, found))
        self.chosen.value = html.said(f"Chosen: {choice}.", choice.used)

    def _origin(self, choice: Choice, found: Perturbation | None) -> str:
        """Say where the noise in the picture comes from: it must not promise more than was searched."""
        if choice.epsilon == 0:
            return "At ε = 0 there is no noise."
        if found is None and self.search.disabled:
            return "The noise is being searched; the picture appears when it is found."
        if found is None:
            return f"No noise yet: press “{self.search.description}” to find the {choice}."
        if found.epsilon != choice.epsilon:
            return (
                f"This pattern was found at ε = {found.epsilon} and only scaled to {choice.epsilon} for the picture. "
                f"“{self.search.description}” finds the one of {choice.epsilon}; training does so by itself."
            )
        return f"This {choice} was found on all {self.pairs.count:,} training images."

    def _start(self, *, pair: bool) -> None:
        choice = self.choice
        if self.job.busy:
            return self._say(BUSY)
        if not pair and choice.epsilon == 0:
            return self._say("At ε = 0 there is nothing to search.")
        self.search.disabled = self.fit.disabled = True  # a press that nothing follows would look like a loss
        self._draw()
        stages = Stages(self.pairs.ahead(choice, pair=pair))

        def words(step: Step) -> tuple[str, float]:
            number, share, _ = stages.place(step)
            return f"Step {number} of {stages.total}: {step}.", share

        if pair:
            self.curves.value = self.answer.value = ""
        self.job.start(lambda: self._pair(choice) if pair else self._found(choice), words, self.done)

    def _ended(self) -> None:
        self.search.disabled = self.fit.disabled = False
        self._draw()

    def _found(self, choice: Choice) -> str:
        self.pairs.search(choice)
        return f"Found the {choice}."

    def _pair(self, choice: Choice) -> str:
        self.pairs.train(choice, lambda rows: self._plot(rows, choice))
        self.answer.value = html.said(self.pairs.sentence(choice))
        rows = []
        for run in self.pairs.curves:
            numbers = self.pairs.numbers(run)
            name = "clean images" if run.twin == run else str(run)
            rows.append((name, run.defence, *(f"{numbers[column]:.2f}" for column in ("peak", "final", "train"))))
        caption = "Accuracy in all runs so far; peak and final on clean test images"
        self.tried.value = html.table(TRIED, rows, caption)
        self.pairs.finish()
        return f"Trained the pair; the numbers are in {self.pairs.study.out / 'results.csv'}."

    def _plot(self, rows: pd.DataFrame, choice: Choice) -> None:
        self.curves.value = html.drawing(self.pairs.plotted(rows, choice))

    def _say(self, line: str, *, urgent: bool = False) -> None:
        self.status.value = html.said(line, urgent=urgent)


def _named(name: str, buttons: widgets.ToggleButtons) -> widgets.HBox:
    """Put buttons after their name, which stands where the sliders' names stand."""
    place = {"width": "90px", "display": "flex", "justify_content": "flex-end", "margin": "2px 8px 2px 2px"}
    return widgets.HBox([widgets.Label(name, layout=place), buttons])


def _defences(chosen: str) -> list[tuple[str, str]]:
    """All that need no help from outside, in words, and the chosen one, which may be several joined."""
    ours = [name for name, entry in DEFENCES.items() if "image" in entry.spaces and not entry.help]
    longer = {name: DEFENCES[name].cost for name in ours if DEFENCES[name].cost >= 2}
    times = {name: f" ({cost:.0f} times as long)" for name, cost in longer.items()}
    named = [(f"{name}: {way_of(name)}{times.get(name, '')}", name) for name in ours]
    return named if chosen in ours else [*named, (f"{chosen}: {way_of(chosen)}", chosen)]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def sheet(image: np.ndarray, copy: np.ndarray, times: int, name: str) -> str:
    """Show image, noise and their sum side by side, both uint8 H×W×C. name: what the image shows, in words."""
    largest = int(abs(copy.astype(int) - image).max())
    shown = "as it is" if times == 1 else f"×{times}"
    cut = ", cut at black and white" if times * largest > html.MIDDLE else ""
    changes = html.magnified(image, copy, times)
    return html.side_by_side([
        html.picture(image, "image", f"{name}, unchanged", SIDE),
        html.picture(changes, f"noise {shown}{cut}", f"its noise, {shown}, grey is no change", SIDE),
        html.picture(copy, "image + noise", f"{name}, changed by at most {largest} of 255", SIDE),
    ])  # fmt: skip
