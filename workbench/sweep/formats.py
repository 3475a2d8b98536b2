"""The library of notebooks' files, imported in a second less."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

GRAMMAR = "rfc3987_syntax"  # builds its parser when it is imported


@contextmanager
def light() -> Iterator[None]:
    """Within the block jsonschema, which nbformat brings, is imported without its grammar of international addresses:
    no notebook is checked for one.
    """
    absent = GRAMMAR not in sys.modules
    if absent:
        sys.modules[GRAMMAR] = None  # type: ignore[assignment] # which is how Python says that there is none
    try:
        yield
    finally:
        if absent:
            del sys.modules[GRAMMAR]
