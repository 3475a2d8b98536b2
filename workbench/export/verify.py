"""Check protected files: decode every copy, measure it against its original, hold it to the bound and the manifest."""

import contextlib
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from workbench.budgets import QUIETEST, SHAPES
from workbench.config import OUTSIDE, DataError
from workbench.data.measures import Quality, measure
from workbench.export.verdict import Verdict
from workbench.export.write import MANIFEST
from workbench.files import tree, untrusted
from workbench.files.hashing import file_hash
from workbench.files.layout import layout
from workbench.files.picture_kinds import metadata, read, whole
from workbench.files.pictures import HIDDEN, Photo, Refused, decode

MOST_MANIFEST = untrusted.MOST_BYTES
SHAPE = {
    "epsilon": int,
    "bound?": int,
    "space?": str,
    "shape?": str,
    "files": [{"file": str, "original": str, "sha256": str, "original_sha256?": (str, None), "box?": [int]}],
    "refused?": [{"name": str, "sha256?": (str, None)}],
    "left_out?": [str],
}


def verify(originals: Path, copies: Path, epsilon: int | None) -> Verdict:
    """Decode every copy and measure it against its original; check the manifest's hashes when there is one.

    originals: a folder, or one photo; epsilon: the bound in pixel values of 255, None takes the manifest's (8 without
    one). A bad copy is a problem in the verdict. Raises DataError for a folder without images and a bad manifest.
    """
    manifest = read_manifest(copies)
    listed = {entry["original"]: entry for entry in manifest.get("files", [])}
    refused = {entry["name"]: entry for entry in manifest.get("refused", [])}
    photos, left_out = "refused" in manifest, set(manifest.get("left_out", []))  # an export has no refused ones
    inside = tree.walk(copies)
    files, links = set(tree.images(inside.files)), dict(inside.left)
    stated = manifest.get("bound", manifest.get("epsilon", 8))
    verdict = Verdict(stated if epsilon is None else epsilon, lossy=manifest.get("bound"))
    if originals.is_file():
        if originals.suffix.lower() == ".zip":
            raise DataError(f"{originals} is an archive: unpack it, and give the folder")
        originals, wanted = originals.parent, {originals.name}
    else:
        originals, wanted, verdict.skipped = _originals(originals, copies, manifest)
        wanted |= {name for name in (*listed, *refused) if within(originals, name)}
    for folder, found in ((originals, wanted), (copies, files)):
        if not found:
            raise DataError(f"{folder} holds no images ({', '.join(sorted(tree.PHOTOS))})")
    by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in sorted(files)}
    moved = _moved(originals, wanted, listed)
    verdict.moved, listed, wanted = len(moved), listed | moved, wanted | set(moved)
    if moved:
        refused |= {name: refused[old] for old in refused for name in wanted if _last(name) == _last(old)}
    measured: list[Quality] = []
    used = set()
    for name in sorted(wanted):
        entry = listed.get(name, {})
        longer, stem = f"{name}.png", str(PurePosixPath(name).with_suffix(""))
        target = entry["file"] if entry else longer if longer in files else by_stem.get(stem)
        if target not in files and name in left_out:
            verdict.left_out += 1
        elif not entry and name in refused and has_hash(originals / name, refused[name].get("sha256")):
            verdict.refused += 1
        elif target not in files:
            why, _, _ = tree.SAID.get(links.get(str(target), ""), "").partition(":")
            verdict.problems.append(f"{target}: {why}" if why else f"{name}: no protected copy")
        else:
            used.add(target)
            quality, faults = _compare(originals / name, copies / target, entry, photos)
            verdict.problems += [f"{target}: {fault}" for fault in faults]
            measured += [quality] if quality else []
            if quality and quality.linf > verdict.epsilon:
                verdict.problems.append(f"{target}: changed by {quality.linf}, more than {verdict.epsilon}")
    verdict.problems += [f"{name}: no original" for name in sorted(files - used)]
    gone = sorted(set(listed) - wanted - {entry["original"] for entry in moved.values()})
    verdict.problems += [f"{name}: in the manifest but not among the originals" for name in gone]
    _summarise(verdict, measured)
    return verdict


def _compare(original: Path, copy: Path, entry: dict[str, Any], photos: bool) -> tuple[Quality | None, list[str]]:
    """Measure one copy, if it can be compared, and list what is wrong with it."""
    problems = []
    if not has_hash(copy, entry.get("sha256")):
        other = "is the original itself" if same_file(original, copy) else "is not the file of the manifest"
        problems.append(f"{other} (SHA-256 differs)")
    if not has_hash(original, entry.get("original_sha256")):
        problems.append("its original is not the one of the manifest (SHA-256 differs)")
    pair = []
    for path, which in ((original, "its original"), (copy, "it")):
        try:
            pair.append(decode(whole(partial(read, path.resolve())), smallest=1))
        except Refused as error:
            return None, [*problems, f"cannot be read: {which} {error}"]
    before, after = pair
    problems += _beside_pixels(before, after, photos)
    if carried := metadata(copy.read_bytes()):
        problems.append(f"carries metadata ({', '.join(carried)})")
    if before.pixels.shape != after.pixels.shape:
        shapes = [f"{width}×{height}×{deep}" for height, width, deep in (after.pixels.shape, before.pixels.shape)]
        return None, [*problems, f"is {shapes[0]}, its original {shapes[1]} (width×height×channels)"]
    tensors = [torch.from_numpy(photo.pixels).permute(2, 0, 1)[None] for photo in pair]
    return measure(*tensors)[0], problems


