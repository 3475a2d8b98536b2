"""What the course's notebooks need beside the workbench: guesses that are kept, and checks that answer with a hint."""

from workbench.teaching.predictions import compare, predict
from workbench.teaching.watching import judge

__all__ = ["compare", "judge", "predict"]
