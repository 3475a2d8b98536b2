"""The docstrings of the program as reStructuredText: they are plain text with `code`, which Sphinx would misread."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "workbench"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
MARKUP = re.compile(r"[\\|*_]")


@cache
def of_the_program() -> frozenset[str]:
    """The first lines of all docstrings below workbench/."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    found = (ast.get_docstring(node) for tree in trees for node in ast.walk(tree) if isinstance(node, DOCUMENTED))
    return frozenset(text.splitlines()[0] for text in found if text)


def rewrite(app: Any, kind: str, name: str, made: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring's lines in place: code stays code, nothing else is markup, what is indented is a block.

    Inherited docstrings of other libraries are dropped: their markup needs their own manuals.
    """
    if lines and lines[0] not in of_the_program():
        lines.clear()
    blocks = "\n".join(lines).strip().split("\n\n")
    lines[:] = "\n\n".join(map(_block, blocks)).splitlines()


def _block(text: str) -> str:
    if re.search(r"^\s", text, re.MULTILINE):
        return "::\n\n" + "\n".join(f"   {line}" for line in text.splitlines())
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return MARKUP.sub(r"\\\g<0>", text)
    escaped = [f"``{part}``" if place % 2 else MARKUP.sub(r"\\\g<0>", part) for place, part in enumerate(parts)]
    return "".join(escaped).replace("````", "``")
