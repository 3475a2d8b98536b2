"""The photos a person gives: a file, a folder of folders or a zip, each file a source or a refusal, none lost."""

import hashlib
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from workbench.config import DataError
from workbench.export import verify, write
from workbench.files import tree
from workbench.files.layout import people
from workbench.files.picture_kinds import Reader, read, whole
from workbench.files.pictures import Refused, check_kind
from workbench.files.zips import Refusal, members

__all__ = ["Refusal", "Source", "gather"]

START = 64  # bytes that tell what a file is


@dataclass(frozen=True)
class Source:
    """A file that looks like a picture, or a recording, by its first bytes.

    name: relative, with "/", spelled as found; person: their folder, "" outside any (files/layout.py); read: all its
    bytes, at most MOST_BYTES, or raises Refused.
    """

    name: str
    person: str
    read: Callable[[], bytes]


class Gathered(NamedTuple):
    """What a person gave: photos and refusals, both sorted by name, and how much systems left behind, by its kind."""

    sources: list[Source]
    refusals: list[Refusal]
    left: Counter[str]


def picture(reader: Reader) -> str:
    """Say what kind of picture a file is by its first bytes. Raises Refused."""
    return check_kind(reader(START))


def gather(root: Path, kind: Callable[[Reader], str] = picture) -> Gathered:
    """Find all photos of a file, a folder (of folders) or a .zip; kind: of a file, or raises Refused.

    Every file is in one of the lists but what systems leave behind (files/tree.py), which is counted, and this
    program's own manifest and card. Raises DataError when `root` is missing, neither file nor folder, a damaged zip, or
    when it cannot be told which folders are people.
    """
    try:
        mode = root.stat().st_mode
    except OSError as error:
        raise DataError(f"{root} cannot be read ({error.strerror}): give a photo, a folder or a zip file") from error
    if stat.S_ISDIR(mode):
        readers, refusals, left = _folder(root)
    elif not stat.S_ISREG(mode):
        raise DataError(f"{root} is neither a file nor a folder: give a photo, a folder or a zip file")
    elif root.suffix.lower() == ".zip" or _start(root) == b"PK\x03\x04":
        readers, refusals, left = members(root)
    else:
        readers, refusals, left = [(root.name, partial(read, root.resolve()))], [], Counter()
    found, more = _sift(readers, _copies_around(root), kind)
    owners = people(root, [name for name, _ in found])
    sources = [Source(name, who, partial(whole, reader)) for (name, reader), who in zip(found, owners, strict=True)]
    return Gathered(sources, sorted(refusals + more, key=lambda refusal: refusal.name), left)


def _sift(
    readers: list[tuple[str, Reader]], copies: set[str], kind_of: Callable[[Reader], str]
) -> tuple[list[tuple[str, Reader]], list[Refusal]]:
    """Keep what is of the kind and is no copy of this program's. copies: SHA-256 of known protected copies."""
    own = set()
    for name, reader in readers:
        folder, _, last = name.rpartition("/")
        if last == write.MANIFEST and (found := _copies_in(reader)) is not None:
            own |= {name, f"{folder}/{write.CARD}".lstrip("/")}
            copies = copies | found
    kept, refusals = [], []
    for name, reader in sorted(readers, key=lambda pair: pair[0]):
        if name in own:
            continue
        try:
            kind = kind_of(reader)
            # Copies are of these kinds: nothing else need be read to the end here.
            if (
                copies
                and kind in ("PNG", "JPEG", "WAV", "FLAC")
                and hashlib.sha256(whole(reader)).hexdigest() in copies
            ):
                raise Refused("carries noise already: give the original")
        except Refused as refused:
            refusals.append(Refusal(name, str(refused)))
            continue
        kept.append((name, reader))
    return kept, refusals


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


def _folder(root: Path) -> tuple[list[tuple[str, Reader]], list[Refusal], Counter[str]]:
    found = tree.walk(root)
    readers: list[tuple[str, Reader]] = [(name, partial(read, root / name)) for name in found.files]
    left = Counter(one.reason for one in found.left if one.reason not in tree.SAID)
    shown = ((one.name.encode(errors="backslashreplace").decode(), one.reason) for one in found.left)
    return readers, [Refusal(name, tree.SAID[reason]) for name, reason in shown if reason in tree.SAID], left


def _start(path: Path) -> bytes:
    try:
        return read(path.resolve(), 4)
    except Refused as refused:
        raise DataError(f"{path} {refused}") from refused
