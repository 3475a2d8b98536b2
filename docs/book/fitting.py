"""Cut the cells of a slide that is too tall into slides that fit a screen, between paragraphs, items, code and outputs.

Heights are in lines of text of a screen of 16:9 with the letters of slides.html.j2, which grow with the screen.
"""

import base64
import copy
import math
import re
import struct

import nbformat

SCREEN = 21.0  # lines of 30 pixels at 1280×720
LETTERS, FIGURE, TALLEST = 97, 36.0, 15.4  # across in letters of text, and in lines; lines of the tallest figure
CODE, ROW, GAP, FRAME = 0.72, 1.35, 0.5, 1.1  # lines: of code, of a table's row, between parts, around code
LARGER = {"# ": 2.2, "## ": 1.7}  # headings, of the size of text
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]{32})")
ITEMS = re.compile(r"<li>.*?</li>", re.DOTALL)
ENDS = re.compile(r"\n\s*\n|\n(?=- |\d+\. )")
Cell = nbformat.NotebookNode


def fitted(cells: list[Cell]) -> list[list[Cell]]:
    """The cells of one slide as slides that fit; what is too tall by itself gets a slide of its own."""
    slides: list[list[Cell]] = [[]]
    filled, heading = 0.0, ""
    for piece in [piece for cell in cells for piece in pieces(cell)]:
        tall = height(piece)
        if slides[-1] and filled + tall > SCREEN and not _is_heading(slides[-1][-1]):
            slides.append([nbformat.v4.new_markdown_cell(f"*{heading}, continued*")] if heading else [])
            filled = sum(map(height, slides[-1]))
        if _is_heading(piece):
            heading = piece.source.strip("# \n")
        slides[-1].append(piece)
        filled += tall
    return slides


def pieces(cell: Cell) -> list[Cell]:
    """A cell in parts between which a slide may end: paragraphs and items; the code, and each of its outputs."""
    if cell.cell_type == "markdown":
        parts = [cell.source] if "```" in cell.source else ENDS.split(cell.source)
        return [nbformat.v4.new_markdown_cell(part) for part in parts if part.strip()]
    if cell.cell_type != "code":
        return [cell]
    code = copy.copy(cell)
    code["outputs"] = []
    hidden = {"transient": {"remove_source": True}}  # nbconvert's name for a cell without its code
    outputs = [part for output in cell.outputs for part in _items(output)]
    return [code, *(nbformat.v4.new_code_cell(outputs=[one], metadata=hidden) for one in outputs)]


def _items(output: Cell) -> list[Cell]:
    """A list as lists of one item each; any other output as it is."""
    html = output.get("data", {}).get("text/html", "")
    if not html.startswith("<ul>"):
        return [output]
    return [nbformat.v4.new_output("display_data", {"text/html": f"<ul>{one}</ul>"}) for one in ITEMS.findall(html)]


def height(piece: Cell) -> float:
    """The lines that a part takes, about."""
    if piece.cell_type == "markdown":
        return _of_text(piece.source) + GAP
    if piece.cell_type != "code":
        return 0.0
    code = 0.0 if piece.metadata.get("transient") else _of_code(piece.source)
    return code + sum(map(_of_output, piece.outputs))


def _is_heading(piece: Cell) -> bool:
    return piece.cell_type == "markdown" and bool(re.fullmatch(r"#+ [^\n]*", piece.source.strip()))


def _of_text(text: str) -> float:
    for mark, larger in LARGER.items():
        if text.startswith(mark):
            return larger * math.ceil(len(text) * larger / LETTERS) + GAP
    rows = sum(math.ceil(len(line) / LETTERS) for line in text.splitlines() if line.startswith("|"))
    return rows * ROW or math.ceil(len(text) / LETTERS) + text.count("$$")  # a formula stands apart


def _of_code(text: str) -> float:
    return CODE * (text.count("\n") + 1) + FRAME


def _of_output(output: Cell) -> float:
    if output.output_type == "stream":
        return _of_code(output.text)
    data = output.get("data", {})
    html = data.get("text/html", "")
    if size := picture(html):
        return min(FIGURE * size[1] / size[0], TALLEST) + GAP
    rows = ROW * html.count("<tr") + 2 * html.count("<audio")
    return (rows or _of_text(re.sub("<[^>]+>", "", html) or data.get("text/plain", ""))) + GAP


def picture(html: str) -> tuple[int, int] | None:
    """Pixels across and down of the picture that an output shows, which its first bytes say; None without one."""
    found = PICTURE.search(html)
    return struct.unpack(">II", base64.b64decode(found[1])[16:24]) if found else None
