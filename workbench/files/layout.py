"""What a folder of images holds: which folders are classes or people, and which are parts, as train and test."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from workbench.config import DataError
from workbench.files import tree, untrusted
from workbench.files.names import check_classes
from workbench.progress import say

TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation", "dev")
PARTS = (*TRAIN, *TEST, *VALIDATION)
ADVICE = "give one folder per class or person, in train and test if there are parts"


def arrange(root: Path, names: Iterable[str], folders: Iterable[str] = ()) -> dict[str, str]:
    """Find the folders that hold one folder per class or person: by part, or the one of the part "" without any.

    names: of images; folders: more of them, which may be empty. A folder that wraps all others is neither class nor
    person. Raises DataError where what could be parts could be classes too.
    """
    inside: dict[str, set[str]] = defaultdict(set)
    holding = set(map(_folder, names))  # images right in them
    for folder in {*holding, *folders}:
        while folder:
            above, _, last = folder.rpartition("/")
            inside[above].add(last)
            folder = above

    def unwrapped(base: str) -> str:
        while base not in holding and len(inside[base]) == 1:
            below = tree.join(base, *inside[base])
            if below in holding or not inside[below]:
                break
            base = below
        return base

    base = unwrapped("")
    within = {one: inside[tree.join(base, one)] for one in sorted(inside[base])}
    deep = {one: folders for one, folders in within.items() if folders and tree.join(base, one) not in holding}
    parts = [one for one in within if one.lower() in PARTS]
    if len(parts) < len(within):
        parts = [one for one in parts if within[one]] if any(one.lower() in TRAIN for one in parts) else []
    if len(parts) > 1:
        if flat := [one for one in parts if not within[one]]:
            raise DataError(f"{root / base / flat[0]} is a part by its name and holds no folders: {ADVICE}")
        return {one: unwrapped(tree.join(base, one)) for one in parts}
    if len(within) > 1:
        _check_no_parts(root / base, within, deep)
    return {"": base}


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _inside(folder: str) -> str:
    """How the names of all that lies in a folder begin."""
    return f"{folder}/" if folder else ""


def _check_no_parts(root: Path, within: Mapping[str, set[str]], deep: Mapping[str, set[str]]) -> None:
    """Raise DataError where folders that hold nothing but folders could be parts, or copies of all the others."""
    for one, folders in deep.items():
        if len(folders) > 1 and one.lower() in (*TRAIN, *TEST):
            other = next(name for name in within if name != one)
            raise DataError(f"{root / one} looks like a part but stands beside {other}: {ADVICE}")
        if len(folders) > 1 and folders <= set(within):
            raise DataError(f"{root / one} holds folders named like those beside it: move it away, or {ADVICE}")
    common = set.intersection(*map(set, deep.values())) if len(deep) == len(within) else set()
    alike = len(common) > 1 and all(folders == common for folders in deep.values())
    if alike or any(name.lower() in PARTS for name in common):
        some = " and ".join(list(within)[:2])
        raise DataError(f"{root}: {some} hold the same folders, so classes cannot be told from parts: {ADVICE}")


def people(root: Path, names: Sequence[str]) -> list[str]:
    """Say whose each photo is: its folder, below one that wraps all and below parts, "" outside any. Or DataError."""
    bases = [_inside(base) for base in arrange(root, names).values()]
    found = []
    for name in names:
        base = next((base for base in bases if name.startswith(base)), "")
        found.append(_folder(name.removeprefix(base)).partition("/")[0])
    return found


@dataclass(frozen=True)
class Part:
    """A folder with one folder per class. names: of the images, relative to `root`, sorted class by class."""

    root: Path = Path()
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What a folder of images holds. parts: by name, the two that are taken first; left: what is left out, by why;
    what: the files are.
    """

    train: Part = Part()
    test: Part | None = None
    parts: tuple[str, ...] = ()
    left: Counter[str] = field(default_factory=Counter)
    what: str = "images"

    @property
    def given(self) -> list[Part]:
        """The part to train on, and the one to test on if there is one."""
        return [self.train, self.test] if self.test else [self.train]

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers for a record; {} where the images come from no folder."""
        if not self.train.classes:
            return {}
        count, parts = sum(len(part.names) for part in self.given), list(self.parts[:2])
        return {"classes": len(self.train.classes), self.what: count, "parts": parts, "left_out": dict(self.left)}

    def tell(self, data: str) -> None:
        """Say on one line, once in a process, what this data is; nothing where the images come from no folder."""
        if self.facts:
            _say_once(f"{untrusted.one_line(data)}: {self}")

    def __str__(self) -> str:
        facts, unused = self.facts, self.parts[2:]
        parts = f"{' and '.join(facts['parts'])} given" if self.test else "split into train and test"
        parts += f", {' and '.join(unused)} not taken" if unused else ""
        return f"{facts['classes']:,} classes, {facts[self.what]:,} {self.what}; {parts}{tree.left_in_words(self.left)}"


_say_once = cache(say)


def layout(root: Path, *, check: bool = True, suffixes: Set[str] = tree.SUFFIXES, what: str = "images") -> Layout:
    """Find classes and parts of a folder of images. Raises DataError where they cannot be told or not be read.

    Of several parts the one to train on and the one to test on are taken, which is test, or else the validation part.
    A folder that is a link or cannot be opened may be a class or a part, so it is never just left out. check: raise
    DataError also for less than two classes, for one without images, or not in both parts. suffixes, what: files.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give a folder that holds one folder a class")
    found = tree.walk(root)
    for one in found.left:
        folder = one.reason in tree.SAID and os.path.isdir(root / one.name)
        if folder or one.reason in (tree.CLOSED, tree.MISNAMED):
            raise DataError(f"{root}: {untrusted.one_line(one.name)} {tree.SAID[one.reason]}")
    images = tree.images(found.files, suffixes)
    arranged = arrange(root, images, found.folders)
    roles = _roles(root, list(arranged))
    bases = [arranged[role] for role in roles]
    taken = [_part(root, base, images, found.folders) for base in bases]
    loose = sum(any(f"{base}/".startswith(_inside(_folder(name))) for base in bases) for name in images)
    left = Counter(one.reason for one in found.left)
    left[tree.OTHER], left[tree.LOOSE] = len(found.files) - len(images), loose
    left[tree.BESIDE] = len(images) - loose - sum(len(part.names) for part in taken)
    unused = [part for part in arranged if part not in roles]
    parted = len(taken) > 1
    whole = Layout(taken[0], taken[1] if parted else None, (*roles, *unused) if parted else (), +left, what)
    if check:
        _check_classes(root, whole, suffixes)
    return whole


