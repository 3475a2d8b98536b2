"""Check protected files: decode every copy, measure it against its original, hold it to the bound and the manifest."""

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.config import DataError
from workbench.images import SUFFIXES, read_image
from workbench.protected import MANIFEST, file_hash, to_tensor
from workbench.quality import Quality, measure

MOST_PROBLEMS = 20  # shown to a person


@dataclass
class Verdict:
    """What `verify` found. `problems` is empty only when all files are there and keep the bound.

    left_out: originals that were not exported, because they are the test part of a folder without one, by the manifest.
    """

    epsilon: int
    checked: int = 0
    linf: int = 0
    unchanged: int = 0
    left_out: int = 0
    psnr_lowest: float | None = None
    psnr_median: float | None = None
    ssim_lowest: float | None = None
    share_positive: float = 0.0
    share_negative: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """True when every original has a copy within the bound and nothing else is wrong."""
        return not self.problems and self.checked > 0


def verify(originals: Path, copies: Path, epsilon: int | None) -> Verdict:
    """Decode every copy and measure it against its original; check the manifest's hashes when there is one.

    epsilon: the bound in pixel values of 255; None takes the manifest's (8 without one). Never raises for a bad copy:
    it is a problem in the verdict. Raises DataError when a folder is missing or holds no images.
    """
    originals, files = _training_part(originals, copies), _images_below(copies)
    manifest = _read_manifest(copies)
    wanted, left_out = _images_below(originals), set(manifest.get("left_out", []))
    verdict = Verdict(epsilon if epsilon is not None else manifest.get("epsilon", 8))
    listed = {entry["original"]: entry for entry in manifest.get("files", [])}
    by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in files}
    measured: list[Quality] = []
    used = set()
    for name in wanted:
        entry = listed.get(name, {})
        whole, stem = f"{name}.png", str(PurePosixPath(name).with_suffix(""))
        target = entry.get("file") or (whole if whole in files else by_stem.get(stem))
        if target not in files and name in left_out:
            verdict.left_out += 1
            continue
        if target not in files:
            verdict.problems.append(f"{name}: no protected copy")
            continue
        used.add(target)
        quality = _compare(originals / name, copies / target, entry, verdict.problems, target)
        if quality is not None:
            measured.append(quality)
            if quality.linf > verdict.epsilon:
                verdict.problems.append(f"{target}: changed by {quality.linf}, more than {verdict.epsilon}")
    verdict.problems += [f"{name}: no original" for name in sorted(set(files) - used)]
    verdict.problems += [
        f"{name}: in the manifest but not among the originals" for name in sorted(set(listed) - set(wanted))
    ]
    _summarise(verdict, measured)
    return verdict


def in_words(verdict: Verdict) -> str:
    """The verdict as lines for a person: what was measured, then every problem."""
    lines = [f"{verdict.checked} files measured; largest change {verdict.linf} of 255, bound {verdict.epsilon}"]
    if verdict.checked:
        ups, downs = verdict.share_positive, verdict.share_negative
        lines.append(
            f"pixel values raised {ups:.1%}, lowered {downs:.1%}; files without any change: {verdict.unchanged}"
        )
    if verdict.left_out:
        lines.append(f"{verdict.left_out} originals were left out as test images, by the manifest")
    if verdict.psnr_lowest is not None and verdict.psnr_median is not None:
        ssim = f", lowest SSIM {verdict.ssim_lowest:.4f}" if verdict.ssim_lowest is not None else ""
        lines.append(f"lowest PSNR {verdict.psnr_lowest:.1f} dB, median {verdict.psnr_median:.1f} dB{ssim}")
    shown = verdict.problems[:MOST_PROBLEMS]
    lines += [f"PROBLEM {problem}" for problem in shown]
    if len(verdict.problems) > len(shown):
        lines.append(f"... and {len(verdict.problems) - len(shown)} more problems (--json lists all)")
    lines.append(
        "the bound is kept and every file is there" if verdict.kept else f"NOT KEPT: {len(verdict.problems)} problems"
    )
    return "\n".join(lines)


def _compare(original: Path, copy: Path, entry: dict[str, Any], problems: list[str], shown: str) -> Quality | None:
    """Measure one copy; append what is wrong with it to `problems`."""
    if entry and file_hash(copy) != entry["sha256"]:
        problems.append(f"{shown}: is not the file of the manifest (SHA-256 differs)")
    if entry and entry.get("original_sha256") and file_hash(original) != entry["original_sha256"]:
        problems.append(f"{shown}: its original is not the one of the manifest (SHA-256 differs)")
    try:
        before, after = read_image(original), read_image(copy)
    except DataError as error:
        problems.append(str(error))
        return None
    if before.shape != after.shape:
        problems.append(
            f"{shown}: is {after.shape[1]}×{after.shape[0]}×{after.shape[2]}, its original "
            f"{before.shape[1]}×{before.shape[0]}×{before.shape[2]} (width×height×channels)"
        )
        return None
    return measure(to_tensor(before)[None], to_tensor(after)[None])[0]


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


def _training_part(originals: Path, copies: Path) -> Path:
    """ORIGINAL may be a data folder with train/ and test/: what was exported then is its train/."""
    split = (originals / "train").is_dir() and (originals / "test").is_dir()
    return originals / "train" if split and not (copies / "train").is_dir() else originals


def _images_below(root: Path) -> list[str]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    found = sorted(_walk(root))
    if not found:
        raise DataError(f"{root} holds no images ({', '.join(sorted(SUFFIXES))})")
    return found


def _walk(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path.relative_to(root).as_posix()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        entries = manifest["files"]
        if isinstance(manifest["epsilon"], int) and all(
            isinstance(entry[name], str) for entry in entries for name in ("file", "original", "sha256")
        ):
            return dict(manifest)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path} is not a manifest of this program: remove it to compare the folders by name alone")
