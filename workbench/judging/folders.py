"""Originals and the copies that any tool made of them, read from two folders as what a trainer would have."""

import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.config import DataConfig, DataError
from workbench.data.dataset import DataPair, Dataset
from workbench.data.split import split
from workbench.files import tree
from workbench.files.layout import TEST, VALIDATION, Layout, Part, layout
from workbench.files.names import check_file
from workbench.judging.distances import Distances, distances
from workbench.judging.pairs import LINES, Pairs, check_apart, check_both, check_classes, check_folder, pair
from workbench.judging.small import Small, choose_side, equal, opened
from workbench.progress import Progress

__all__ = ["Distances", "Published", "distances", "has_classes", "read"]

LEAST = 2  # pairs of a class: one to train on and one that may be held out
FOLDER_A_CLASS = "give a folder with one folder a class"
UNPROTECTED = "test images are never protected ones: give a folder that lies apart"
OTHERS = "give a folder of other images than those trained on"


class Published(NamedTuple):
    """What was published beside what it was made from.

    pair: the clean training samples, and the test samples that stay clean; train: the training samples as published, in
    the order and with the names and classes of pair.train; said: sentences for the reader, on how this was read.
    """

    pair: DataPair
    train: Dataset
    said: tuple[str, ...]


def has_classes(original: Path) -> bool:
    """Whether a folder holds two folders or more that are classes. Raises DataError where that cannot be told."""
    check_folder(original, "the originals")
    return len(layout(original, check=False, suffixes=tree.PHOTOS).train.classes) > 1


def read(original: Path, protected: Path, test: Path | None = None, *, side: int = 0, seed: int = 0) -> Published:
    """Read originals, copies and a clean test set at side × side pixels, paired by name.

    Both hold a folder a class, or train with one. The test set is the folder `test`, else the one inside `original`,
    else a fifth of the originals of every class, drawn by the seed, whose copies are not read. side: 0 chooses it (see
    `choose_side`). The order in which a system lists files changes nothing. Raises ConfigError for a bad side or seed,
    and DataError for folders that do not belong together or hold a file that cannot be read.
    """
    DataConfig(side=side, seed=seed)  # which holds them to what all data are held to
    check_both(original, protected)
    if test is not None:
        check_folder(test, "test images")
        check_apart(test, protected, UNPROTECTED)
    given = layout(original, suffixes=tree.PHOTOS)
    copied = layout(protected, check=False, suffixes=tree.PHOTOS)
    clean, published = given.train, copied.train
    tested, said = _tested(test, given)
    _check_copies(protected, copied)
    roots = clean.root, published.root
    for above, root in zip((original, protected), roots, strict=True):
        for name in root.relative_to(above).parts:
            check_file(name)
    check_classes(clean.names, published.names, roots)
    pairs = pair(clean.names, published.names, roots)
    labels = _labels(pairs.originals, clean.classes)
    _check_enough(labels, clean.classes, roots)

    training = torch.arange(len(labels))
    held_out = training[:0]
    if tested is None:
        training, held_out = split(labels, clean.classes, seed)
        said += [_held_out(len(held_out), len(labels), seed)]
        tested = Part(clean.root, clean.classes, tuple(pairs.originals[i] for i in held_out.tolist()))
    side, why = (side, "as asked for") if side else choose_side(clean.root / name for name in pairs.originals)
    small = Small(side)
    progress = Progress("reading", len(training) + len(tested.names), lines=LINES)
    before, after, same = _both(pairs, training.tolist(), roots, small, progress)
    unchanged = _clean(tested, small, progress)

    channels = small.channels
    names = tuple(pairs.originals[i] for i in training.tolist())
    train = Dataset(before[:, :channels].contiguous(), labels[training], clean.classes, names)
    seen = Dataset(after[:, :channels].contiguous(), labels[training], clean.classes, names, source="folder")
    test_labels = _labels(tested.names, clean.classes)
    kept = Dataset(unchanged[:, :channels].contiguous(), test_labels, clean.classes, tested.names)
    if copied.test:
        said.append(f"{copied.test.root} was not used: test images stay clean.")
    said += pairs.said + _left(original, given) + _left(protected, copied)
    said += [f"Side of {side} pixels: {why}.", *small.said(), *_identical(same, len(names)), *_known(train, kept)]
    return Published(DataPair(train, kept, "folder"), seen, tuple(said))


