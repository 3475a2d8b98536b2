"""What the notebook `00_explore` shows: noise under the hand, and a pair of networks trained while one watches.

`start` gives a bench with two faces, `look` and `train`: live controls where somebody watches, still pictures where a
program runs the notebook. Only the notebook imports this package: it needs ipywidgets.
"""

from pathlib import Path
from typing import Protocol

from workbench.apps.explore.experiment import Choice, Experiment
from workbench.apps.explore.panel import Panel, Refused
from workbench.apps.explore.still import Still
from workbench.config import DataConfig, WorkbenchError
from workbench.progress import mode


class Bench(Protocol):
    """The two faces, a cell of the notebook each."""

    def look(self) -> None:
        """Show an image, the noise and their sum."""

    def train(self) -> None:
        """Train the clean twin and the victim and show their curves."""


def start(
    *,
    data: str,
    limit_train: int,
    limit_test: int,
    method: str,
    kind: str,
    epsilon: int,
    network: str,
    epochs: int,
    seed: int,
    device: str,
    out: str,
) -> Bench:
    """Load the data and return the bench, with everything checked.

    What the user can mend is shown as one line where somebody watches, and raised (WorkbenchError) where a program
    runs the notebook, so that the run counts as failed.
    """
    watched = mode() == "bar"
    choice = Choice(method, kind, epsilon)
    try:
        config = DataConfig(data=data, limit_train=limit_train, limit_test=limit_test, seed=seed, device=device)
        experiment = Experiment(config, network, epochs, choice)
    except WorkbenchError as error:
        if not watched:
            raise
        return Refused(str(error))
    return Panel(experiment, choice, Path(out)) if watched else Still(experiment, choice, Path(out))
