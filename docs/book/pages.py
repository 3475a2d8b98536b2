"""Lay the project's pages, and the files they point to, out for Sphinx: same names, same links."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TAKEN = (
    "*.md",
    "LICENSE",
    "CITATION.cff",
    "docs/**/*.md",
    "experiments/*.md",
    "experiments/*.yml",
    "experiments/*.json",
    "experiments/results/*",
)


def lay_out(source: Path) -> None:
    """Copy the pages into `source`, which is made anew."""
    shutil.rmtree(source, ignore_errors=True)
    for pattern in TAKEN:
        for page in sorted(ROOT.glob(pattern)):
            copy = source / page.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, copy)
