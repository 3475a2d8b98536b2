"""Names of classes, people and files: which are taken, how they are asked for, how copies of such files are named.

Whatever is taken comes back unchanged from tables, manifests, archives, figures and pages. So nothing is taken that
steers a terminal, or that nobody can tell from its neighbour.
"""

import csv
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.config import ConfigError, DataError, check_choice
from workbench.files.untrusted import one_line

# Control characters, ends of lines and paragraphs, changes of the direction of writing, halves of characters, and what
# XML cannot hold. Joiners, which Persian and Indian names and emoji need, and marks of direction steer nothing.
STEERING = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
STEERS = re.compile(f"[{STEERING}]")
SLASHES = re.compile(r"[/\\]")  # part a table's metric, and folders on one system or another
MOST = 255  # characters of a name, as file systems have it
LONGEST = 240  # UTF-8 bytes of a copy's name, leaving room for a number and a suffix below the usual limit of 255
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789¹²³"
}
ANYWHERE = re.compile(f'[{STEERING}/<>:"\\\\|?*]')  # what some system forbids in a name
HERE = ANYWHERE if os.name == "nt" else re.compile(rf"[{STEERING}/\\]")


def check_file(path: str) -> None:
    """Raise DataError for a relative path of which a part is no name that is taken."""
    for part in path.split("/"):
        _check(part, f"the file name {one_line(repr(path))}")


def check_classes(classes: Sequence[str]) -> None:
    """Raise DataError for a class whose name is not taken, and for two that read alike."""
    seen: dict[str, str] = {}
    for name in classes:
        _check(name, f"the class name {one_line(repr(name))}")
        if (other := seen.get(_read(name))) is not None:
            raise DataError(f"the class names {other!a} and {name!a} read alike: make them one class, or rename one")
        seen[_read(name)] = name


def _check(name: str, subject: str) -> None:
    fault = ""
    if in_utf8(name) != name:
        fault = "is not in UTF-8"
    elif found := STEERS.search(name):
        fault = f"holds the control character {found[0]!a}"
    elif SLASHES.search(name):
        fault = "holds a slash, which parts folders"
    elif name in (".", "..") or not any(sign.isprintable() and not sign.isspace() for sign in name):
        fault = "is no name that can be seen"
    elif len(name) > MOST:
        fault = f"is longer than {MOST} characters"
    if fault:
        raise DataError(f"{subject} {fault}: give another name")


def in_utf8(name: str) -> str:
    """A name as a manifest holds it: bytes that are no UTF-8 as escapes; any other name as it is."""
    return name.encode(errors="backslashreplace").decode()


def _read(name: str) -> str:
    """A name as people read it: blanks at its ends, and the two ways to spell an accent, make no other name."""
    return unicodedata.normalize("NFC", name).strip()


def chosen(names: str | Sequence[str], classes: Sequence[str]) -> list[str]:
    """The classes that are named, spelled as in `classes`; for an empty text all of them.

    names: a list, or one row of CSV: by commas, in double quotes what holds a comma. Blanks around names count for
    nothing. Raises ConfigError, with the nearest there is, for an unknown one.
    """
    known = {_read(name): name for name in classes}
    try:
        wanted = next(csv.reader([names], skipinitialspace=True), []) if isinstance(names, str) else list(names)
    except csv.Error as error:
        raise ConfigError(f"the classes {one_line(repr(names))} are no row of names ({error})") from error
    if isinstance(names, str):
        if not names:
            return list(classes)
        if _read(names) in known and not all(_read(name) in known for name in wanted):
            wanted = [names]  # one name with commas, whose quotes the shell took
    wanted = [_read(str(name)) for name in wanted]
    for name in wanted:
        check_choice("class", name, known)
    return [known[name] for name in wanted]


def target_names(names: Sequence[str], suffix: str = ".png") -> list[str]:
    """Name each copy of a picture: the original's relative name with another suffix, spelled as any system takes it.

    Never two files or folders that are equal without regard to case and Unicode's ways to compose a letter. The same
    names in the same order always give the same.
    """
    folders, taken, numbers = {"": ""}, set[str](), dict[str, int]()

    def place(stem: str, suffix: str = "") -> str:
        target = f"{stem}{suffix}"
        first = _key(target)
        while _key(target) in taken:
            numbers[first] = numbers.get(first, 1) + 1
            target = f"{stem}-{numbers[first]}{suffix}"
        taken.add(_key(target))
        return target

    safe = []
    for name in names:
        *above, last = name.split("/")
        path = ""
        for part in above:
            inside, path = path, f"{path}{part}/"
            if path not in folders:
                folders[path] = f"{place(folders[inside] + safe_name(part))}/"
        safe.append(folders[path] + safe_name(last))
    return [place(name.removesuffix(suffix), suffix) for name in _as_one_kind(safe, suffix)]


def _as_one_kind(names: Sequence[str], suffix: str) -> list[str]:
    """Names with this suffix in place of their own, or after it where two would collide."""
    plain = [str(PurePosixPath(name).with_suffix(suffix)) for name in names]
    count = Counter(map(_key, plain))
    found = [f"{name}{suffix}" if count[_key(short)] > 1 else short for name, short in zip(names, plain, strict=True)]
    return found if len(set(map(_key, found))) == len(found) else [f"{name}{suffix}" for name in names]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def safe_name(name: str, forbidden: re.Pattern[str] = ANYWHERE) -> str:
    """Take from one folder's or file's name what is forbidden, and what some system reads as something else."""
    safe = forbidden.sub("_", name).rstrip(". ")
    if not safe or safe.startswith("-") or safe.split(".")[0].rstrip().upper() in RESERVED:
        safe = f"_{safe}"
    if len(safe.encode()) > LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        safe = f"{safe.encode()[: LONGEST - 20].decode(errors='ignore').rstrip('. ')}-{digest}{_suffix(safe)}"
    return safe


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return suffix if len(suffix.encode()) <= 8 else ""
