"""Bytes of files that may be anything: links are not followed, pipes and devices not waited for, sizes have a cap."""

from collections.abc import Callable
from pathlib import Path

from workbench.config import DataError
from workbench.files import untrusted
from workbench.files.picture_kinds import MOST_BYTES, Refused

Reader = Callable[[int], bytes]  # at most so many bytes from a file's beginning; raises Refused


def read(path: Path, most: int) -> bytes:
    """At most `most` bytes of a regular file that is no link: it may have changed since it was listed. Or Refused."""
    try:
        return untrusted.start(path, most, links=False)
    except DataError as error:
        raise Refused(f"{error}: look at what it is and at its permissions") from error


def whole(reader: Reader) -> bytes:
    """All bytes of a file; Refused for one of more than MOST_BYTES."""
    content = reader(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MiB: make it smaller")
    return content
