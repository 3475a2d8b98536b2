"""How hard the lessons are to read, printed for all six; no lesson may become much harder than they are."""

import re
from pathlib import Path

import pytest

from workbench.sweep import notebook

LESSONS = sorted((Path(__file__).parents[2] / "notebooks" / "course").glob("*.ipynb"))
HARDEST = 7.0  # a school grade


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_plain_words(path, capsys):
    prose = re.sub(r"\$\$.*?\$\$|`[^`]*`|\]\([^)]*\)|[#*\[\]|]", " ", notebook.told(path), flags=re.DOTALL)
    words, ends = re.findall(r"[^\W\d_]+", prose), len(re.findall(r"[.?!](?=\s|$)", prose))
    # Automated Readability Index, a school grade (Smith and Senter 1967): it needs no syllables and no dictionary.
    grade = 4.71 * sum(map(len, words)) / len(words) + 0.5 * len(words) / ends - 21.43
    with capsys.disabled():
        print(f"\n{path.stem}: {len(words)} words, readability index {grade:.1f} (a school grade)")
    assert len(words) > 300
    assert grade < HARDEST
