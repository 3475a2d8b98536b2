"""Bytes of files that may be anything: links are not followed, pipes and devices not waited for, sizes have a cap."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from workbench.reading.kinds import MOST_BYTES, Refused

Reader = Callable[[int], bytes]  # at most so many bytes from a file's beginning; raises Refused


def read(path: Path, most: int) -> bytes:
    """At most `most` bytes of a regular file that is no link: it may have changed since it was listed. Or Refused."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # not every system has all
        flags |= getattr(os, name, 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused("is no regular file: give photos")
            return file.read(most)
    except OSError as error:
        raise Refused(f"cannot be opened ({error.strerror}): look at its permissions") from error


def whole(reader: Reader) -> bytes:
    """All bytes of a file; Refused for one of more than MOST_BYTES."""
    content = reader(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MiB: make it smaller")
    return content
