"""Protected images as files: lossless PNGs under their own names, and a manifest anyone can check."""

import hashlib
import json
import os
import statistics
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.budgets import SHAPES
from workbench.config import ConfigError, DataError
from workbench.data.dataset import Dataset
from workbench.data.measures import measure
from workbench.data.space import AUDIO
from workbench.export import sound_copies
from workbench.export.entry import shown
from workbench.files import atomic, lock, names
from workbench.files.hashing import file_hash
from workbench.files.pictures import read_exact
from workbench.noise.perturbation import Perturbation
from workbench.progress import progress
from workbench.records import record

MANIFEST = "manifest.json"
CARD = "README.md"
GROWING = ".export"  # what lies in the folder until all is whole
EXPORT_LINES = 5  # lines of progress where there is no bar


def protect(data: Dataset, perturbation: Perturbation, *, official: bool = False) -> Tensor:
    """The pixels to export: uint8 N×C×H×W, clip(x + δ, 0, 255).

    official: keep only the positive part of δ, as the 2021 code exported it (its negative half was lost by a clamp
    to 0..255 before adding); for reproducing published numbers.
    """
    if official:
        perturbation = replace(perturbation, delta=perturbation.delta.clamp(min=0))
    return perturbation.apply(data)


def check_new(folder: Path) -> None:
    """Raise DataError unless `folder` is missing or empty."""
    if os.path.lexists(folder) and (not folder.is_dir() or any(not _left_by_export(one) for one in folder.iterdir())):
        raise DataError(f"{folder} is not an empty folder: name another one")


def _left_by_export(path: Path) -> bool:
    """Whether it is what another export works with, or a killed one has left."""
    return path.name == lock.LOCK or (atomic.is_scratch(path.name, GROWING) and path.is_dir() and not path.is_symlink())


def export(
    data: Dataset, perturbation: Perturbation | None, folder: Path, *, official: bool = False, **facts: Any
) -> dict[str, Any]:
    """Write every image as PNG, every recording in its own form, with the noise (if given), one folder a class, and
    manifest.json; return the manifest.

    The folder must not exist or be empty (DataError), and an empty one is filled, whatever leads to it; all appears at
    the end, when every file was decoded again and measured, and the manifest last of all. `facts` (seed, source, …) go
    into the manifest.
    """
    folder = folder.absolute()
    check_new(folder)
    with lock.alone(folder):
        check_new(folder)  # again: another process may just have left it
        for left in [one for one in folder.iterdir() if one.name != lock.LOCK]:
            atomic.remove_folder(left)
        return _export(data, perturbation, folder, official, facts)


def _export(
    data: Dataset, perturbation: Perturbation | None, folder: Path, official: bool, facts: dict[str, Any]
) -> dict[str, Any]:
    """Fill the empty folder, which this process holds."""
    sound = data.space == AUDIO
    if sound and official:
        raise ConfigError("--official-export is how images were exported in 2021: leave it out for recordings")
    if perturbation:
        perturbation.check_belongs(data)
    pixels = data.samples if sound or not perturbation else protect(data, perturbation, official=official)
    partial = atomic.scratch(folder / GROWING)
    moved: list[tuple[Path, Path]] = []
    try:
        atomic.make(partial, new=True)  # inside the folder, which may be on a disk of its own
        entries = []
        targets = sound_copies.stems(data.names) if sound else names.target_names(data.names)
        with progress("recordings" if sound else "images", len(targets), lines=EXPORT_LINES) as shown:
            for index, target in enumerate(targets):
                entries.append(
                    sound_copies.write_one(partial, target, data, index, perturbation)
                    if sound
                    else _write_one(partial, target, pixels[index].cpu(), data, index)
                )
                shown.advance()
        manifest = {
            "epsilon": perturbation.epsilon if perturbation else 0,
            "method": perturbation.method if perturbation else "clean",
            "kind": perturbation.kind if perturbation else "none",
            **(
                {"space": data.space.name, "shape": perturbation.shape if perturbation else SHAPES[0]}
                if sound
                else {"sides": "one (official export of 2021)" if official else "two"}
            ),
            "fingerprint": data.fingerprint,
            "versions": record.versions(),
            **facts,
            "files": entries,
        }
        atomic.write_atomically(partial / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        atomic.write_atomically(partial / CARD, sound_copies.card(manifest) if sound else card(manifest))
        for whole in sorted(partial.iterdir(), key=lambda one: one.name == MANIFEST):
            place = folder / whole.name
            if os.path.lexists(place):
                raise DataError(f"{place} was put there meanwhile and is never replaced: name another folder")
            moved.append((place, whole))
            atomic.move(whole, place)
    except BaseException as error:
        for place, whole in moved:
            with suppress(OSError):
                if not os.path.lexists(whole):
                    atomic.move(place, whole)
        if isinstance(error, OSError):
            line = f"{folder} cannot be written ({error.strerror}): make room or name another folder"
            raise DataError(line) from error
        raise
    finally:
        atomic.remove_folder(partial)
    return manifest


def _write_one(root: Path, target: str, pixels: Tensor, data: Dataset, index: int) -> dict[str, Any]:
    path, original = root / target, data.samples[index].cpu()
    atomic.make(path.parent)
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    with atomic.creating(path) as file:
        Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(file, "PNG", compress_level=6)
    decoded = to_tensor(read_exact(path))
    quality = measure(original[None], decoded[None])[0]
    source = data.root / data.names[index] if data.root else None
    return {
        "file": target,
        "original": data.names[index],
        "class": data.classes[data.labels[index]],
        "sha256": file_hash(path),
        "original_sha256": file_hash(source) if source else None,
        "original_pixels_sha256": hashlib.sha256(original.numpy().tobytes()).hexdigest(),
        **shown(quality),
    }


def to_tensor(array: np.ndarray) -> Tensor:
    """A decoded picture uint8 H×W×C as a tensor uint8 C×H×W."""
    return torch.from_numpy(array.copy()).permute(2, 0, 1).contiguous()


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
- Colour profiles of the originals are left out, as trainings leave them out; pixel values are as they stood.
- `manifest.json` holds each file's hash, its original's, and the change as measured.
  Check all of it with `workbench verify ORIGINALS THIS_FOLDER`.

The noise is meant to make a network trained **from scratch on all of these images** fail on clean images. It does not
hide anybody from existing recognisers, and much undoes it: grayscale or JPEG before training, adversarial training,
stopping early, a share of clean images, a pretrained network. Measure before you rely on it: `workbench train`.
The originals' licence holds for these copies too.
"""
