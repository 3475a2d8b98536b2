"""What the course's notebooks need beside the workbench.

Guesses that are kept, pictures that grow while something learns, and checks that answer with a hint.
"""

from workbench.teaching.hints import author, checked
from workbench.teaching.live import Film, Watch
from workbench.teaching.predictions import compare, predict
from workbench.teaching.preview import seen
from workbench.teaching.watching import judge

__all__ = ["Film", "Watch", "author", "checked", "compare", "judge", "predict", "seen"]
