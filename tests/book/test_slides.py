"""Slides that are too tall go on on a next one, cut where nothing is torn."""

from pathlib import Path

import nbformat
import numpy as np
import pytest

pytest.importorskip("sphinx")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fitting(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "book"))
    import fitting

    return fitting


def test_a_slide_that_is_too_tall_goes_on_under_its_heading(fitting):
    from workbench import figures

    drawn = figures.output(figures.film({"first": np.zeros((1, 1, 4, 4))}, 8, ["one"]))
    told = {"text/html": "<ul><li>First.</li><li>Second.</li></ul>", "text/plain": "First.\nSecond."}
    outputs = [nbformat.v4.new_output("display_data", data) for data in (drawn, told)]
    text = nbformat.v4.new_markdown_cell("## Look\n\n" + "Many words. " * 60 + "\n\n- one\n- two")
    code = nbformat.v4.new_code_cell("first()\nsecond()", outputs=outputs)
    first, second = fitting.fitted([text, code])
    assert [cell.source for cell in first] == [
        "## Look",
        ("Many words. " * 60).strip() + " ",
        "- one",
        "- two",
        code.source,
    ]
    assert second[0].source == "*Look, continued*"
    shown = [cell.outputs[0].data["text/html"] for cell in second[1:]]
    assert shown == [drawn["text/html"], "<ul><li>First.</li></ul>", "<ul><li>Second.</li></ul>"]
    assert not any(cell.source for cell in second[1:])
    assert code.outputs == outputs  # the notebook's own cell is as it was


def test_what_fits_is_left_together_and_what_never_fits_stands_alone(fitting):
    small = [nbformat.v4.new_markdown_cell(f"## Heading\n\n{word}") for word in ("one", "two")]
    assert len(fitting.fitted(small)) == 1
    long = nbformat.v4.new_code_cell("\n".join(map(str, range(60))))
    assert [[one.source for one in part][-1] for part in fitting.fitted([small[0], long, small[1]])] == [
        "one", long.source, "two",
    ]  # fmt: skip
