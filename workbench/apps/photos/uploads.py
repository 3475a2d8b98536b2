"""The photos a person chose: uploaded ones, or one zip file, or a folder of their own; never two of these at once."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from workbench.apps.photos.sources import Source, gather
from workbench.config import DataError
from workbench.files.pictures import SUFFIXES

MEGABYTE = 2**20
LIMIT = 256 * MEGABYTE  # of uploads: they pass through the memory of the browser and of two processes
ACCEPTED = sorted({suffix for kind in SUFFIXES.values() for suffix in kind} | {".zip"})
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]" if os.name != "nt" else r'[\x00-\x1f\x7f/\\<>:"|?*]')


class Entry(NamedTuple):
    """A file's name below the source, and why it cannot be used ("": it can, as far as its beginning tells)."""

    name: str
    reason: str


class Collection:
    """What was chosen so far. `source` is the folder or zip file; `version` changes with every change."""

    def __init__(self, folder: Path, limit: int = LIMIT):
        self._uploads, self.limit = folder, limit
        self.version, self.size = 0, 0
        self.source: Path | None = None
        self.entries: list[Entry] = []
        self._photos: dict[str, Source] = {}

    @property
    def own(self) -> bool:
        """Whether it is a folder or zip file of the person's own, left where it is."""
        return self.source is not None and self._uploads not in (self.source, self.source.parent)

    @property
    def names(self) -> list[str]:
        """The photos that can be used."""
        return list(self._photos)

    def receive(self, files: Sequence[Mapping[str, Any]], person: str = "") -> str:
        """Keep uploaded files (name, size, content), in a folder of the person's name if there is one.

        Returns what to say. Raises DataError, and keeps nothing of the batch, when something did not arrive whole.
        """
        for file in files:
            arrived = len(file["content"])
            if arrived != file["size"]:
                raise DataError(
                    f"{_shown(file['name'])} did not arrive whole ({arrived:,} of {file['size']:,} bytes), so none of "
                    "these files was kept: choose fewer at a time, or name their folder below"
                )
        size = sum(file["size"] for file in files)
        if self.size + size > self.limit:
            raise DataError(
                f"that would be more than {self.limit // MEGABYTE} MB in all, so none of these files was kept: "
                "name their folder below instead"
            )
        if any(str(file["name"]).lower().endswith(".zip") for file in files):
            return self._receive_zip(files)
        if self.source is not None and self.source != self._uploads:
            raise DataError("a folder or zip file is chosen already: press “Start again” first")
        folder = safe_name(person) if person.strip() else ""
        self.source = self._uploads
        (self._uploads / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            name = _free(self._uploads / folder, safe_name(str(file["name"])))
            (self._uploads / folder / name).write_bytes(file["content"])
        self.size += size
        self._take(self._uploads)
        return f"Added {count(len(files), 'photo')}{f' of {person.strip()}' if folder else ''}."

    def _receive_zip(self, files: Sequence[Mapping[str, Any]]) -> str:
        if len(files) > 1 or self.source is not None:
            raise DataError("a zip file is taken alone: press “Start again” first, then choose only the zip file")
        self._uploads.mkdir(parents=True, exist_ok=True)
        path = self._uploads / "photos.zip"
        path.write_bytes(files[0]["content"])
        try:
            self._take(path)
        except DataError:
            path.unlink()
            raise
        self.size = files[0]["size"]
        return f"Found {count(len(self.names), 'photo')} in the zip file."

    def use(self, text: str) -> str:
        """Take the folder or zip file at this path, as a person may have typed or pasted it; returns what to say."""
        typed = text.strip().strip("\"'")
        if not typed:
            raise DataError("type the path of a folder first")
        if self.source is not None and not self.own:
            raise DataError("some photos are chosen already: press “Start again” first")
        path = Path(typed).expanduser().absolute()
        self._take(path)
        return f"Found {count(len(self.names), 'photo')} in {_shown(path)}."

    def _take(self, path: Path) -> None:
        sources, refusals = gather(path)
        if not sources and not refusals:
            raise DataError(f"there is no photo in {_shown(path)}")
        self._photos = {source.name: source for source in sources}
        usable = [Entry(source.name, "") for source in sources]
        self.entries = sorted([*usable, *(Entry(one.name, one.reason) for one in refusals)])
        self.source = path
        self.version += 1

    def clear(self) -> None:
        """Forget all; uploaded files are removed, a folder of the person's own is left as it is."""
        shutil.rmtree(self._uploads, ignore_errors=True)
        self.source, self.entries, self._photos, self.size = None, [], {}, 0
        self.version += 1

    def read(self, name: str) -> bytes:
        """The bytes of one of the photos that can be used. Raises Refused when they are not there any more."""
        return self._photos[name].read()


def safe_name(name: str) -> str:
    """A name as a single file or folder name here: separators and control characters become _, none is hidden."""
    flat = FORBIDDEN.sub("_", name.strip()).lstrip(".").rstrip(". ") or "photo"
    stem, dot, suffix = flat.rpartition(".")
    while len(flat.encode()) > 200 and stem:
        stem = stem[:-1]
        flat = stem + dot + suffix
    return flat if len(flat.encode()) <= 200 else flat.encode()[:200].decode(errors="ignore")


def count(number: int, thing: str) -> str:
    """Such as "1 photo" and "2 photos"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _free(folder: Path, name: str) -> str:
    """The name, with a number when there is such a file already."""
    stem, suffix = os.path.splitext(name)
    number, free = 1, name
    while (folder / free).exists():
        number += 1
        free = f"{stem} ({number}){suffix}"
    return free


def _shown(name: object) -> str:
    """A name for a line of text, not longer than a line."""
    text = " ".join(str(name).split())
    return text if len(text) <= 120 else f"{text[:60]}…{text[-50:]}"
