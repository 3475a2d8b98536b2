"""The controls: native widgets only, all of them reachable by keyboard, and every picture also in words."""

from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from workbench import figures, noise
from workbench.apps.background import Job, Watch
from workbench.apps.explore import pictures
from workbench.apps.explore.experiment import CLEAN, LARGEST, Choice, Experiment
from workbench.config import KINDS
from workbench.records import table

MAGNIFIED = (("as it is", 1), ("×4", 4), ("×16", 16))
KIND_WORDS = {"classwise": "class-wise (one a class)", "samplewise": "sample-wise (one an image)"}
BUTTONS = {"style": {"button_width": "auto"}}
WIDE = {"style": {"description_width": "90px"}, "layout": {"width": "420px"}}


class Panel:
    """Live controls over an experiment: `look` and `train` show them, a cell each, with the same choice in both.

    The attributes are the widgets. Work is done by `job`, one piece at a time, while all controls stay alive.
    """

    def __init__(self, experiment: Experiment, choice: Choice, out: Path):
        self.experiment, self.out = experiment, out
        count = len(experiment.data.train)
        # Not Dropdown or RadioButtons: JupyterLab takes the arrow keys from them, to move between cells and headings.
        self.method = widgets.ToggleButtons(options=list(noise.METHODS), value=choice.method, **BUTTONS)
        kinds = [(KIND_WORDS[kind], kind) for kind in KINDS]
        self.kind = widgets.ToggleButtons(options=kinds, value=choice.kind, **BUTTONS)
        self.epsilon = widgets.IntSlider(value=choice.epsilon, min=0, max=LARGEST, description="ε, of 255", **WIDE)
        self.image = widgets.IntSlider(value=0, min=0, max=count - 1, description="image", **WIDE)
        self.times = widgets.ToggleButtons(options=MAGNIFIED, value=4, **BUTTONS)
        self.search = widgets.Button(description="Search noise at this ε", icon="search", layout={"width": "220px"})
        self.fit = widgets.Button(
            description="Train the pair", icon="play", button_style="primary", layout={"width": "220px"}
        )
        self.halt = widgets.Button(description="Stop", icon="stop", layout={"width": "120px"})
        self.done = widgets.FloatProgress(value=0.0, min=0.0, max=1.0, description="progress", **WIDE)
        self.picture, self.text, self.chosen, self.status = (widgets.HTML() for _ in range(4))
        self.curves, self.answer, self.tried = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.job = Job(self._ended)
        for control in (self.method, self.kind, self.epsilon, self.image, self.times):
            control.observe(self._draw, "value")
        self.search.on_click(lambda _: self._start(pair=False))
        self.fit.on_click(lambda _: self._start(pair=True))
        self.halt.on_click(lambda _: self._stop())
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
        if self.experiment.nearest(self.choice) is None and self.choice.epsilon:
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
        if choice.method == "random" and choice.epsilon and self.experiment.nearest(choice) is None:
            self.experiment.search(choice, Watch())  # drawn, not searched: it takes no time
        found = self.experiment.nearest(choice)
        image, copy = self.experiment.shown(index, found, choice.epsilon)
        train = self.experiment.data.train
        name = f"image {index} of {len(train):,}, class {train.classes[train.labels[index]]}"
        self.picture.value = pictures.sheet(image, copy, self.times.value, name)
        measured = pictures.numbers(image, copy) if found or choice.epsilon == 0 else ""
        self.text.value = pictures.words(f"{name[0].upper()}{name[1:]}.", measured, self._origin(choice, found))
        self.chosen.value = pictures.words(f"Chosen: {choice}.")

    def _origin(self, choice: Choice, found: Any) -> str:
        """Where the noise in the picture comes from: the picture must not promise more than was searched."""
        if choice.epsilon == 0:
            return "At ε = 0 there is no noise."
        if found is None:
            return f"No noise yet: press “{self.search.description}” to find the {choice}."
        if found.epsilon != choice.epsilon:
            return (
                f"This pattern was found at ε = {found.epsilon} and only scaled to {choice.epsilon} for the picture. "
                f"“{self.search.description}” finds the one of {choice.epsilon}; training does so by itself."
            )
        return f"This {choice} was found on all {len(self.experiment.data.train):,} training images."

    def _start(self, *, pair: bool) -> None:
        choice = self.choice
        if self.job.busy:
            return self._say("Still at work: wait for it, or press Stop first.")
        if not pair and choice.epsilon == 0:
            return self._say("At ε = 0 there is nothing to search.")
        watch = Watch(self.experiment.work(choice, pair=pair), self._told)
        self.done.value = 0.0
        if pair:
            self.curves.value = self.answer.value = ""
        self.job.start(watch, lambda: self._pair(choice, watch) if pair else self._search(choice, watch))

    def _search(self, choice: Choice, watch: Watch) -> str:
        self.experiment.search(choice, watch)
        return f"Found the {choice} in {watch.seconds:.0f} s."

    def _pair(self, choice: Choice, watch: Watch) -> str:
        rows = self.experiment.pair(choice, watch, self._plot)
        self._plot(rows)
        self.answer.value = pictures.words(self.experiment.sentence(choice))
        self.tried.value = pictures.tried([self._row(run) for run in self.experiment.curves])
        self.out.mkdir(parents=True, exist_ok=True)
        path = table.write(pd.concat(self.experiment.curves.values(), ignore_index=True), self.out)
        return f"Trained the pair in {watch.seconds:.0f} s; the numbers are in {path}."

    def _row(self, run: Choice) -> tuple[str, str, str, str]:
        found = self.experiment.numbers(run)
        name = "clean images" if run == CLEAN else str(run)
        return (name, f"{found['peak']:.2f}", f"{found['final']:.2f}", f"{found['train']:.2f}")

    def _plot(self, rows: pd.DataFrame) -> None:
        self.curves.value = pictures.drawing(plotted(rows, self.experiment))

    def _stop(self) -> None:
        self._say("Stopping …" if self.job.stop() else "Nothing is at work.")

    def _told(self, line: str, share: float) -> None:
        self.done.value = share
        self._say(f"{line[0].upper()}{line[1:]}.")

    def _ended(self, line: str) -> None:
        self._draw()
        if not line.startswith(("Stopped", "Error")):
            self.done.value = 1.0
        self._say(line)

    def _say(self, line: str) -> None:
        self.status.value = pictures.words(line, urgent=line.startswith("Error"))


class Refused:
    """Stands where a bench would be when its parameters are wrong: shows what is wrong, in one line."""

    def __init__(self, line: str):
        self.message = widgets.HTML(pictures.words(f"Error: {line}", urgent=True))

    def look(self) -> None:
        """Show the line."""
        display(self.message)

    train = look


def _named(name: str, buttons: widgets.ToggleButtons) -> widgets.HBox:
    """A row of buttons after its name, which stands where the sliders' names stand."""
    place = {"width": "90px", "display": "flex", "justify_content": "flex-end", "margin": "2px 8px 2px 2px"}
    return widgets.HBox([widgets.Label(name, layout=place), buttons])


def plotted(rows: pd.DataFrame, experiment: Experiment) -> Figure:
    """The curves so far, on axes as long as the whole training."""
    figure = figures.curves(rows, experiment.chance)
    for axis in figure.axes:
        axis.set_xlim(0.8, experiment.epochs + 0.2)
    return figure
