"""The photos a person gives: a file, a folder of folders or a zip, each file a source or a refusal, none lost."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.apps.photos.zip_input import Refusal, hidden, members
from workbench.config import DataError
from workbench.export import verify, write
from workbench.files.names import in_utf8
from workbench.files.picture_kinds import Reader, read, whole
from workbench.files.pictures import Refused, check_kind

__all__ = ["Refusal", "Source", "gather"]

START = 64  # bytes that tell what a file is


@dataclass(frozen=True)
class Source:
    """A file that looks like a picture by its first bytes.

    name: relative, with "/", spelled as found; person: its first folder, "" at the top; read: all its bytes, at most
    MOST_BYTES, or raises Refused.
    """

    name: str
    person: str
    read: Callable[[], bytes]


def gather(root: Path) -> tuple[list[Source], list[Refusal]]:
    """Find all photos of a file, a folder (of folders) or a .zip: sources and refusals, both sorted by name.

    What systems leave behind (names that begin with ".", Thumbs.db, desktop.ini, __MACOSX) and this program's own
    manifest and card are skipped; every other file is in one of the lists. Raises DataError when `root` is missing,
    neither file nor folder, or a damaged zip.
    """
    try:
        mode = root.stat().st_mode
    except OSError as error:
        raise DataError(f"{root} cannot be read ({error.strerror}): give a photo, a folder or a zip file") from error
    if stat.S_ISDIR(mode):
        readers, refusals = _folder(root)
    elif not stat.S_ISREG(mode):
        raise DataError(f"{root} is neither a file nor a folder: give a photo, a folder or a zip file")
    elif root.suffix.lower() == ".zip" or _start(root) == b"PK\x03\x04":
        readers, refusals = members(root)
    else:
        readers, refusals = [(root.name, partial(read, root.resolve()))], []
    sources, more = _sift(readers, _copies_around(root))
    return sources, sorted(refusals + more, key=lambda refusal: refusal.name)


def _sift(readers: list[tuple[str, Reader]], copies: set[str]) -> tuple[list[Source], list[Refusal]]:
    """Keep what looks like a picture and is no copy of this program's. copies: SHA-256 of known protected copies."""
    own = set()
    for name, reader in readers:
        folder, _, last = name.rpartition("/")
        if last == write.MANIFEST and (found := _copies_in(reader)) is not None:
            own |= {name, f"{folder}/{write.CARD}".lstrip("/")}
            copies = copies | found
    sources, refusals = [], []
    for name, reader in sorted(readers, key=lambda pair: pair[0]):
        if name in own:
            continue
        try:
            kind = check_kind(reader(START))
            # Copies are PNGs: nothing else need be read to the end here.
            if copies and kind == "PNG" and hashlib.sha256(whole(reader)).hexdigest() in copies:
                raise Refused("carries noise already: give the original")
        except Refused as refused:
            refusals.append(Refusal(name, str(refused)))
            continue
        sources.append(Source(name, name.partition("/")[0] if "/" in name else "", partial(whole, reader)))
    return sources, refusals


def _copies_in(reader: Reader) -> set[str] | None:
    """Give the hashes that a manifest lists; None when it is not one of this program's."""
    try:
        return {entry["sha256"] for entry in verify.parse_manifest(reader(verify.MOST_MANIFEST + 1))["files"]}
    except DataError:
        return None


def _copies_around(root: Path) -> set[str]:
    """Give the copies that a manifest above `root` lists: it may be one person, or one file, of a protected folder."""
    found: set[str] = set()
    for folder in list(root.resolve().parents)[:2]:
        if (folder / write.MANIFEST).is_file():
            found |= _copies_in(partial(read, folder / write.MANIFEST)) or set()
    return found


def _folder(root: Path) -> tuple[list[tuple[str, Reader]], list[Refusal]]:
    readers: list[tuple[str, Reader]] = []
    refusals: list[Refusal] = []
    top = root.resolve()
    for name, entry in _entries(root, refusals):
        if in_utf8(name) != name:
            refusals.append(Refusal(in_utf8(name), "has a name that is not in UTF-8: rename it"))
        elif entry.is_symlink():
            refusals.append(Refusal(name, _link(Path(entry.path), top)))
        elif not entry.is_file(follow_symlinks=False):
            refusals.append(Refusal(name, "is a device or a pipe: give photos"))
        else:
            readers.append((name, partial(read, Path(entry.path))))
    return readers, refusals


def _entries(root: Path, refusals: list[Refusal]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk through all that is no folder, with its relative name; links are never followed."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as found:
                entries = list(found)
        except OSError as error:
            refusals.append(Refusal(folder or ".", f"cannot be opened ({error.strerror}): look at its permissions"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            else:
                yield name, entry


def _link(path: Path, top: Path) -> str:
    """Say why a link is refused, without opening what it leads to."""
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(top):
        return "is a link that leads out of the folder: put the file itself there"
    if not target.exists():
        return "is a link that leads nowhere: put the file itself there"
    return f"is a link to {target.relative_to(top).as_posix()}, which is taken under its own name: nothing to do"


def _start(path: Path) -> bytes:
    try:
        return read(path.resolve(), 4)
    except Refused as refused:
        raise DataError(f"{path} {refused}") from refused
