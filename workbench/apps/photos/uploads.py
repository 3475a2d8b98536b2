"""What comes and goes through the page: the photos or recordings chosen, and the finished copies handed over.

Chosen are uploaded files, or one zip file, or a folder of the person's own; never two of these at once. They are
photos or recordings: of the kind that most of the first are.
"""

import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from workbench.apps.photos import private_folder
from workbench.apps.photos.sources import Source
from workbench.apps.recordings.kinds import PHOTOS as PHOTO_FILES
from workbench.apps.recordings.kinds import RECORDINGS, Kind
from workbench.config import DataError
from workbench.files import atomic, names, untrusted
from workbench.files.pictures import Refused
from workbench.files.sounds import SOUNDS
from workbench.files.tree import PHOTOS, left_in_words
from workbench.progress import progress

MEGABYTE = 2**20
LIMIT = 256 * MEGABYTE  # of uploads: they pass through the memory of the browser and of two processes
ACCEPTED = sorted(PHOTOS | SOUNDS | {".zip"})
LOOKING = "looking at file"
LINE = 120  # characters of a name in what is said
ARCHIVE = "copies.zip"  # in the private folder: the finished copies


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
        self.kind: Kind = PHOTO_FILES
        self.entries: list[Entry] = []
        self._usable: dict[str, Source] = {}
        self._left: Counter[str] = Counter()
        self._apart = ""  # what is said of files of the other kind
        self._checked: dict[str, str] = {}  # what was decoded, by name, and why it cannot be used

    @property
    def own(self) -> bool:
        """Whether it is a folder or zip file of the person's own, left where it is."""
        return self.source is not None and self._uploads not in (self.source, self.source.parent)

    @property
    def names(self) -> list[str]:
        """The files that can be used."""
        return list(self._usable)

    @property
    def mixed(self) -> bool:
        """Whether there are several photos and nobody has said whose they are."""
        several = len(self._usable) > 1 and self.kind is PHOTO_FILES
        return several and {one.person for one in self._usable.values()} == {""}

    def receive(self, files: Sequence[Mapping[str, Any]], person: str = "") -> str:
        """Keep uploaded files (name, size, content), in a folder of the person's name if there is one.

        Returns what to say. Raises DataError, and keeps nothing of the batch, when something did not arrive whole.
        """
        for file in files:
            arrived = len(file["content"])
            if arrived != file["size"]:
                name = untrusted.one_line(file["name"], LINE)
                raise DataError(
                    f"{name} did not arrive whole ({arrived:,} of {file['size']:,} bytes), so none of these files "
                    "was kept: choose fewer at a time, or name their folder below"
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
        folder = _kept(person) if person.strip() else ""
        self.source = self._uploads
        atomic.make(self._uploads / folder)
        for file in files:
            name = _free(self._uploads / folder, _kept(str(file["name"])))
            with atomic.creating(self._uploads / folder / name) as kept:
                kept.write(file["content"])
        self.size += size
        before = len(self._usable)
        self._take(self._uploads)
        new = len(self._usable) - before
        said = f"Added {count(new, self.kind.what)}{f' of {person.strip()}' if folder else ''}."
        if new < len(files):
            said += f" {count(len(files) - new, 'file')} cannot be used: the list says why."
        return said + self._apart

    def _receive_zip(self, files: Sequence[Mapping[str, Any]]) -> str:
        if len(files) > 1 or self.source is not None:
            raise DataError("a zip file is taken alone: press “Start again” first, then choose only the zip file")
        atomic.make(self._uploads)
        path = self._uploads / "chosen.zip"
        with atomic.replacing(path) as kept:
            kept.write(files[0]["content"])
        try:
            self._take(path)
        except DataError:
            atomic.remove(path)
            raise
        self.size = files[0]["size"]
        return self._found("the zip file")

    def use(self, text: str) -> str:
        """Take the folder or zip file at this path, as a person may have typed or pasted it, and return what to say."""
        typed = text.strip().strip("\"'")
        if not typed:
            raise DataError("type the path of a folder first")
        if self.source is not None and not self.own:
            raise DataError(f"some {self.kind.what}s are chosen already: press “Start again” first")
        path = Path.home() / Path(typed).expanduser()
        self._take(path)
        return self._found(untrusted.one_line(path, LINE))

    def _found(self, where: str) -> str:
        people = len({source.person for source in self._usable.values()})
        what = count(len(self.names), self.kind.what)
        return f"Found {what} in {where} (people: {people}{left_in_words(self._left)}).{self._apart}"

    def _take(self, path: Path) -> None:
        both = [(kind, kind.gather(path)) for kind in (PHOTO_FILES, RECORDINGS)]
        both.sort(key=lambda one: one[0] is not self.kind if self._usable else -len(one[1].sources))
        (kind, (sources, refusals, left)), (other, others) = both
        if not sources and not refusals:
            raise DataError(f"there is neither photo nor recording in {untrusted.one_line(path, LINE)}")
        self.kind, self._left = kind, left
        more = count(len(others.sources), other.what)
        self._apart = f" The rest is {more}: press “Start again” to choose only these." if others.sources else ""
        self._usable = {source.name: source for source in sources if not self._checked.get(source.name)}
        usable = [Entry(source.name, self._checked.get(source.name, "")) for source in sources]
        self.entries = sorted([*usable, *(Entry(one.name, one.reason) for one in refusals)])
        self.source = path
        self.version += 1

    def check(self) -> str:
        """Decode what is new, take what turns out to be broken off the list, and return what to say."""
        todo = [one for name, one in self._usable.items() if name not in self._checked]
        before = len(self._usable)
        with progress(LOOKING, len(todo)) as steps:
            for one in todo:
                try:
                    self.kind.look(one.read(), one.name)
                except Refused as refused:
                    del self._usable[one.name]
                    self.entries[self.entries.index(Entry(one.name, ""))] = Entry(one.name, str(refused))
                    self._checked[one.name] = str(refused)
                else:
                    self._checked[one.name] = ""
                steps.advance()
        broken = before - len(self._usable)
        return f" {count(broken, 'file')} cannot be used after all: the list says why." if broken else ""

    def clear(self) -> None:
        """Forget all; uploaded files are removed, a folder of the person's own is left as it is."""
        self.source, self.entries, self._usable, self.size = None, [], {}, 0
        self.kind = PHOTO_FILES
        self._checked.clear()
        atomic.remove_folder(self._uploads)  # after the zip file's readers: Windows removes nothing open
        self.version += 1

    def read(self, name: str) -> bytes:
        """Read one of the files that can be used. Raises Refused when it is not there any more."""
        return self._usable[name].read()


def _kept(name: str) -> str:
    """Make a name one of a single file or folder here, and none that is hidden."""
    return names.safe_name(name.strip().lstrip(".") or "file", names.HERE)


def count(number: int, thing: str) -> str:
    """Say "1 photo" or "2 photos"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _free(folder: Path, name: str) -> str:
    """Give the name a number when there is such a file already."""
    stem, suffix = os.path.splitext(name)
    number, free = 1, name
    while (folder / free).exists():
        number += 1
        free = f"{stem} ({number}){suffix}"
    return free


def pack(folder: Path, archive: Path) -> None:
    """Pack all finished files of a folder into a zip file, whole or not at all; PNG files would not get smaller."""
    # The nearest year is good enough where a clock, or a disk, says one that zip files do not have.
    how: dict[str, Any] = {"compression": zipfile.ZIP_STORED, "strict_timestamps": False}
    with atomic.replacing(archive) as file, zipfile.ZipFile(file, "w", **how) as packed:
        for one in sorted(folder.rglob("*")):
            name = one.relative_to(folder)
            if one.is_file() and not any(word.startswith(".") for word in name.parts):
                packed.write(one, name.as_posix())


def address(folder: Path) -> str | None:
    """Give the address of a private folder's zip file at the application's server; None where there is none."""
    return f"/photos/{folder.name}/{ARCHIVE}" if os.environ.get(private_folder.PLACE) else None


def copy_into(archive: Path, typed: str) -> str:
    """Unpack our own zip file into a new folder at the path that somebody typed, and return what to say."""
    path = typed.strip().strip("\"'")
    if not path:
        raise DataError("type the path of a new folder first")
    target = Path.home() / Path(path).expanduser()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(f"{target} is there already and not empty: name a new folder")
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)
            return f"{count(len(packed.namelist()), 'file')} copied into {target}."
    except OSError as error:
        raise DataError(f"they cannot be copied into {target} ({error.strerror}): name another folder") from error
