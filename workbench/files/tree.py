"""The one walk through a folder of images: what may be an image, and what is left out and why.

Links are never followed: whoever made the folder would else choose what is read, and published, beside it.
"""

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from workbench.config import DataError
from workbench.files.picture_kinds import SUFFIXES as SUFFIXES_OF

KINDS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF")  # that data sets are made of
SUFFIXES = frozenset(suffix for kind in KINDS for suffix in SUFFIXES_OF[kind])
PHOTOS = frozenset(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)  # that `protect` takes

HIDDEN, SYSTEM, THUMBNAIL = "hidden", "left by the system", "in a folder of thumbnails"
NOWHERE, OUTWARD, INWARD = "link to nowhere", "link out of the folder", "link within the folder"
SPECIAL, CLOSED, MISNAMED = "no plain file", "not to be opened", "not named in UTF-8"
OTHER, LOOSE, BESIDE = "of another format", "loose beside the classes", "in another part"
COPY = "copy its file there (cp -rL copies what links lead to)"
SAID = {
    NOWHERE: f"is a link that leads nowhere: {COPY}",
    OUTWARD: f"is a link that leads out of the folder: {COPY}",
    INWARD: f"is a link within the folder, which is not followed: where its file is not taken anyhow, {COPY}",
    SPECIAL: "is a device or a pipe: give photos",
    CLOSED: "cannot be opened: look at its permissions",
    MISNAMED: "has a name that is not in UTF-8: rename it",
}  # reads after the name
SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "#recycle", "@recycle", "lost+found",
    "system volume information",
}  # fmt: skip
THUMBNAIL_NAMES = {"@eadir", ".thumbnails", ".@__thumb", "@__thumb", "thmbnl"}  # of NAS, phones and cameras


class Left(NamedTuple):
    """A file or folder that is left out, and why, in one of the words above."""

    name: str
    reason: str


class Walk(NamedTuple):
    """What lies below a folder by relative names with "/", sorted; of what is left out, only where it begins."""

    files: list[str]
    folders: list[str]
    left: list[Left]


def walk(root: Path) -> Walk:
    """List the plain files and folders below `root`, which may itself be a link, and what is left out."""
    found, top, waiting = Walk([], [], []), root.resolve(), [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as opened:
                entries = list(opened)
        except OSError:
            found.left.append(Left(folder or ".", CLOSED))
            continue
        for entry in entries:
            name = join(folder, entry.name)
            if reason := _reason(entry, top):
                found.left.append(Left(name, reason))
            elif entry.is_dir(follow_symlinks=False):
                found.folders.append(name)
                waiting.append(name)
            else:
                found.files.append(name)
    for names in found[:2]:
        names.sort(key=lambda name: name.split("/"))
    found.left.sort()
    return found


def litter(name: str) -> str:
    """Say why what systems leave behind is nobody's image, by a relative name; "" for all else."""
    for part in name.split("/"):
        if part.lower() in THUMBNAIL_NAMES:
            return THUMBNAIL
        if part.lower() in SYSTEM_NAMES:
            return SYSTEM
        if part.startswith(".") and part not in (".", ".."):
            return HIDDEN
    return ""


def _reason(entry: os.DirEntry[str], top: Path) -> str:
    if reason := litter(entry.name):
        return reason
    if entry.name.encode(errors="replace").decode() != entry.name:
        return MISNAMED
    if entry.is_symlink() or getattr(entry, "is_junction", bool)():  # Windows' other kind of link, from Python 3.12
        target = Path(os.path.realpath(entry.path))
        return OUTWARD if not target.is_relative_to(top) else INWARD if target.exists() else NOWHERE
    return "" if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) else SPECIAL


def images(names: Iterable[str], suffixes: Set[str] = SUFFIXES) -> list[str]:
    """Keep the names that end as an image's does."""
    return [name for name in names if os.path.splitext(name)[1].lower() in suffixes]


def join(*parts: str) -> str:
    """Put relative names together; "" is the folder itself."""
    return "/".join(part for part in parts if part)


def left_in_words(left: Mapping[str, int]) -> str:
    """Say how much was left out, and why, after something else that is said: "; left out: 2 links to nowhere"."""
    said = (f"{many:,} {why.replace('link', 'links') if many > 1 else why}" for why, many in left.items())
    return f"; left out: {', '.join(said)}" if left else ""


def check_apart(output: Path, root: Path) -> None:
    """Raise DataError for an output that is the folder of the images, or lies in it: it would be read as images."""
    there = output.resolve()
    if root.exists() and any(one.exists() and one.samefile(root) for one in (there, *there.parents)):
        raise DataError(f"{output} is the input or lies in it: name a folder somewhere else")