def _beside_pixels(before: Photo, after: Photo, photos: bool) -> Iterator[str]:
    """What is wrong with a copy's transparency and colours. photos: what says them is kept (an export drops it)."""
    if HIDDEN in after.notes:
        yield "holds colour hidden under transparency"
    if not np.array_equal(before.opacity, after.opacity):
        yield "its transparency is not its original's"
    if before.icc != after.icc and (photos or after.icc is not None):
        yield "its colour profile is not its original's"
    if before.chunks != after.chunks and (photos or after.chunks):
        yield "its colours are not described as its original's are"


def _moved(originals: Path, wanted: set[str], listed: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The entries of originals that lie in other folders than the manifest says, by where they lie now."""
    lost: dict[tuple[str, Any], list[dict[str, Any]]] = {}
    for name in sorted(set(listed) - wanted):
        lost.setdefault((_last(name), listed[name].get("original_sha256")), []).append(listed[name])
    named = {last for last, digest in lost if digest is not None}
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(set(tree.walk(originals).files) - set(listed)) if named else ():
        if _last(name) in named:
            with contextlib.suppress(OSError):  # as in has_hash
                entries = lost.get((_last(name), file_hash(originals / name)))
                found |= {name: entries.pop()} if entries else {}
    return found


def _last(name: str) -> str:
    return PurePosixPath(name).name


def has_hash(path: Path, digest: str | None) -> bool:
    """Whether a file has this SHA-256; None is any file's."""
    try:
        return digest is None or file_hash(path) == digest
    except OSError:
        return False


def same_file(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    try:
        return one.stat().st_size == other.stat().st_size and file_hash(one) == file_hash(other)
    except OSError:
        return False


def within(root: Path, name: str) -> bool:
    """Whether a name that a manifest or a walk gives is a file in the folder, links followed."""
    try:
        path = (root / name).resolve()
        return ".." not in PurePosixPath(name).parts and path.is_relative_to(root.resolve()) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a null, links in a circle
        return False


def _summarise(verdict: Verdict, measured: list[Quality]) -> None:
    verdict.checked = len(measured)
    if not measured:
        return
    verdict.linf = max(quality.linf for quality in measured)
    verdict.unchanged = sum(quality.linf == 0 for quality in measured)
    verdict.share_negative = statistics.fmean(quality.negative for quality in measured)
    verdict.share_positive = statistics.fmean(quality.changed - quality.negative for quality in measured)
    psnr = [quality.psnr for quality in measured if math.isfinite(quality.psnr)]
    ssim = [quality.ssim for quality in measured if math.isfinite(quality.ssim)]
    if psnr:
        verdict.psnr_lowest, verdict.psnr_median = min(psnr), statistics.median(psnr)
    verdict.ssim_lowest = min(ssim) if ssim else None


def _originals(root: Path, copies: Path, manifest: dict[str, Any]) -> tuple[Path, set[str], dict[str, int]]:
    """The folder that names are relative to, the images in it that need a copy, and what is left out, by why.

    An export takes what training takes, `protect` all photos.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    if manifest and "refused" not in manifest:
        taken = layout(root, check=False)
        return taken.train.root, set(taken.train.names), taken.left
    base = root if manifest else _training_part(root, copies)
    found = tree.walk(base)
    return base, set(tree.images(found.files, tree.PHOTOS)), Counter(one.reason for one in found.left)


def _training_part(root: Path, copies: Path) -> Path:
    """What was meant without a manifest: the part to train on, unless the copies have a folder for it."""
    try:
        base = layout(root, check=False).train.root
    except DataError:
        return root
    return root if base != root and (copies / base.relative_to(root).parts[0]).is_dir() else base


def read_manifest(folder: Path) -> dict[str, Any]:
    """A folder's manifest.json, {} without one. Raises DataError when it is not one of this program."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    with untrusted.reading(path, "a manifest of this program", "remove it to compare the folders by name alone"):
        return parse_manifest(untrusted.read_head(path, MOST_MANIFEST + 1))


def parse_manifest(content: bytes) -> dict[str, Any]:
    """The manifest of an export or of photos from its bytes. Raises DataError, whose text reads after a name."""
    if len(content) > MOST_MANIFEST:
        raise DataError(f"is larger than {MOST_MANIFEST >> 20} MiB")
    manifest: dict[str, Any] = untrusted.parse(content, SHAPE)
    if manifest.get("space") == "audio":
        if not QUIETEST <= manifest["epsilon"] <= 0 or manifest.get("shape", SHAPES[0]) not in SHAPES:
            raise DataError(f"has an epsilon outside {QUIETEST}..0 dB, or an unknown shape")
        return manifest
    for name in ("epsilon", "bound"):
        if not 0 <= manifest.get(name, 0) <= OUTSIDE:
            raise DataError(f"has {'an' if name == 'epsilon' else 'a'} {name} outside 0..{OUTSIDE}")
    return manifest
