"""Pictures that grow while something learns: the noise of a search by rounds, accuracies by epochs.

One picture per cell, which every newer one replaces, so it works for a person who watches and for papermill alike.
"""

from typing import Any

import numpy as np
import pandas as pd
from IPython.display import DisplayHandle
from matplotlib.figure import Figure
from torch import Tensor

from workbench import figures, library
from workbench.noise.perturbation import Perturbation
from workbench.progress import Step, listening, watched
from workbench.records import table
from workbench.records.growing import growing
from workbench.study import Made, Study

ROWS = 3  # noises of a film


class Picture:
    """A place in a cell's output for one picture: every newer one replaces it."""

    def __init__(self) -> None:
        self._handle, self._shown = DisplayHandle(), False

    def show(self, figure: Figure) -> None:
        """Show a figure in the place of the last one."""
        put = self._handle.update if self._shown else self._handle.display
        put(figures.output(figure), raw=True)
        self._shown = True


class Film:
    """The noise of the first classes, column by column as it grows. total: columns to come, 0 when nobody knows."""

    def __init__(self, epsilon: int, classes: tuple[str, ...], total: int = 0):
        self.epsilon, self.total, self._names = epsilon, total, [f"class {name}" for name in classes[:ROWS]]
        self._stages: dict[str, np.ndarray] = {}
        self._picture = Picture()

    def add(self, caption: str, delta: Tensor) -> None:
        """Add a column and show it: noise K×C×H×W in pixel values, one per class, as it looks now."""
        self.keep(caption, delta)
        self.show()

    def keep(self, caption: str, delta: Tensor) -> None:
        """Add a column as `add` does, and do not show it yet."""
        self._stages[caption] = delta[: len(self._names)].detach().cpu().numpy().copy()

    def show(self) -> None:
        """Show all columns so far, in the place of what was shown before."""
        if self._stages:
            self._picture.show(self.figure())

    def figure(self) -> Figure:
        """Draw all columns so far."""
        return figures.film(self._stages, self.epsilon, self._names, self.total)


class Watch:
    """A study's noise and victims, shown while they are made: to whoever watches at every step, else once at the end.

    What is there already is read back and shown at once.
    """

    def __init__(self, study: Study):
        self.study = study

    def noise(self, method: str, kind: str, epsilon: int, **settings: Any) -> Made:
        """Search noise as Study.noise does; show how the part that a class shares grows, round by round."""
        shown = Film(epsilon, self.study.classes)

        def told(step: Step) -> None:
            shared = [part for name, part in (step.noise or {}).items() if name in ("shared", "delta")]
            if shared and len(shared[0]) == len(self.study.classes):
                shown.total = step.total
                error = step.numbers["surrogate_error"]
                shown.keep(f"round {step.done}\nerror {error:.2f}", shared[0])
                if watched():
                    shown.show()

        with listening(told):
            made = self.study.noise(method, kind, epsilon, **settings)
        if not watched():
            shown.show()
        return made

    def victims(self, *noises: Made | Perturbation | None, **settings: Any) -> list[pd.DataFrame]:
        """Train a victim on every one of `noises` (None: the clean twin) as Study.victim does.

        Without a defence their curves are shown while they grow.

        Noise without a run of its own, a Perturbation, is trained on as library.train does and kept nowhere. settings:
        epochs (0: the recipe's) and other fields of VictimConfig.
        """
        done: list[pd.DataFrame] = []
        picture, longest, plain = Picture(), 1, settings.get("defence", "none") == "none"

        def drawn(further: pd.DataFrame | None, total: int) -> None:
            if not plain or not (watched() or len(done) == len(noises)):
                return
            rows = pd.concat([*done, *([] if further is None else [further])])
            picture.show(figures.curves(rows, self.study.chance, longest=total))

        for noise in noises:
            found = noise.noise if isinstance(noise, Made) else noise
            run = (found.method, found.kind, found.epsilon) if found else ()
            with listening(growing(table.Identity("growing", self.study.pair.name, *run), drawn)):
                done.append(self._victim(noise, settings))
            longest = max(longest, int(done[-1]["epoch"].max()))
            drawn(None, longest)
        return done

    def _victim(self, noise: Made | Perturbation | None, settings: dict[str, Any]) -> pd.DataFrame:
        if not isinstance(noise, Perturbation):
            return self.study.victim(noise, **settings)
        own: dict[str, Any] = {name: self.study.which[name] for name in ("seed", "device") if name in self.study.which}
        own |= {**settings, "epochs": settings.get("epochs") or None}
        return library.train(self.study.pair, noise, **own)
