"""Several files at once, in threads: what is finished counts, whatever becomes of the others."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

SIDE_BY_SIDE = 2  # photos written at a time: Pillow's coders free the interpreter, and each takes 0.2 GB at 12 MP


def side_by_side(
    todo: list[int], work: Callable[[int], dict[str, Any]], at_once: int = SIDE_BY_SIDE
) -> Iterator[dict[str, Any]]:
    """Give the results of `work` as they come. An error or an interruption lets running work end and starts no more.

    Raises the first error once the results of what was running are given: their copies are in place already.
    """
    failed: BaseException | None = None
    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(work, turn) for turn in todo]
        try:
            for done in as_completed(waiting):
                if done.cancelled():
                    continue
                if error := done.exception():
                    failed = failed or error
                    for one in waiting:
                        one.cancel()
                else:
                    yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)
    if failed:
        raise failed
