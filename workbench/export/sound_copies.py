"""Recordings with their noise as files: in the original's form and depth, each value within its own limit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.budgets import FULL
from workbench.config import DataError
from workbench.data.dataset import Dataset
from workbench.data.sound_measures import measure
from workbench.export.entry import shown
from workbench.files import atomic, names, sounds
from workbench.files.hashing import file_hash
from workbench.files.sounds import Sound
from workbench.noise import decibels
from workbench.noise.perturbation import Perturbation

FINE = 2**23  # steps that the peak of floating point is divided into, to find how loud it is where


def limits(original: Sound, budget: int, shape: str) -> Iterator[tuple[slice, np.ndarray]]:
    """The largest change of every value of a recording, in the steps of its own file: strips of it, frames×channels.

    int64 where the file holds whole numbers; float64 where it holds floating point, whose limit is no whole step.
    """
    peak, values = float(original.peak), original.samples
    if not original.bits:
        values = np.empty(values.shape, np.int32)
        for first in range(0, len(values), decibels.STRIP):
            part = slice(first, first + decibels.STRIP)
            values[part] = np.rint(original.samples[part] * np.float64(FINE / (peak or 1.0)))
    for place, found in decibels.limits_in_strips(torch.from_numpy(values).T, budget, shape, original.rate):
        most = found.T.numpy()
        yield (
            place,
            most if original.bits else peak * 10 ** (budget / 20) * (most / decibels.radius(FINE, budget)),
        )


def protected(original: Sound, share: np.ndarray, budget: int, shape: str) -> Sound:
    """The copy of a recording: whole steps of its own file, nowhere further than `limits`.

    share: int16 frames×channels, or ×1 for all alike, parts of FULL of the limit, as a Perturbation keeps its noise.
    """
    found = np.empty_like(original.samples)
    for place, most in limits(original, budget, shape):
        found[place] = moved(original, original.samples[place], share[place], most)
    return replace(original, samples=found)


def moved(original: Sound, before: np.ndarray, share: np.ndarray, most: np.ndarray) -> np.ndarray:
    """A part of the copy. share: of it, parts of FULL; most: its largest changes, in the file's own steps."""
    if original.bits:
        top, change = 2 ** (original.bits - 1), decibels.steps(torch.from_numpy(share), torch.from_numpy(most)).numpy()
        return (before + change).clip(-top, top - 1)
    wide = before.astype(np.float64)
    after = (wide + share * most / FULL).astype(before.dtype)
    while (over := np.abs(after.astype(np.float64) - wide) > most).any():  # the cast may round outward
        after[over] = np.nextafter(after, before)[over]
    return after


def write_one(root: Path, stem: str, data: Dataset, index: int, perturbation: Perturbation | None) -> dict[str, Any]:
    """Write one copy below `root` and return its entry of the manifest. stem: its name without the form's suffix."""
    name = data.names[index]
    source = data.root / name if data.root else None
    original = sounds.read(source) if source else _of_samples(data, index)
    copy = original
    if perturbation is not None:
        if data.lengths is not None and len(original.samples) != int(data.lengths[index]):
            raise DataError(f"{source} has changed while its noise was made: make it again")
        row = data.labels[index] if perturbation.kind == "classwise" else index
        share = perturbation.delta[row][:, : len(original.samples)].T.numpy()
        copy = protected(original, share, perturbation.epsilon, perturbation.shape)
    target = f"{stem}.{copy.copy_form.lower()}"
    atomic.make((root / target).parent)
    sounds.write(root / target, copy)
    quality = measure(original.samples, copy.samples, original.rate, original.bits)  # `write` has read the same back
    quiet = perturbation is not None and not loud(original, perturbation.epsilon)
    return {
        "file": target,
        "original": name,
        "class": data.classes[data.labels[index]],
        "sha256": file_hash(root / target),
        "original_sha256": file_hash(source) if source else None,
        "bits": original.bits,
        "rate": original.rate,
        "left_out": list(original.left_out),
        **({"too_quiet": True} if quiet else {}),
        **shown(quality),
    }


def loud(original: Sound, budget: int) -> bool:
    """Whether anything may change."""
    return bool(decibels.radius(int(original.peak), budget) if original.bits else original.peak)


def _of_samples(data: Dataset, index: int) -> Sound:
    """A clip that is no file, as a WAV of 16 bits."""
    length = int(data.lengths[index]) if data.lengths is not None else data.samples.shape[2]
    samples = data.samples[index, :, :length].T.contiguous().numpy().astype(np.int32)
    return Sound(samples, 16, data.rate, "WAV", "PCM_16")


def stems(given: tuple[str, ...]) -> list[str]:
    """Names of copies without a suffix, no two alike on any system."""
    return [name.removesuffix(".wav") for name in names.target_names(given, ".wav")]


def card(manifest: dict[str, Any]) -> str:
    """The data set card: what these recordings are, what was measured, what undoes it."""
    files = manifest["files"]
    levels = sorted(entry["level_db"] for entry in files if entry["level_db"] is not None)
    peaks = [entry["peak_db"] for entry in files if entry["peak_db"] is not None]
    quiet = sum(entry.get("too_quiet", False) for entry in files)
    said = f"{levels[len(levels) // 2]:.1f} dB (loudest {levels[-1]:.1f} dB)" if levels else "no change at all"
    most = f"{max(peaks):.2f} dB" if peaks else "none"
    return f"""# {len(files)} recordings with {manifest["kind"]} noise of the method `{manifest["method"]}`

- Every file keeps its form and depth; what was MP3, Ogg or Opus is FLAC, as it decodes.
- Largest change under a file's own peak, measured on the decoded files: {most} (budget {manifest["epsilon"]} dB,
  {manifest["shape"]}). Level of the noise against the recording, in the middle: {said}.
- Left alone, because too quiet for this budget: {quiet}.
- `manifest.json` holds each file's hash, its original's, and the change as measured.
  Check all of it with `workbench verify ORIGINALS THIS_FOLDER`.

The noise can be heard, most of all in pauses. It is meant to make a network trained **from scratch on all of these
recordings** fail on clean ones. It does not hide anybody from recognisers that exist, does not stop a voice from being
cloned, and much undoes it: cutting pauses, filters, adversarial training, a share of clean recordings, recording it
again from a loudspeaker. Measure before you rely on it: `workbench judge`.
The originals' licence holds for these copies too.
"""
