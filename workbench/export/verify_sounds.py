"""Check protected recordings: read every copy and its original, and hold each value to the limit of its own clip."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from workbench.budgets import SHAPES, USUAL_DB
from workbench.config import DataError
from workbench.data.sound_measures import SoundQuality, measure, summary
from workbench.export.sound_copies import limits
from workbench.export.verdict import problems_in_words
from workbench.export.verify import has_hash, within
from workbench.files import sounds, tree
from workbench.files.layout import layout

SAID = {
    "level_db": "level of the noise against its recording, dB",
    "level_db_a": "the same, weighted as ears hear (A)",
    "segmental_snr": "signal to noise in frames of 20 ms, dB",
    "audible": "share of it that a model of masking calls audible (a model, no proof)",
}


@dataclass
class SoundVerdict:
    """What was found. `problems` is empty only when all copies are there and keep the budget (decibels, shape).

    quiet: recordings whose budget is less than one step, so that nothing may change; refused: originals that `protect`
    did not take, by the manifest; measured: medians and ends of what the noise is like (sound_measures.summary).
    """

    decibels: int
    shape: str = SHAPES[0]
    checked: int = 0
    unchanged: int = 0
    quiet: int = 0
    refused: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """True when every original has a copy within the budget and nothing else is wrong."""
        return not self.problems and self.checked > 0

    def _spread(self, name: str) -> str:
        middle, low, high = (self.measured[f"{name}_{part}"] for part in ("median", "5", "95"))
        return f"{middle:.3g} (5 to 95 % of the recordings: {low:.3g} to {high:.3g})"

    def in_words(self) -> str:
        """The verdict as lines for a person: what was measured, then every problem."""
        lines = [f"{self.checked} recordings measured, value by value, against {self.decibels} dB ({self.shape})"]
        if self.measured:
            lines += [f"{what}: {self._spread(name)}" for name, what in SAID.items()]
            lines.append(f"largest change: {self.measured['peak_db_largest']:.2f} dB under a recording's own peak")
        lines.append(f"recordings without any change: {self.unchanged}, too quiet for this budget: {self.quiet}")
        if self.refused:
            lines.append(f"{self.refused} originals were refused, by the manifest, and have no copy")
        if self.left_out:
            lines.append(tree.left_in_words(self.left_out).removeprefix("; "))
        lines += problems_in_words(self.problems)
        lines.append(
            "the budget is kept and every recording is there; what can be learnt is another question"
            if self.kept
            else f"NOT KEPT: {len(self.problems)} problems"
        )
        return "\n".join(lines)


def verify(
    originals: Path, copies: Path, manifest: dict[str, Any], decibels: int | None, shape: str = ""
) -> SoundVerdict:
    """Read every copy, hold it to the limits that its original gives, and check the hashes of a manifest.

    originals, copies: two folders, two files, or one recording and the folder of its copy; decibels, shape: the budget;
    None and "" take the manifest's (-30 flat without one). A bad copy is a problem in the verdict. Raises DataError for
    folders without recordings.
    """
    stated = manifest.get("epsilon", USUAL_DB)
    verdict = SoundVerdict(stated if decibels is None else decibels, shape or manifest.get("shape", SHAPES[0]))
    if originals.is_file() and copies.is_file():
        _add(verdict, [_compared(originals, copies, {}, verdict)])
        return verdict
    listed = {entry["original"]: entry for entry in manifest.get("files", [])}
    refused = {entry["name"]: entry for entry in manifest.get("refused", [])}
    base, wanted, verdict.left_out = _originals(originals, manifest)
    if not originals.is_file():
        wanted |= {one for one in (*listed, *refused) if within(base, one)}
    files = {name for name in tree.walk(copies).files if sounds.is_sound(name)}
    for folder, found in ((base, wanted), (copies, files)):
        if not found:
            raise DataError(f"{folder} holds no recordings ({', '.join(sorted(sounds.SOUNDS))})")
    by_stem = {str(PurePosixPath(name).with_suffix("")): name for name in sorted(files)}
    measured, used = [], set()
    for name in sorted(wanted):
        entry = listed.get(name, {})
        target = entry["file"] if entry else by_stem.get(str(PurePosixPath(name).with_suffix("")))
        if not entry and name in refused:
            verdict.refused += 1
        elif target in files:
            used.add(target)
            measured.append(_compared(base / name, copies / target, entry, verdict))
        elif name not in manifest.get("left_out", []):
            verdict.problems.append(f"{name}: no protected copy")
    verdict.problems += [f"{name}: no original" for name in sorted(files - used)]
    gone = sorted(name for name in listed if not within(base, name))
    verdict.problems += [f"{name}: in the manifest but not among the originals" for name in gone]
    _add(verdict, measured)
    return verdict


def _originals(root: Path, manifest: dict[str, Any]) -> tuple[Path, set[str], Counter[str]]:
    """The folder that names are relative to, the recordings that need a copy, and what is left out, by why."""
    if root.is_file():
        return root.parent, {root.name}, Counter()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: give two folders, or two files")
    if manifest and "refused" not in manifest:  # an export has what training takes, `protect` has all
        taken = layout(root, check=False, suffixes=sounds.SOUNDS, what="recordings")
        return taken.train.root, set(taken.train.names), taken.left
    found = tree.walk(root)
    return root, {name for name in found.files if sounds.is_sound(name)}, Counter(one.reason for one in found.left)


def _compared(original: Path, copy: Path, entry: dict[str, Any], verdict: SoundVerdict) -> SoundQuality | None:
    """Measure one copy, if it can be compared, and note what is wrong with it."""
    said = [
        f"{copy.name}: {which} (SHA-256 differs)"
        for path, digest, which in (
            (copy, entry.get("sha256"), "is not the file of the manifest"),
            (original, entry.get("original_sha256"), "its original is not the one of the manifest"),
        )
        if not has_hash(path, digest)
    ]
    verdict.problems += said
    try:
        before, after = sounds.read(original), sounds.read(copy)
    except DataError as error:
        verdict.problems.append(f"{copy.name}: cannot be compared: {error}")
        return None
    for what, mine, its in (
        ("Hz", after.rate, before.rate),
        ("bits a sample (0: floating point)", after.bits, before.bits),
        ("frames×channels", after.samples.shape, before.samples.shape),
    ):
        if mine != its:
            verdict.problems.append(f"{copy.name}: is of {mine} {what}, its original of {its}")
            return None
    allowed = False
    for place, most in limits(before, verdict.decibels, verdict.shape):
        change = np.abs(after.samples[place].astype(np.float64) - before.samples[place].astype(np.float64))
        allowed = allowed or bool(most.any())
        if (over := change > most).any():
            frame = int(over.any(1).argmax())
            verdict.problems.append(
                f"{copy.name}: frame {place.start + frame} is changed by {change[frame].max():g}, where "
                f"{most[frame].max():g} is allowed"
            )
            break
    verdict.quiet += not allowed
    return measure(before.samples, after.samples, before.rate, before.bits)


def _add(verdict: SoundVerdict, measured: list[SoundQuality | None]) -> None:
    found = [one for one in measured if one is not None]
    verdict.checked = len(found)
    verdict.unchanged = sum(one.changed == 0 for one in found)
    verdict.measured = summary(found) if found else {}
