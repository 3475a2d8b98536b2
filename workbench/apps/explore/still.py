"""The bench where a program runs the notebook: the same pictures and the same pair, without controls."""

from pathlib import Path

from workbench import figures
from workbench.apps.background import Watch
from workbench.apps.explore import pictures
from workbench.apps.explore.experiment import Choice, Experiment
from workbench.apps.explore.panel import plotted
from workbench.records import table

SHOWN = 3  # images on the sheet


class Still:
    """`look` and `train` for the parameters' own choice, as pictures in the notebook and files in `out`."""

    def __init__(self, experiment: Experiment, choice: Choice, out: Path):
        self.experiment, self.choice, self.out = experiment, choice, out

    def look(self) -> None:
        """Search the noise; show the first images, their noise and their sum, and the numbers of each."""
        train, found = self.experiment.data.train, self.experiment.search(self.choice, Watch())
        originals, copies = {}, {}
        for index in range(min(SHOWN, len(train))):
            image, copy = self.experiment.shown(index, found, self.choice.epsilon)
            name = f"image {index} (class {train.classes[train.labels[index]]})"
            originals[name], copies[name] = (part.permute(1, 2, 0).numpy() for part in (image, copy))
            print(f"{name}: {pictures.numbers(image, copy)}")
        kind = figures.name_of(self.choice.method, self.choice.kind)
        sheet = figures.noise_sheet(originals, {kind: copies}, self.choice.epsilon)
        figures.save(sheet, self.out / "figures", "sheet")
        figures.show(sheet)

    def train(self) -> None:
        """Train the pair; show its curves, say what came out, write results.csv."""
        rows = self.experiment.pair(self.choice, Watch(), lambda _: None)
        figure = plotted(rows, self.experiment)
        figures.save(figure, self.out / "figures", "curves")
        figures.show(figure)
        print(self.experiment.sentence(self.choice))
        table.write(rows, self.out)
