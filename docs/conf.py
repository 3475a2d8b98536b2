"""Sphinx's settings. `make book` (docs/book/build.py) lays the pages out and starts it; nothing is loaded from elsewhere."""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

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
suppress_warnings = ["myst.header"]  # GitHub's readers and the test of headings see to that

if tags.has("api"):  # noqa: F821 (Sphinx's own name)
    extensions += ["autoapi.extension"]
    autoapi_dirs = [str(Path(__file__).resolve().parents[1] / "workbench")]
    autoapi_root = "docs/api"
    autoapi_options = ["members", "undoc-members", "show-inheritance", "show-module-summary"]
    autoapi_add_toctree_entry = False
    autoapi_keep_files = False


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Write formulas as MathML, which browsers show and read aloud without a script."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
