"""The commands: each a function with its arguments beside its work, found in table.COMMANDS.

Imports are made where they are used, so that `--help` and refusals need not wait for torch.
"""

from workbench.commands import judging, listing, people, stages, sweeps
from workbench.commands.table import COMMANDS

__all__ = ["COMMANDS", "judging", "listing", "people", "stages", "sweeps"]
