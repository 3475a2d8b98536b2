"""What the course's notebooks need beside the workbench: guesses that are kept, and checks that answer with a hint."""

from workbench.teaching.predictions import compare, predict

__all__ = ["compare", "predict"]
