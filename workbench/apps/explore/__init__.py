"""What the notebook `00_explore` shows: noise under the hand, and a pair of networks trained while one watches.

`start` gives a bench with two faces, `look` and `train`: live controls where a person watches, still pictures where a
program runs the notebook. Only the notebook imports this package: it needs ipywidgets.
"""

from collections.abc import Sequence
from typing import Any

from workbench.apps.explore.pair import Choice, Pairs
from workbench.apps.explore.panel import Panel
from workbench.apps.explore.still import Bench, Refused, Still
from workbench.config import WorkbenchError
from workbench.parameters import check_parameters
from workbench.progress import watched


def start(
    *, method: str, kind: str, epsilon: int, defences: Sequence[str], network: str, epochs: int, out: str, **data: Any
) -> Bench:
    """Load the data and return the bench, with everything checked.

    defences: what learners use against the noise; a person begins with the first and chooses among all, a program
    trains a pair for each (none named: for a learner who uses nothing). data: the fields of DataConfig. What the user
    can mend is shown as one line where a person watches, and raised (WorkbenchError) where a program runs the notebook,
    so that the run counts as failed.
    """
    try:
        check_parameters({"defences": defences})
        choice = Choice(method, kind, epsilon, *defences[:1])
        pairs = Pairs(network, epochs, choice, out, **data)
    except WorkbenchError as error:
        if not watched():
            raise
        return Refused(str(error))
    return Panel(pairs, choice) if watched() else Still(pairs, choice, defences or ["none"])
