"""Protected images as files: lossless PNGs under their own names, a manifest anyone can check, and the check."""

import hashlib
import json
import math
import shutil
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench import runs
from workbench.config import DataError
from workbench.images import SUFFIXES, ImageSet, read_image
from workbench.noise.perturbation import Perturbation
from workbench.progress import progress
from workbench.quality import Quality, measure

MANIFEST = "manifest.json"
CARD = "README.md"
MOST_PROBLEMS = 20  # shown to a person
EXPORT_LINES = 5  # lines of progress where there is no bar


def protect(data: ImageSet, perturbation: Perturbation, *, official: bool = False) -> Tensor:
    """The pixels to export: uint8 N×C×H×W, clip(x + δ, 0, 255).

    official: keep only the positive part of δ, as the 2021 code exported it (its negative half was lost by a clamp
    to 0..255 before adding); for reproducing published numbers.
    """
    if official:
        perturbation = replace(perturbation, delta=perturbation.delta.clamp(min=0))
    return perturbation.apply(data)


def check_new(folder: Path) -> None:
    """Raise DataError unless `folder` is missing or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not an empty folder: give --out another one")


def export(
    data: ImageSet, perturbation: Perturbation | None, folder: Path, *, official: bool = False, **facts: Any
) -> dict[str, Any]:
    """Write every image as PNG, with the noise (if given), one folder a class, and manifest.json; return the manifest.

    The folder must not exist or be empty (DataError); all appears at once, when every file was decoded again and
    measured. `facts` (seed, source, …) go into the manifest.
    """
    check_new(folder)
    pixels = protect(data, perturbation, official=official) if perturbation else data.images
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        entries = []
        names = export_names(data.names)
        with progress("images", len(names), lines=EXPORT_LINES) as shown:
            for index, target in enumerate(names):
                entries.append(_write_one(partial, target, pixels[index].cpu(), data, index))
                shown.advance()
        manifest = {
            "epsilon": perturbation.epsilon if perturbation else 0,
            "method": perturbation.method if perturbation else "clean",
            "kind": perturbation.kind if perturbation else "none",
            "sides": "one (official export of 2021)" if official else "two",
            "fingerprint": data.fingerprint(),
            "versions": runs.versions(),
            **facts,
            "files": entries,
        }
        runs.write_atomically(partial / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        runs.write_atomically(partial / CARD, card(manifest))
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}): make room or give another --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def export_names(names: Sequence[str]) -> list[str]:
    """The relative name of each exported file: the original's with the suffix .png, whole where two would collide."""
    plain = [str(PurePosixPath(name).with_suffix(".png")) for name in names]
    count = Counter(name.lower() for name in plain)
    return [f"{name}.png" if count[short.lower()] > 1 else short for name, short in zip(names, plain, strict=True)]


def _write_one(root: Path, target: str, pixels: Tensor, data: ImageSet, index: int) -> dict[str, Any]:
    path, original = root / target, data.images[index].cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(path, compress_level=6)
    decoded = _tensor(read_image(path))
    quality = measure(original[None], decoded[None])[0]
    source = data.root / data.names[index] if data.root else None
    return {
        "file": target,
        "original": data.names[index],
        "class": data.classes[data.labels[index]],
        "sha256": file_hash(path),
        "original_sha256": file_hash(source) if source else None,
        "original_pixels_sha256": hashlib.sha256(original.numpy().tobytes()).hexdigest(),
        **_shown(quality),
    }


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy()).permute(2, 0, 1).contiguous()


def _shown(quality: Quality) -> dict[str, float | int | None]:
    """A quality as JSON can hold it: rounded, and null for what is infinite or not defined."""
    values = {name: round(value, 4) for name, value in asdict(quality).items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def card(manifest: dict[str, Any]) -> str:
    """The data set card: what these images are, what was measured, what undoes it."""
    files = manifest["files"]
    psnr = [entry["psnr"] for entry in files if entry["psnr"] is not None]
    classes = sorted({entry["class"] for entry in files})
    worst = f"{min(psnr):.1f} dB (median {statistics.median(psnr):.1f} dB)" if psnr else "no change at all"
    return f"""# {len(files)} images with {manifest["kind"]} noise of the method `{manifest["method"]}`

- Classes: {len(classes)}. Every file is a lossless PNG of the size of its original.
- Largest change, measured on the decoded files: {max(entry["linf"] for entry in files)} pixel values of 255
  (perturbation budget {manifest["epsilon"]}). Lowest PSNR: {worst}.
- `manifest.json` holds each file's hash, its original's, and the change as measured.
  Check all of it with `workbench verify ORIGINALS THIS_FOLDER`.

The noise is meant to make a network trained **from scratch on all of these images** fail on clean images. It does not
hide anybody from existing recognisers, and much undoes it: grayscale or JPEG before training, adversarial training,
stopping early, a share of clean images, a pretrained network. Measure before you rely on it: `workbench train`.
The originals' licence holds for these copies too.
"""


@dataclass
class Verdict:
    """What `verify` found. `problems` is empty only when all files are there and keep the bound."""

    epsilon: int
    checked: int = 0
    linf: int = 0
    unchanged: int = 0
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
    wanted = _images_below(originals)
    verdict = Verdict(epsilon if epsilon is not None else manifest.get("epsilon", 8))
    listed = {entry["original"]: entry for entry in manifest.get("files", [])}
    by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in files}
    measured: list[Quality] = []
    used = set()
    for name in wanted:
        entry = listed.get(name, {})
        target = entry.get("file") or by_stem.get(str(PurePosixPath(name).with_suffix("")))
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
    return measure(_tensor(before)[None], _tensor(after)[None])[0]


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
