"""Slides of the course's lessons: one page each that loads nothing and needs no script to be read.

A cell starts a slide where its metadata says so (slideshow.slide_type: slide, subslide; skip and notes are left out);
where no cell of the lesson says anything, at every heading and where a screen is full.
"""

import re
from pathlib import Path

import nbformat
from docutils.utils.math.latex2mathml import tex2mathml
from executed import NO_SLIDE
from fitting import fitted
from jinja2 import Environment, FileSystemLoader, pass_context
from nbconvert import HTMLExporter
from traitlets.config import Config

HERE = Path(__file__).parent
STARTS = ("slide", "subslide")
QUIET = ("exclude_input_prompt", "exclude_output_prompt", "exclude_anchor_links")
HEADING = re.compile(r"^(?=#{1,6} )", re.MULTILINE)
LEFT_OUT = ("skip", "notes")


def write(source: Path, site: Path) -> list[Path]:
    """Write site/slides/LESSON.html for every lesson laid out in `source`; return the pages."""
    written = []
    for path in sorted((source / "notebooks" / "course").glob("*.ipynb")):
        page = site / "slides" / f"{path.stem}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(of_notebook(nbformat.read(path, as_version=4), path.stem), encoding="utf-8")
        written.append(page)
    return written


def of_notebook(book: nbformat.NotebookNode, name: str) -> str:
    """The slides of a notebook as a page."""
    cells = [cell for cell in book.cells if NO_SLIDE not in cell.metadata.get("tags", ())]
    title = next(line for cell in cells for line in cell.source.splitlines() if line.startswith("# "))
    parts = [_as_html(nbformat.v4.new_notebook(cells=part, metadata=book.metadata)) for part in divided(cells)]
    template = Environment(loader=FileSystemLoader(HERE), autoescape=False).get_template("slides.html.j2")  # noqa: S701
    return template.render(title=title.removeprefix("# "), slides=parts, name=name)


def divided(cells: list[nbformat.NotebookNode]) -> list[list[nbformat.NotebookNode]]:
    """The cells of each slide."""
    told = any("slideshow" in cell.metadata for cell in cells)
    if not told:
        cells = [part for cell in cells for part in _at_headings(cell)]
    found: list[list[nbformat.NotebookNode]] = []
    for cell in cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "")
        if kind in LEFT_OUT:
            continue
        if not found or kind in STARTS:
            found.append([])
        found[-1].append(cell)
    return found if told else [part for one in found for part in fitted(one)]


def _at_headings(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cell in parts, each of which that has a heading starts a slide."""
    if cell.cell_type != "markdown" or "```" in cell.source:
        return [cell]
    parts = [part for part in HEADING.split(cell.source) if part.strip()]
    made = [nbformat.v4.new_markdown_cell(part) for part in parts]
    for one in made:
        if HEADING.match(one.source):
            one.metadata["slideshow"] = {"slide_type": STARTS[0]}
    return made


class _Exporter(HTMLExporter):
    """nbconvert's plainest page, with formulas as MathML."""

    @pass_context
    def markdown2html(self, context: object, source: str) -> str:
        """Markdown of a cell as HTML."""
        from markdown_it import MarkdownIt
        from mdit_py_plugins.dollarmath import dollarmath_plugin

        reader = MarkdownIt("commonmark").enable("table")
        reader.use(dollarmath_plugin, renderer=lambda text, given: tex2mathml(text, as_block=given["display_mode"]))
        return reader.render(source)


def _as_html(book: nbformat.NotebookNode) -> str:
    exporter = _Exporter(config=Config({"HTMLExporter": {"template_name": "basic", **dict.fromkeys(QUIET, True)}}))
    return str(exporter.from_notebook_node(book)[0])
