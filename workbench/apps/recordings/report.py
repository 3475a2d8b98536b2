"""What became of each recording, in values and in words."""

import math
import statistics
from dataclasses import dataclass
from typing import ClassVar

from workbench.apps.photos.report import Report, Verdict
from workbench.budgets import ENVELOPE, budget_in_words

LIMITS = (
    "The copies are meant to be harder to learn from, for networks trained from scratch on them, and one can hear that "
    "they are copies. A network on the wave itself, a spectral gate or a mean taken out of every frequency gave most "
    "of it back where tones were measured (docs/sound.md). They do not hide anybody from systems that know a voice "
    "already, do not stop a voice from being cloned, and what is published once cannot be improved later."
)
QUIET = "too quiet for a single step within this budget: left as it is"


@dataclass(frozen=True)
class SoundVerdict(Verdict):
    """What became of one recording. The numbers are those of sound_measures.SoundQuality, None where infinite."""

    peak_db: float | None = None
    level_db: float | None = None
    level_db_a: float | None = None
    segmental_snr: float | None = None
    audible: float | None = None
    changed: float | None = None

    @property
    def equal(self) -> bool:
        """Whether the copy is its original."""
        return not self.changed


def in_words(found: Verdict) -> str:
    """Say in a sentence how large and how loud the change of one recording is."""
    if not isinstance(found, SoundVerdict) or found.equal:
        return "Nothing is changed: it is silent, or too quiet for a single step within this budget."
    loud = [
        f"{abs(value):.1f} dB {'louder' if value > 0 else 'quieter'} than the recording{how}"
        for value, how in ((found.level_db, ""), (found.level_db_a, " as ears weigh it (A)"))
        if value is not None
    ]
    parts = [
        f"largest change {-found.peak_db:.2f} dB under the recording's own peak" if found.peak_db is not None else "",
        f"the noise is {' and '.join(loud)}" if loud else "",
        f"{found.audible:.0%} of it can be heard, by a model of masking" if found.audible is not None else "",
    ]
    said = ", ".join(filter(None, parts))
    return f"{said[:1].upper()}{said[1:]}."


@dataclass(frozen=True)
class SoundReport(Report):
    """A whole job on recordings; epsilon in dB."""

    shape: str = ENVELOPE
    what: ClassVar[str] = "recording"
    unchanged: ClassVar[str] = "silent or too quiet for this budget"
    limits: ClassVar[str] = LIMITS

    def measured(self) -> list[str]:
        """Say how large and how loud the change is."""
        done = [one for one in self.done if isinstance(one, SoundVerdict) and not one.equal]
        peaks = [one.peak_db for one in done if one.peak_db is not None]
        if not peaks:
            return []
        following = ", less where a recording is quiet" if self.shape == ENVELOPE else ""
        lines = [
            f"  changes stay {-max(peaks):.2f} dB or more under a recording's own peak as decoded, bound "
            f"{budget_in_words(self.epsilon)}{following}"
        ]
        for name, words in (
            ("level_db", "dB, the noise against the recording"),
            ("level_db_a", "dB, the same as ears weigh it (A)"),
            ("segmental_snr", "dB, signal to noise in frames of 20 ms"),
            ("audible", "of it can be heard, by a model of masking, which is no proof"),
        ):
            found = [value for one in done if (value := getattr(one, name)) is not None and math.isfinite(value)]
            if found:
                lines.append(f"  {statistics.median(found):.3g} {words} (from {min(found):.3g} to {max(found):.3g})")
        return lines
