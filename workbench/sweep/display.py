"""What a sweep shows: in a terminal a live table of the running jobs under a bar with ETA, else a line a job."""

import time
from collections.abc import Mapping
from types import TracebackType

from tqdm.auto import tqdm

from workbench.progress import mode

ROWS = 16  # running jobs shown at once


class Board:
    """Counts jobs: `ended` after each, `running` now and then with what the jobs at work say of themselves.

    live: there is a terminal that shows them.
    """

    def __init__(self, label: str, total: int, done: int):
        self.label, self.total, self.done, self._first = label, total, done, done
        self._begun, self.live = time.monotonic(), mode() == "bar"
        self._rows: list[tqdm] = []

    def __enter__(self) -> "Board":
        if self.live:
            self._bar = tqdm(desc=self.label, total=self.total, initial=self.done, unit="job", position=0)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for row in self._rows:
            row.close()
        if self.live:
            self._bar.close()

    def ended(self, name: str, error: str | None) -> None:
        """A job has ended, well or with an error."""
        self.done += 1
        how = f"failed: {error}" if error else "complete"
        if self.live:
            if error:
                tqdm.write(f"{name}: {how}")
            self._bar.update()
        elif mode() == "lines":
            spent = time.monotonic() - self._begun
            left = spent / (self.done - self._first) * (self.total - self.done)
            print(f"{self.done}/{self.total} {name}: {how} ({spent:.0f} s, ETA {left:.0f} s)", flush=True)

    def running(self, jobs: Mapping[str, str]) -> None:
        """Show the jobs at work, each with its last line; for a terminal (`live`)."""
        shown = [f"  {name}: {line}" for name, line in list(jobs.items())[:ROWS]]
        while len(self._rows) < len(shown):
            self._rows.append(tqdm(total=0, position=len(self._rows) + 1, bar_format="{desc}", leave=False))
        for row, text in zip(self._rows, shown + [""] * (len(self._rows) - len(shown)), strict=True):
            row.set_description_str(text[: (row.ncols or 119)])
        self._bar.refresh()
