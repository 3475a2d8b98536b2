"""Sphinx's settings: `make book` (docs/book/build.py) lays the pages out and starts it."""

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

sys.path.insert(0, str(Path(__file__).parent / "book"))
import docstrings

project = "Unlearnable Workbench"
author = "the authors of the Unlearnable Workbench"
root_doc = "docs/README"
html_title = project
html_theme = "sphinx_book_theme"
html_theme_options = {"use_download_button": False, "home_page_in_toc": True, "show_toc_level": 2}
html_additional_pages = {"index": "to_the_front_page.html"}
html_copy_source = False
html_show_sphinx = False
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_math_renderer = "mathml"

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}  # would come from a CDN
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# Headings are tested; what autoapi cannot resolve are constants without a docstring, which have no page.
suppress_warnings = ["myst.header", "autoapi.python_import_resolution"]

if tags.has("api"):  # noqa: F821 (Sphinx's own name)
    extensions += ["sphinx.ext.autodoc", "autoapi.extension"]  # the former has the event of a docstring
    autoapi_dirs = [str(Path(__file__).resolve().parents[1] / "workbench")]
    autoapi_root = "docs/api"
    autoapi_options = ["members", "show-module-summary"]
    autoapi_add_toctree_entry = False
    autoapi_ignore = ["*/workbench/apps/*", "*/workbench/commands/*", "*/workbench/__main__.py", "*/workbench/cli.py"]


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Write formulas as MathML, which browsers show and read aloud without a script."""
    if tags.has("api"):  # noqa: F821
        app.connect("autodoc-process-docstring", docstrings.rewrite)
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
