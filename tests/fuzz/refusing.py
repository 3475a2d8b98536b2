"""What a refusal must be: an error of the right kind, of one line that a terminal can show, and soon."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from fuzz_readers import fault

SECONDS = 5  # of a processor


def refused(kind: type[Exception], action: Callable[[], Any]) -> str:
    """Do something that must be refused; return what was said."""
    begun = time.process_time()
    with pytest.raises(kind) as error:
        action()
    assert not fault(str(error.value))
    assert time.process_time() - begun < SECONDS
    return str(error.value)
