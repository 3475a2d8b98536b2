"""What tests of readers share: a refusal is one line that names all it should."""

import pytest

from workbench.config import DataError


def refused(call, *parts: object) -> None:
    """The call is refused in one line that holds all `parts`."""
    with pytest.raises(DataError) as caught:
        call()
    said = str(caught.value)
    assert said.isprintable()
    for part in parts:
        assert str(part) in said
