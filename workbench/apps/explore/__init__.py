"""What the notebook `00_explore` shows: noise under the hand, and a pair of networks trained while one watches.

`start` gives a bench with two faces, `look` and `train`: live controls where a person watches, still pictures where a
program runs the notebook. Only the notebook imports this package: it needs ipywidgets.
"""

from typing import Any

from workbench.apps.explore.pair import Choice, Pairs
from workbench.apps.explore.panel import Bench, Panel, Refused, Still
from workbench.config import WorkbenchError
from workbench.progress import watched


def start(*, method: str, kind: str, epsilon: int, network: str, epochs: int, out: str, **data: Any) -> Bench:
    """Load the data and return the bench, with everything checked.

    data: the fields of DataConfig. What the user can mend is shown as one line where a person watches, and raised
    (WorkbenchError) where a program runs the notebook, so that the run counts as failed.
    """
    choice = Choice(method, kind, epsilon)
    try:
        pairs = Pairs(network, epochs, choice, out, **data)
    except WorkbenchError as error:
        if not watched():
            raise
        return Refused(str(error))
    return Panel(pairs, choice) if watched() else Still(pairs, choice)
