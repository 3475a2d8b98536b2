"""What is finished, kept so that nothing of it is lost or done twice, and the manifest made of it."""

import json
import os
from pathlib import Path
from typing import Any

from workbench import runs
from workbench.config import DataError
from workbench.protected import MANIFEST

LOCK = ".lock"
FINISHED = "finished.jsonl"
UNFINISHED = ".unfinished"  # in OUTPUT until the job is complete: the search's state and what is finished


class Ledger:
    """The finished files of a job in `output`, by the original's name, each a manifest's entry.

    identity: what the job is known by. Raises DataError when `output` holds anything but this very job.
    """

    def __init__(self, output: Path, identity: str):
        self.output, self.identity = output, identity
        self.entries: dict[str, dict[str, Any]] = {}
        self._path = output / UNFINISHED / FINISHED
        self._read_manifest()
        self._read_finished()
        self.entries = {name: entry for name, entry in self.entries.items() if (output / entry["file"]).is_file()}
        self.earlier = len(self.entries)

    def add(self, entry: dict[str, Any]) -> None:
        """A file is in place."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries[entry["original"]] = entry

    def write_manifest(self, **facts: Any) -> None:
        """Write manifest.json: the facts, and the finished files in the order of their names."""
        files = [self.entries[name] for name in sorted(self.entries)]
        manifest = {**facts, "job": self.identity, "files": files}
        runs.write_atomically(self.output / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")

    def _read_manifest(self) -> None:
        path = self.output / MANIFEST
        if path.is_file():
            try:
                manifest = json.loads(path.read_text(encoding="utf-8"))
                mine = manifest["job"] == self.identity
                self._take(manifest["files"] if mine else [])
            except (ValueError, KeyError, TypeError, AttributeError):
                mine = False
            if not mine:
                raise DataError(
                    f"{self.output} holds other copies (made of other photos or with other settings): "
                    "name another OUTPUT folder"
                )
        elif {entry.name for entry in self.output.iterdir()} - {LOCK} and not self._path.parent.is_dir():
            raise DataError(f"{self.output} is not empty: name a new OUTPUT folder")

    def _read_finished(self) -> None:
        """Read the lines of an interrupted job; a torn last one counts for nothing, its file is made again."""
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                self._take([json.loads(line)])
            except (ValueError, KeyError, TypeError):
                continue

    def _take(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            if all(isinstance(entry[name], str) for name in ("original", "file", "sha256", "original_sha256")):
                self.entries[entry["original"]] = entry
