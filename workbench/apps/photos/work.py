"""What a job (job.py) needs to know of the files that it makes copies of: one class per kind of files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.side_by_side import SIDE_BY_SIDE
from workbench.apps.photos.sources import Gathered, Source
from workbench.config import NoiseConfig
from workbench.data.dataset import Dataset
from workbench.noise.perturbation import Perturbation


class Work:
    """What is done to files of one kind. config: a dataclass of settings with a method and a device.

    what: one of them is called; least: of what a copy's entry in the manifest holds, as in ledger.ENTRY; at_once: how
    many are copied side by side; alone: advice where all of them count as one person's.
    """

    what, usable, alone = "file", "file", ""
    least: Mapping[str, Any] = {}
    at_once = SIDE_BY_SIDE
    config: Any

    def gather(self, root: Path) -> Gathered:
        """Find all files of a place."""
        raise NotImplementedError

    def take(self, source: Source, content: bytes) -> int:
        """Keep what the search needs of a file; return how many bytes its copy may take. Raises Refused."""
        raise NotImplementedError

    def persons(self) -> Sequence[str]:
        """List the people."""
        raise NotImplementedError

    def targets(self, names: Sequence[str]) -> list[str]:
        """Name the copies of the usable files."""
        raise NotImplementedError

    def data(self) -> Dataset:
        """Give what noise is searched on."""
        raise NotImplementedError

    def settings(self, data: Dataset) -> NoiseConfig:
        """Settle the search on this data."""
        raise NotImplementedError

    def copy(self, turn: int, source: Source, content: bytes, noise: Perturbation, target: Path, aside: Path) -> Any:
        """Make the copy of the file of this turn; return what the manifest says of it besides names and hashes."""
        raise NotImplementedError

    def facts(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Give what a manifest says of all copies."""
        return {}

    def verdict(self, name: str, entry: Mapping[str, Any]) -> Verdict:
        """Give the verdict of a copy from its entry."""
        raise NotImplementedError

    def report(self, verdicts: list[Verdict], seconds: float, earlier: int) -> Report:
        """Give the report of the whole job."""
        raise NotImplementedError