def _tested(test: Path | None, given: Layout) -> tuple[Part | None, list[str]]:
    """The part to test on, if there is one, and sentences on it."""
    if test is None:
        return given.test, [_of_test(given.test)] if given.test else []
    found = layout(test, check=False, suffixes=tree.PHOTOS)
    part = found.test or found.train
    check_apart(part.root, given.train.root, OTHERS)
    if not part.names:
        raise DataError(f"{test} holds no folders of images{tree.left_in_words(found.left)}: {FOLDER_A_CLASS}")
    check_classes(given.train.names, part.names, (given.train.root, part.root))
    unused = [f"{given.test.root} was not used."] if given.test and not given.test.root.samefile(part.root) else []
    return part, [_of_test(part), *unused, *_left(test, found)]


def _of_test(part: Part) -> str:
    return f"Tested on the {len(part.names):,} images of {part.root}, which stay clean."


def _held_out(tested: int, pairs: int, seed: int) -> str:
    drawn = f"{tested:,} of {pairs:,} originals, a fifth of every class, at least one, drawn with seed {seed}"
    return f"Tested on {drawn}: neither they nor their copies are trained on."


def _check_copies(protected: Path, found: Layout) -> None:
    """Raise DataError for copies of which there are none in folders, or none but of a test part."""
    part = found.train
    if not part.names:
        raise DataError(f"{protected} holds no folders of images{tree.left_in_words(found.left)}: {FOLDER_A_CLASS}")
    if any(one.lower() in (*TEST, *VALIDATION) for one in part.root.relative_to(protected).parts):
        raise DataError(f"{part.root} is a part to test on by its name: give copies of the training images")


def _check_enough(labels: Tensor, classes: tuple[str, ...], roots: tuple[Path, Path]) -> None:
    counts = labels.bincount(minlength=len(classes)).tolist()
    if min(counts) < LEAST:
        few, least = classes[counts.index(min(counts))], min(counts)
        pairs = f"{least or 'no'} original{'' if least == 1 else 's'} with a copy of the same name"
        raise DataError(f"the class {few!r} has {pairs} in {roots[0]} and {roots[1]}: {LEAST} or more are needed")


def _labels(names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Places among the classes, whichever way an accent is written."""
    places = {unicodedata.normalize("NFC", name): place for place, name in enumerate(classes)}
    return torch.tensor([places[unicodedata.normalize("NFC", name.partition("/")[0])] for name in names])


def _both(
    pairs: Pairs, chosen: list[int], roots: tuple[Path, Path], small: Small, progress: Progress
) -> tuple[Tensor, Tensor, int]:
    """Originals and copies of the chosen pairs, uint8 N×3×side×side, and how many copies equal their originals."""
    before = torch.empty(len(chosen), 3, small.side, small.side, dtype=torch.uint8)
    after, same = torch.empty_like(before), 0
    for place, index in enumerate(chosen):
        files = roots[0] / pairs.originals[index], roots[1] / pairs.copies[index]
        photos = opened(files[0]), opened(files[1])
        before[place] = small.take(photos[0], files[0], "originals")
        after[place] = small.take(photos[1], files[1], "copies")
        same += equal(*photos)
        progress.advance()
    return before, after, same


def _clean(part: Part, small: Small, progress: Progress) -> Tensor:
    """The images of a part to test on, uint8 N×3×side×side."""
    found = torch.empty(len(part.names), 3, small.side, small.side, dtype=torch.uint8)
    for place, name in enumerate(part.names):
        check_file(name)
        file = part.root / name
        found[place] = small.take(opened(file), file, "test images")
        progress.advance()
    return found


def _left(root: Path, found: Layout) -> list[str]:
    """Say what in a folder was not read."""
    words = tree.left_in_words(found.left).removeprefix("; left out: ")
    return [f"Not read in {root}: {words}."] if words else []


def _identical(same: int, pairs: int) -> list[str]:
    if same == pairs:
        return [f"All {pairs:,} copies decode to exactly the pixels of their originals: nothing was changed in them."]
    many = "copies decode" if same > 1 else "copy decodes"
    return [f"{same:,} of {pairs:,} {many} to exactly the pixels of the original."] if same else []


def _known(train: Dataset, test: Dataset) -> list[str]:
    """Say how many test images are training images too: what is learnt by heart would count as learnt."""
    seen = {_digest(image) for image in train.samples}
    twice = [name for name, image in zip(test.names, test.samples, strict=True) if _digest(image) in seen]
    if not twice:
        return []
    many = "test images are training images" if len(twice) > 1 else "test image is a training image"
    return [f"{len(twice):,} {many} too, pixel by pixel, {twice[0]} first: accuracy on them says little."]


def _digest(image: Tensor) -> bytes:
    return hashlib.sha256(image.numpy().tobytes()).digest()
