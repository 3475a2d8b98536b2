"""What checking protected files found, in values and in words."""

from dataclasses import dataclass, field

from workbench.files import tree, untrusted

MOST_PROBLEMS, MOST_SAID = 20, 2000  # shown to a person; characters of each


def problems_in_words(problems: list[str]) -> list[str]:
    """The first problems, a line each, and how many more there are."""
    lines = [f"PROBLEM {untrusted.one_line(problem, MOST_SAID)}" for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"... and {len(problems) - MOST_PROBLEMS} more problems (--json lists all)")
    return lines


@dataclass
class Verdict:
    """What `verify` found. `problems` is empty only when all files are there and keep the bound (epsilon).

    left_out: originals that were not exported, being for testing or beyond a limit, by the manifest; refused: originals
    that `protect` did not take, by the manifest; moved: originals that lie in other folders than the manifest says;
    skipped: what is no original, by why; lossy: of copies that are JPEGs the largest change by the manifest, the bound
    where none is given.
    """

    epsilon: int
    lossy: int | None = None
    checked: int = 0
    linf: int = 0
    unchanged: int = 0
    left_out: int = 0
    refused: int = 0
    moved: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
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

    def in_words(self) -> str:
        """The verdict as lines for a person: what was measured, then every problem."""
        lines = [f"{self.checked} files measured; largest change {self.linf} of 255, bound {self.epsilon}"]
        if self.checked:
            ups, downs = self.share_positive, self.share_negative
            lines.append(
                f"pixel values raised {ups:.1%}, lowered {downs:.1%}; files without any change: {self.unchanged}"
            )
        if self.lossy is not None:
            lines.append(
                f"the copies are JPEG files: noise and the format's loss came to {self.lossy} when they were made"
            )
        if self.moved:
            lines.append(f"{self.moved} originals lie in other folders than they did: told by name and SHA-256")
        if self.left_out:
            lines.append(f"{self.left_out} originals were left out for testing or by a limit, by the manifest")
        if self.refused:
            lines.append(f"{self.refused} originals were refused, by the manifest, and have no copy")
        if self.psnr_lowest is not None and self.psnr_median is not None:
            ssim = f", lowest SSIM {self.ssim_lowest:.4f}" if self.ssim_lowest is not None else ""
            lines.append(f"lowest PSNR {self.psnr_lowest:.1f} dB, median {self.psnr_median:.1f} dB{ssim}")
        if self.skipped:
            lines.append(tree.left_in_words(self.skipped).removeprefix("; "))
        lines += problems_in_words(self.problems)
        some = (("left out", self.left_out or self.skipped), ("refused", self.refused))
        but = [word for word, any_are in some if any_are]
        there = f"every file{' that was not ' + ' or '.join(but) if but else ''} is there"
        lines.append(
            f"the bound is kept and {there}; what can be learnt is another question"
            if self.kept
            else f"NOT KEPT: {len(self.problems)} problems"
        )
        return "\n".join(lines)
