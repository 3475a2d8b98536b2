"""The book, built without the pages of all modules: it loads nothing from elsewhere, its links lead somewhere, and it
can be read without seeing the pictures.
"""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_nb")

ROOT = Path(__file__).resolve().parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "audio": "src", "video": "src"}
LINKED = ("stylesheet", "preload", "icon", "modulepreload", "preconnect", "dns-prefetch")
FOREIGN = re.compile(r"^(https?:)?//", re.IGNORECASE)


class Page(HTMLParser):
    """What a page loads, links to, shows and is headed by."""

    def __init__(self, text: str):
        super().__init__()
        self.loads, self.links, self.names, self.headings, self.blind = [], [], set(), [], []
        self.styles = text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.names |= {said[name] for name in ("id", "name") if said.get(name)}
        if said.get(LOADED.get(tag, "")):
            self.loads.append(said[LOADED[tag]])
        if tag == "link" and set((said.get("rel") or "").split()) & set(LINKED):
            self.loads.append(said["href"])
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        if tag == "img" and not re.search(r"\w.*\s", said.get("alt") or ""):  # a file's name is no words
            self.blind.append(said.get("src", "")[:80])
        if tag == "article":
            self.headings = []  # before it stands the theme's title for printing, which no screen shows
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site. Sphinx's warnings are errors, so a link to a page or heading that is missing ends it."""
    out = tmp_path_factory.mktemp("book")
    runs = out / "runs"
    a_run_of("notebooks/06_transfer.ipynb", runs / "fresh", code=None)
    a_run_of("notebooks/07_one_class.ipynb", runs / "old", code="000000000000")
    words = [sys.executable, "docs/book/build.py", "--without-api", "--out", str(out), "--runs", str(runs)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    return out / "html"


def a_run_of(notebook: str, folder: Path, code: str | None) -> None:
    """A folder as `workbench run` leaves it, of a notebook with one output. code: another hash of its cells."""
    from workbench import figures
    from workbench.sweep.notebook import parameters, source_hash

    path = ROOT / notebook
    book = json.loads(path.read_text(encoding="utf-8"))
    cell = next(one for one in book["cells"] if one["cell_type"] == "code")
    drawn = figures.film({"first": np.zeros((1, 1, 4, 4))}, 8, [f"noise of {folder.name}"])
    printed = ["workbench: read back from elsewhere\n", "round 1/2: error 0.9 (3 s, ETA 3 s)\n", f"shown in {folder}\n"]
    cell["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": printed},
        {"output_type": "display_data", "metadata": {}, "data": figures.output(drawn)},
    ]
    injected = {"cell_type": "code", "id": "in", "execution_count": 1, "outputs": [], "source": [f"out = '{folder}'"]}
    book["cells"].insert(2, injected | {"metadata": {"tags": ["injected-parameters"]}})
    book["metadata"]["papermill"] = {"parameters": {"out": str(folder)}}
    config = {"notebook": path.name, "source": code or source_hash(path), **parameters(path), "seed": 3, "epochs": 9}
    record = {"command": "run", "state": "complete", "key": "k", "config": config, "git": "abcdef" * 6}
    record |= {"seconds": {"notebook": 61.2}, "started": "2026-01-02T03:03:04+00:00"}
    record |= {"ended": "2026-01-02T03:04:05+00:00"}
    stages = {"noise": {"seconds": {}, "device": "cpu: one of ours, 1 threads", "ended": "2026-01-01"}}
    folder.mkdir(parents=True)
    (folder / "notebook.ipynb").write_text(json.dumps(book), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "study.json").write_text(json.dumps({"chance": 0.1, "classes": [], "stages": stages}), encoding="utf-8")


@pytest.fixture(scope="session")
def pages(site):
    found = [
        path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts
    ]  # where themes keep templates
    return {path.relative_to(site): Page(path.read_text(encoding="utf-8")) for path in found}