def _check_classes(root: Path, found: Layout, suffixes: Set[str]) -> None:
    train = found.train
    for part in found.given:
        check_classes(part.classes)  # first of all: other refusals name them
    if odd := set(train.classes) ^ set(found.given[-1].classes):
        raise DataError(f"{root}: class {min(odd)!r} is not in both {' and '.join(found.parts[:2])}: put it in both")
    for part in found.given:
        if empty := set(part.classes) - {name.partition("/")[0] for name in part.names}:
            line = f"holds no {found.what} ({', '.join(sorted(suffixes))})"
            raise DataError(
                f"{part.root / min(empty)} {line}{tree.left_in_words(found.left)}: fill or remove the class"
            )
    if len(train.classes) < 2:
        what = f"only the class {train.classes[0]!r}" if train.classes else f"no folders of {found.what}"
        advice = "a classifier needs one folder for each of two or more classes"
        raise DataError(f"{train.root} holds {what}{tree.left_in_words(found.left)}: {advice}")


def _roles(root: Path, parts: list[str]) -> list[str]:
    """Name the part to train on and that to test on; the part "" alone is both."""
    if parts == [""]:
        return parts
    train = [one for one in parts if one.lower() in TRAIN]
    test = [one for one in parts if one.lower() in TEST] or [one for one in parts if one.lower() in VALIDATION]
    if len(train) != 1 or len(test) != 1:
        raise DataError(f"{root} holds the parts {', '.join(parts)}: one to train on and one to test on are needed")
    return train + test


def _part(root: Path, base: str, images: Iterable[str], folders: Iterable[str]) -> Part:
    prefix = _inside(base)
    names = tuple(name.removeprefix(prefix) for name in images if name.startswith(prefix))
    classes = {name.removeprefix(prefix).partition("/")[0] for name in folders if name.startswith(prefix)}
    return Part(root / base, tuple(sorted(classes)), tuple(name for name in names if "/" in name))


def check_output(data: str, output: Path) -> None:
    """Raise DataError for an output in the folder of images or recordings that `data`, a SPEC, names."""
    name, _, path = data.partition(":")
    if name in ("folder", "audio") and path:
        tree.check_apart(output, Path(path))
