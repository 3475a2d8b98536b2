"""Two folders of pictures: which of them may be compared at all, and which copy belongs to which original."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from workbench.config import DataError
from workbench.files.names import check_file
from workbench.files.untrusted import one_line

LINES = 10  # of progress, where there is no bar
ELSEWHERE = "give two folders that lie apart, the one of the originals and the one of the copies"
RENAME = "give every original and its copy one name, and no two originals the same"


class Pairs(NamedTuple):
    """Originals and their copies, name by name, and a sentence a side for those without a partner."""

    originals: list[str]
    copies: list[str]
    said: list[str]


def check_both(original: Path, protected: Path) -> None:
    """Raise DataError for what are no two folders that lie apart."""
    check_folder(original, "the originals")
    check_folder(protected, "the copies")
    check_apart(protected, original, ELSEWHERE)


def check_folder(path: Path, what: str) -> None:
    """Raise DataError for what is no folder. what: is wanted in it, for the line."""
    if not os.path.isdir(path):  # which is False, not an error, also for a name that no system takes
        found = "a file" if os.path.exists(path) else "not there"
        raise DataError(f"{one_line(path)} is {found}: give the folder of {what}")


def check_apart(one: Path, other: Path, advice: str) -> None:
    """Raise DataError for two folders of which one is the other or lies in it, links followed."""
    for inner, outer in ((one, other), (other, one)):
        if inner.samefile(outer):
            raise DataError(f"{inner} and {outer} are one folder: {advice}")
        if any(above.samefile(outer) for above in inner.resolve().parents):
            raise DataError(f"{inner} lies in {outer}: {advice}")


def pair(originals: Sequence[str], copies: Sequence[str], roots: tuple[Path, Path]) -> Pairs:
    """Find the copy of every original by its name relative to the roots, whatever format the copy has.

    A copy of cat/1.jpg is cat/1.jpg, else cat/1.jpg.png (as tools write it beside a copy of cat/1.png), else cat/1 with
    any other suffix. The case of a suffix and Unicode's two ways to write an accent make no other name. Raises
    DataError where a name fits two, where names differ by case alone, and where nothing fits.
    """
    for name in (*originals, *copies):
        check_file(name)
    by_name, by_stem = _index(originals, _plain), _index(originals, _stem)
    copy_of: dict[str, str] = {}
    strays = []
    for copy in copies:
        fitting = by_name.get(_plain(copy)) or by_name.get(_stem(copy)) or by_stem.get(_stem(copy)) or []
        if len(fitting) > 1:
            raise DataError(f"{roots[1] / copy} may be the copy of {fitting[0]} or of {fitting[1]}: {RENAME}")
        if not fitting:
            strays.append(copy)
        elif (other := copy_of.setdefault(fitting[0], copy)) != copy:
            raise DataError(f"{roots[0] / fitting[0]} may have the copy {other} or {copy}: {RENAME}")
    alone = [name for name in originals if name not in copy_of]
    _check_alike(alone, copies, roots[0])
    _check_alike(strays, originals, roots[1])
    if not copy_of:
        raise DataError(
            f"no file of {roots[1]} has the name of one of {roots[0]} ({copies[0]}, {originals[0]}): "
            "give copies that are named as their originals"
        )
    said = [
        _without(alone, ("original has", "originals have"), "copy"),
        _without(strays, ("copy has", "copies have"), "original"),
    ]
    taken = [name for name in originals if name in copy_of]
    return Pairs(taken, [copy_of[name] for name in taken], [line for line in said if line])


def _plain(name: str) -> str:
    stem, suffix = os.path.splitext(unicodedata.normalize("NFC", name))
    return f"{stem}{suffix.lower()}"


def _stem(name: str) -> str:
    return os.path.splitext(unicodedata.normalize("NFC", name))[0]


def _index(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[key(name)].append(name)
    return found


def _check_alike(alone: Iterable[str], others: Iterable[str], root: Path) -> None:
    """Raise DataError for a name without a partner where one of the other side's reads nearly so: which is meant?"""
    alike = {_stem(name).casefold(): name for name in others}
    for name in alone:
        other = alike.get(_stem(name).casefold())
        if other is not None:
            how = "the suffix" if _stem(other) == _stem(name) else "upper and lower case"
            raise DataError(f"{root / name} has no partner, and only {how} sets it apart from {other}: {RENAME}")


def _without(names: Sequence[str], one_many: tuple[str, str], partner: str) -> str:
    """Say how many have no partner, and which is the first."""
    if not names:
        return ""
    first = one_line(names[0])
    if len(names) == 1:
        return f"1 {one_many[0]} no {partner} and is left out: {first}."
    return f"{len(names):,} {one_many[1]} no {partner} and are left out, {first} first."


def check_classes(originals: Iterable[str], copies: Iterable[str], roots: tuple[Path, Path]) -> None:
    """Raise DataError, naming a class, where the one folder has images of a class and the other has none."""
    here, there = ({_class(name): name.partition("/")[0] for name in names} for names in (originals, copies))
    missing, strange = sorted(set(here) - set(there)), sorted(set(there) - set(here))
    for key in missing:
        if other := next((there[one] for one in strange if one.casefold() == key.casefold()), ""):
            raise DataError(f"the class {here[key]!r} of {roots[0]} is {other!r} in {roots[1]}: give it one name")
    if missing:
        advice = "put its images there, or take the class away from both"
        raise DataError(f"{roots[1]} holds no images of the class {here[missing[0]]!r} of {roots[0]}: {advice}")
    if strange:
        advice = "put its images there, or take the class away from both"
        raise DataError(f"{roots[0]} holds no images of the class {there[strange[0]]!r} of {roots[1]}: {advice}")


def _class(name: str) -> str:
    return unicodedata.normalize("NFC", name.partition("/")[0])
