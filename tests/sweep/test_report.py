"""The report: one page that holds everything, loads nothing and escapes all it was given."""

import base64
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from workbench import figures
from workbench.records import table
from workbench.sweep import report

EVIL = "<script>alert('x')<b>"


def run(method="clean", kind="none", seed=0, final=0.9, more=()):
    identity = {
        "run": f"{method}{seed}", "data": "folder", "method": method, "kind": kind,
        "epsilon": 0 if method == "clean" else 8,
        "surrogate": "none", "victim": "convnet-w4", "defence": "none",
        "protected_fraction": 0.0 if method == "clean" else 1.0, "seed": seed,
    }  # fmt: skip
    points = [
        {"epoch": epoch, "split": split, "metric": "accuracy", "value": value}
        for split in ("test", "train")
        for epoch, value in enumerate((0.2, final), 1)
    ]
    return table.table(table.Identity(**identity), [*points, *more])


def confusion():
    names = ("ant", EVIL)
    return [{"epoch": 2, "split": "test", "metric": f"confusion/{a}/{b}", "value": 0.5} for a in names for b in names]


@pytest.fixture
def rows():
    noisy = [run("em", "classwise", seed, final, confusion()) for seed, final in enumerate((0.2, 0.3, 0.4))]
    return pd.concat([run(), *noisy])


def picture(figure):
    return report.Picture(figures.png(figure), figures.words_of(figure))


def drawn(name, rows):
    return figures.FIGURES[name](rows, 0.5)


@pytest.fixture
def given(rows):
    return {
        "title": f"Budget {EVIL}",
        "text": ["First & foremost.", EVIL],
        "figures": {name: picture(drawn(name, rows)) for name in ("curves", "bars", "confusion")},
        "rows": rows,
        "jobs": [
            {"job": "a", "state": "complete", "seconds": 12.34567},
            {"job": "b", "state": "failed", "error": f"ValueError: {EVIL}\nsecond line"},
        ],
        "facts": {
            "device": "cpu",
            "data_fingerprint": "abc123",
            "commit": None,
            "seconds": 123456.7,
            "versions": {"torch": "2.15.0"},
            "parameters": {EVIL: EVIL},
        },
    }


class Page(HTMLParser):
    """Tags with their attributes, in order, and the open ones to see that every one is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def text(given, tmp_path):
    return report.write(tmp_path / "new" / "folder", **given).read_text(encoding="utf-8")


def test_page_is_complete_and_well_formed(text):
    page = Page(text)
    assert page.open == []
    names = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert names.count("h1") == 1
    assert names.count("h2") == 4
    assert names.count("caption") == names.count("table") == 6  # curves (and bars), confusion, facts, 2 groups, jobs
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")


def test_page_loads_and_runs_nothing(text):
    page = Page(text)
    assert {"script", "link", "iframe", "object", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert "default-src 'none'" in text
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "href" for name in attributes), tag
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.search(r"https?://|url\(|@import", text)


def test_everything_given_is_escaped(text):
    assert EVIL not in text
    escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;b&gt;"
    for around in (f"<title>Budget {escaped}", f"<p>{escaped}", f"taken for {escaped}", f"ValueError: {escaped}"):
        assert around in text
    assert f'<th scope="row">{escaped}</th><td>{escaped}</td>' in re.sub(r">\s+<", "><", text)
    assert "First &amp; foremost." in text
    assert "second line" not in text


def test_figures_are_inline_with_their_words_and_numbers(text, given):
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert [image["alt"] for image in images] == [picture.words for picture in given["figures"].values()]
    picture = base64.b64decode(images[0]["src"].removeprefix("data:image/png;base64,"))
    assert picture == given["figures"]["curves"].png
    assert "0.300 (0.200 to 0.400)" in text
    assert "The numbers are those of the table under “Accuracy, epoch by epoch”." in text


def test_jobs_and_facts_are_shown(text):
    for part in ("complete", "failed", "12.35", "abc123", "2.15.0", "123457", "data fingerprint"):
        assert f">{part}<" in text
    assert ">None<" not in text
    assert ">nan<" not in text


def test_same_arguments_same_bytes(given, tmp_path):
    first, second = (report.write(tmp_path / name, **given).read_bytes() for name in "ab")
    assert first == second
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["report.html"]


def test_nothing_but_a_sentence_is_a_report_too(rows, tmp_path):
    path = report.write(tmp_path, title="t", text="One sentence.", figures={}, rows=rows, jobs=[], facts={})
    text = path.read_text(encoding="utf-8")
    assert "<p>One sentence.</p>" in text
    assert "Jobs" not in text


def test_names_that_are_no_text_can_be_written(rows, tmp_path):
    jobs = [{"job": "a", "state": "failed", "error": "bad name \udcff"}]
    path = report.write(tmp_path, title="t", text=[], figures={}, rows=rows, jobs=jobs, facts={})
    assert "bad name ?" in path.read_text(encoding="utf-8")


def test_the_template_is_among_the_packages_files():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    kept = project["tool"]["setuptools"]["package-data"]["workbench"]
    package = Path(report.__file__).parents[1]
    assert package / "sweep" / report.TEMPLATE in {file for pattern in kept for file in package.glob(pattern)}


def test_a_report_says_what_guessing_is_and_where_nothing_can_be_said():
    rows = pd.concat([run(), run("em", "classwise", final=0.2)])
    assert report._sentences(rows, {"folder": 0.5})[0] == "Guessing is 0.50."
    two = pd.concat([rows, rows.assign(data="svhn")])
    assert report._sentences(two, {"folder": 0.5, "svhn": 0.1})[0] == "Guessing is 0.50 on folder, 0.10 on svhn."
    many = pd.concat([run(final=0.5), *(run("em", "classwise", final=0.5).assign(epsilon=at) for at in range(1, 12))])
    assert report._sentences(many, {"folder": 0.1}) == ["Guessing is 0.10."]  # the figure says the rest
    unlearnt = report._sentences(many, {"folder": 0.5})
    assert len(unlearnt) == 12
    assert all("clean twin itself did not learn" in sentence for sentence in unlearnt[1:])
    assert report._sentences(rows[rows["metric"] == "loss"], {"folder": 0.5}) == []


def test_a_figure_of_somebody_else_has_no_words(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "own.png")
    assert report.saved(tmp_path / "own.png").words == ""
