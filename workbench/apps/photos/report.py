"""What became of each photo, in values and in words."""

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

LIMITS = (
    "The copies are meant to be harder to learn from, for networks trained from scratch on them. They do not hide "
    "anybody from systems that know a face already, do not stop matching of one photo with another, and what is "
    "published once cannot be improved later."
)
MOST_LINES = 30  # of refusals and notes shown to a person


@dataclass(frozen=True)
class Verdict:
    """What became of one photo: a copy with noise, measured on the decoded file, or a refusal with its reason.

    linf in pixel values of 255, psnr in dB (None: nothing changed), ssim None where it is not defined.
    """

    name: str
    file: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    linf: int | None = None
    psnr: float | None = None
    ssim: float | None = None

    @property
    def equal(self) -> bool:
        """Whether the copy is its original, as far as can be seen."""
        return self.linf == 0


@dataclass(frozen=True)
class Report:
    """A whole job. `people`: how many folders of photos, each taken for a person, there were; lossy: JPEGs."""

    verdicts: list[Verdict]
    epsilon: int
    method: str
    seconds: float = 0.0
    people: int = 1
    lossy: bool = False
    earlier: int = field(default=0, compare=False)  # copies that an earlier run had finished
    what: ClassVar[str] = "photo"
    unchanged: ClassVar[str] = "which changed nothing that can be seen of them"
    limits: ClassVar[str] = LIMITS

    @property
    def done(self) -> list[Verdict]:
        """The photos that have a copy with noise."""
        return [verdict for verdict in self.verdicts if verdict.file is not None]

    @property
    def refused(self) -> list[Verdict]:
        """The photos that were refused."""
        return [verdict for verdict in self.verdicts if verdict.file is None]

    def measured(self) -> list[str]:
        """Say how large the change is."""
        done, lines = self.done, []
        psnr = [v.psnr for v in done if v.psnr is not None and math.isfinite(v.psnr)]
        visible = f", PSNR {min(psnr):.1f} dB or more (median {statistics.median(psnr):.1f} dB)" if psnr else ""
        largest = max(v.linf or 0 for v in done)
        if self.lossy:
            lines.append(f"  noise of at most {self.epsilon} of 255 put on, then what JPEG loses on top:")
        bound = "measured, not bounded" if self.lossy else f"bound {self.epsilon}"
        return [*lines, f"  changed by at most {largest} of 255 as decoded, {bound}{visible}"]

    def in_words(self) -> str:
        """Say the report as lines for a person."""
        done, refused = self.done, self.refused
        equal = sum(v.equal for v in done)
        lines = [f"{len(done) - equal} of {len(self.verdicts)} files now have a copy with noise ({self.method}):"]
        lines += self.measured() if done else []
        if equal:
            lines.append(f"  copies without noise, {self.unchanged}: {equal}")
        if self.earlier:
            lines.append(f"  {self.earlier} of them were finished earlier")
        for note, count in Counter(note for v in done for note in v.notes).items():
            lines.append(f"  {count} {self.what}{'s' * (count != 1)}: {note}")
        lines += [f"  REFUSED {v.name!r}: {v.reason}" for v in refused[:MOST_LINES]]
        if len(refused) > MOST_LINES:
            lines.append(f"  ... and {len(refused) - MOST_LINES} more refused (manifest.json lists all)")
        return "\n".join([*lines, self.limits])
