"""What is finished, kept so that nothing of it is lost or done twice, and the manifest made of it."""

import json
import os
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from workbench.config import DataError
from workbench.export.verify import has_hash, within
from workbench.export.write import MANIFEST
from workbench.files import atomic, untrusted
from workbench.files.lock import LOCK
from workbench.records import run_folder

FINISHED = "finished.jsonl"
ENTRY = {
    "original": str, "file": str, "sha256": str, "original_sha256": str, "notes": [str],
}  # what a report needs of every entry  # fmt: skip
UNFINISHED = ".unfinished"  # in OUTPUT until the job is complete: the search's state and what is finished


def is_job(folder: Path) -> bool:
    """Tell whether it is the folder of an unfinished job, by its record."""
    try:
        record = None if folder.is_symlink() else run_folder.peek(folder)
    except DataError:
        return False
    return record is not None and record.command == "protect"


def check_free(output: Path) -> None:
    """Raise DataError for a folder that holds anything but a job of this program; called before it is written to."""
    unfinished = output / UNFINISHED
    atomic.check_no_link(unfinished)
    if not output.is_dir() or is_job(unfinished):
        return
    if (output / MANIFEST).is_file():
        try:
            untrusted.parse(untrusted.read(output / MANIFEST), {"job": str})
            return
        except DataError as error:
            raise DataError(f"{output} holds other copies, not of this program: name another OUTPUT folder") from error
    begun = unfinished.is_dir() and not _others(unfinished, run_folder.RECORD)  # and killed before it had a record
    if _others(output, atomic.PROBE, MANIFEST) - ({UNFINISHED} if begun else set()):
        raise DataError(f"{output} is not empty: name a new OUTPUT folder")


def _others(folder: Path, *names: str) -> set[str]:
    """List what lies in a folder besides a lock and what killed processes left of files of these names."""
    found = {entry.name for entry in folder.iterdir()}
    return {one for one in found - {LOCK} if not any(atomic.is_scratch(one, name) for name in names)}


class Ledger:
    """The finished files of a job in `output`, by the original's name, each a manifest's entry.

    identity: what the job is known by; names: of its originals; least: what an entry needs besides ENTRY. Raises
    DataError when `output` holds anything but this very job.
    """

    def __init__(self, output: Path, identity: str, names: Set[str], least: Mapping[str, Any]):
        self.output, self.identity, self.names, self.shape = output, identity, names, {**ENTRY, **least}
        self.entries: dict[str, dict[str, Any]] = {}
        self._closed = False  # the manifest says that nothing is left to do
        self._path = output / UNFINISHED / FINISHED
        self._read_manifest()
        self._read_finished()
        self.earlier = len(self.entries)

    @property
    def complete(self) -> bool:
        """Whether every file is in place and the manifest says so: a killed process may have written only the lines."""
        return self._closed and self.names == set(self.entries)

    def add(self, entry: dict[str, Any]) -> None:
        """Note a file that is in place."""
        with atomic.appending(self._path) as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries[entry["original"]] = entry

    def write_manifest(self, **facts: Any) -> None:
        """Write manifest.json: the facts, and the finished files in the order of their names."""
        files = [self.entries[name] for name in sorted(self.entries)]
        manifest = {**facts, "job": self.identity, "files": files}
        atomic.write_atomically(self.output / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")

    def _read_manifest(self) -> None:
        path = self.output / MANIFEST
        if path.is_file():
            try:
                manifest = untrusted.parse(untrusted.read(path), {"job": str})
            except DataError:
                manifest = {"job": ""}
            if manifest["job"] != self.identity:
                raise DataError(
                    f"{self.output} holds other copies (made of other files or with other settings): "
                    "name another OUTPUT folder"
                )
            self._closed = manifest.get("state") == "complete"
            listed = manifest.get("files")
            self._take(listed if isinstance(listed, list) else [])
        else:
            check_free(self.output)

    def _read_finished(self) -> None:
        """Read the lines of an interrupted job; a torn last one counts for nothing, its file is made again."""
        if not self._path.is_file():
            return
        try:
            lines = untrusted.read(self._path).splitlines()
        except DataError as error:
            raise DataError(f"{self._path} {error}: name a new OUTPUT folder") from error
        for line in lines:
            try:
                self._take([untrusted.parse(line)])
            except DataError:
                continue

    def _take(self, entries: list[Any]) -> None:
        """Keep the entries of files that are there as they are noted. What was changed counts as not made."""
        for entry in entries:
            if untrusted.schema_error(entry, self.shape) or entry["original"] not in self.names:
                continue
            if within(self.output, entry["file"]) and has_hash(self.output / entry["file"], entry["sha256"]):
                self.entries[entry["original"]] = entry
