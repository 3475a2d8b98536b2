"""The bench's faces: live controls, each reachable by keyboard, and still pictures; every picture also in words."""

from typing import Any, Protocol

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from workbench import figures
from workbench.apps import html
from workbench.apps.background import BUSY, Job, Stages
from workbench.apps.explore.pair import CLEAN, LARGEST, Choice, Pairs
from workbench.catalogue import METHODS
from workbench.config import KINDS
from workbench.noise.perturbation import Perturbation
from workbench.progress import Step

MAGNIFIED = (("as it is", 1), ("×4", 4), ("×16", 16))
SIDE = 208  # CSS pixels of a picture, so that three stand side by side in a cell
SHOWN = 3  # images on the still sheet
KIND_WORDS = {"classwise": "class-wise (one a class)", "samplewise": "sample-wise (one an image)"}
BUTTONS = {"style": {"button_width": "auto"}}
WIDE = {"style": {"description_width": "90px"}, "layout": {"width": "420px"}}
TRIED = ("trained on", "peak", "final", "on its own training images")


class Bench(Protocol):
    """The two faces, a cell of the notebook each."""

    def look(self) -> None:
        """Show an image, the noise and their sum."""

    def train(self) -> None:
        """Train the clean twin and the victim and show their curves."""


class Panel:
    """Live controls over pairs: `look` and `train` show them, a cell each, with the same choice in both.

    The attributes are the widgets. Work is done by `job`, one piece at a time, while all controls stay alive.
    """

    def __init__(self, pairs: Pairs, choice: Choice):
        self.pairs = pairs
        methods = [name for name, entry in METHODS.items() if "image" in entry.spaces and not entry.outside]
        # Not Dropdown or RadioButtons: JupyterLab takes the arrow keys from them, to move between cells and headings.
        self.method = widgets.ToggleButtons(options=methods, value=choice.method, **BUTTONS)
        kinds = [(KIND_WORDS[kind], kind) for kind in KINDS]
        self.kind = widgets.ToggleButtons(options=kinds, value=choice.kind, **BUTTONS)
        self.epsilon = widgets.IntSlider(value=choice.epsilon, min=0, max=LARGEST, description="ε, of 255", **WIDE)
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
        for control in (self.method, self.kind, self.epsilon, self.image, self.times):
            control.observe(self._draw, "value")
        self.search.on_click(lambda _: self._start(pair=False))
        self.fit.on_click(lambda _: self._start(pair=True))
        self.halt.on_click(lambda _: self.job.stop())
        self._draw()
        self._say("Ready.")

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        return Choice(self.method.value, self.kind.value, self.epsilon.value)

    def look(self) -> None:
        """Show the controls, the pictures and their numbers, and start the first search."""
        chosen = [*self._carried(), self.image, _named("show noise", self.times)]
        display(widgets.VBox([*chosen, self.picture, self.text, widgets.HBox([self.search, self.halt]), self.status]))
        if self.pairs.nearest(self.choice) is None and self.choice.epsilon:
            self._start(pair=False)

    def train(self) -> None:
        """Show the same choice again with the buttons that train, and the curves."""
        buttons = widgets.HBox([self.fit, self.halt])
        display(
            widgets.VBox(
                [*self._carried(), self.chosen, buttons, self.done, self.status, self.curves, self.answer, self.tried]
            )
        )

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
        self.chosen.value = html.said(f"Chosen: {choice}.")

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
        self.pairs.train(choice, self._plot)
        self.answer.value = html.said(self.pairs.sentence(choice))
        rows = []
        for run in self.pairs.curves:
            numbers = self.pairs.numbers(run)
            name = "clean images" if run == CLEAN else str(run)
            rows.append((name, *(f"{numbers[column]:.2f}" for column in ("peak", "final", "train"))))
        caption = "Accuracy in all runs so far; peak and final on clean test images"
        self.tried.value = html.table(TRIED, rows, caption)
        self.pairs.finish()
        return f"Trained the pair; the numbers are in {self.pairs.study.out / 'results.csv'}."

    def _plot(self, rows: pd.DataFrame) -> None:
        self.curves.value = html.drawing(plotted(rows, self.pairs))

    def _say(self, line: str, *, urgent: bool = False) -> None:
        self.status.value = html.said(line, urgent=urgent)


class Still:
    """The bench where a program runs the notebook: the parameters' own choice, as pictures and as files in `out`."""

    def __init__(self, pairs: Pairs, choice: Choice):
        self.pairs, self.choice = pairs, choice

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
        """Train the pair; show its curves, say what came out, write results.csv."""
        self.pairs.train(self.choice, lambda _: None)
        self._show(plotted(pd.concat([self.pairs.curves[run] for run in (CLEAN, self.choice)]), self.pairs), "curves")
        figures.say(self.pairs.sentence(self.choice))
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


def _named(name: str, buttons: widgets.ToggleButtons) -> widgets.HBox:
    """Put buttons after their name, which stands where the sliders' names stand."""
    place = {"width": "90px", "display": "flex", "justify_content": "flex-end", "margin": "2px 8px 2px 2px"}
    return widgets.HBox([widgets.Label(name, layout=place), buttons])


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


def plotted(rows: pd.DataFrame, pairs: Pairs) -> Figure:
    """Draw the curves so far, on axes as long as the whole training."""
    figure = figures.curves(rows, pairs.study.chance)
    for axis in figure.axes:
        axis.set_xlim(0.8, pairs.longest + 0.2)
    return figure