def test_every_notebook_and_page_of_the_documentation_is_in_the_book(pages):
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/[0-9]*.ipynb"), *ROOT.glob("notebooks/course/*.ipynb")]
    assert len(sources) > 20
    assert {path.relative_to(ROOT).with_suffix(".html") for path in sources} - set(pages) == set()


def test_nothing_is_loaded_from_elsewhere(site, pages):
    loaded = {(name, one) for name, page in pages.items() for one in page.loads if not one.startswith("data:")}
    assert len(loaded) > 100
    assert [one for one in loaded if FOREIGN.match(one[1])] == []
    sheets = list(site.rglob("*.css"))
    assert sheets
    written = [(path, path.read_text(encoding="utf-8")) for path in sheets]
    written += [(name, page.styles) for name, page in pages.items()]
    for path, text in written:
        assert not re.search(r"""(@import\s+|url\()\s*(url\()?["']?\s*(https?:)?//""", text), path
    for name, one in loaded:
        assert (site / name.parent / unquote(urlsplit(one).path)).is_file(), (name, one)


def test_links_within_the_book_lead_somewhere(site, pages):
    seen = 0
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            seen += 1
            target = (site / name.parent / unquote(parts.path)).resolve() if parts.path else (site / name).resolve()
            assert target.is_file(), (name, link)
            if parts.fragment and target.suffix == ".html":
                there = pages[target.relative_to(site.resolve())]
                assert unquote(parts.fragment) in there.names, (name, link)
    assert seen > 500


def test_every_picture_has_words(pages):
    assert {name: page.blind for name, page in pages.items() if page.blind} == {}


def test_every_page_has_one_first_heading_and_skips_none(pages):
    for name, page in pages.items():
        assert page.headings.count(1) == 1, (name, page.headings)
        assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)), name


def test_outputs_are_of_a_run_of_todays_notebook_alone_and_the_page_says_which(site):
    found = (site / "notebooks").glob("*.html")
    text = {path.stem: re.sub("<[^>]+>", "", path.read_text(encoding="utf-8")) for path in found}
    took = "finished 2026-01-02 03:04 UTC, 61 seconds beside what was read back from earlier runs"
    said = f"{took}, cpu: one of ours, 1 threads, commit abcdefabcdef, seed 3"
    assert (
        f"{said}, with other parameters than below: epochs = 9. The program’s code has changed" in text["06_transfer"]
    )
    assert "shown in runs/06_transfer\n" in text["06_transfer"]  # the folder's name on the page, not on the machine
    assert not re.search("ETA|read back from elsewhere|out = '", text["06_transfer"])
    assert "noise of old" not in text["07_one_class"]
    assert "No outputs" in text["07_one_class"]
    assert 'make book ARGS="--run notebooks/07_one_class"' in text["07_one_class"]


def test_pictures_among_the_outputs_have_words(site):
    (picture,) = re.findall(
        "<img src=.data:[^>]*", (site / "notebooks" / "06_transfer.html").read_text(encoding="utf-8")
    )
    assert 'alt="Noise of noise of fresh from its beginning to its end' in picture


def test_slides_load_nothing_say_formulas_and_begin_at_headings_or_where_cells_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "book"))
    import nbformat
    import slides

    book = nbformat.read(ROOT / "notebooks" / "01_clean_vs_unlearnable.ipynb", as_version=4)
    book.cells.append(nbformat.v4.new_markdown_cell(r"A sum, $\sum_i x_i$."))
    text = slides.of_notebook(book, "01")
    page = Page(text)
    written = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    headings = len(re.findall("^#+ ", written, re.MULTILINE))
    assert text.count("<section") == headings + text.count(", continued</em>") > headings > 3
    assert page.loads == []
    assert page.headings.count(1) == 1
    assert "<math" in text
    assert not re.search("url\\(|@import", text)
    book.cells[2].metadata["slideshow"] = {"slide_type": "slide"}
    book.cells[3].metadata["slideshow"] = {"slide_type": "notes"}
    parts = slides.divided(book.cells)
    assert [len(part) for part in parts] == [2, len(book.cells) - 3]
