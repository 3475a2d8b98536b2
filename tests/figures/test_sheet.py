"""Out to the reader: the same figure is the same bytes, and carries its words."""

import io
import re

import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image
from tidy import CHANCE, run, three_runs

from workbench import figures

OF_PEOPLE = ("people", "people_panel", "people_fractions")
OF_ACCURACY = ("curves", "bars", "budget", "fractions", "transfer", "panel", *OF_PEOPLE)


@pytest.fixture
def rows():
    return three_runs()


def test_same_figure_is_saved_as_the_same_bytes(rows, tmp_path):
    first = figures.save(figures.curves(rows, CHANCE), tmp_path / "a" / "figures", "curves")
    second = figures.save(figures.curves(rows, CHANCE), tmp_path / "b", "curves")
    assert [path.name for path in first] == ["curves.png", "curves.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    other = figures.save(figures.curves(rows[rows["method"] != "em"], CHANCE), tmp_path / "c", "curves")
    assert first[0].read_bytes() != other[0].read_bytes()


def test_one_figure_written_twice_is_the_same_bytes(rows, tmp_path):
    for name in OF_ACCURACY:
        figure = figures.FIGURES[name](rows, CHANCE)
        first, second = (figures.save(figure, tmp_path / folder, name) for folder in "ab")
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_figure_that_was_changed_is_drawn_anew(rows, tmp_path):
    figure = figures.curves(rows, CHANCE)
    figures.save(figure, tmp_path, "a")
    before = figures.png(figure)
    assert figures.png(figure) == before == (tmp_path / "a.png").read_bytes()
    figure.axes[0].lines[0].set_color("red")
    changed = figures.png(figure)
    assert changed != before
    figure.set_label("other words")
    assert figures.png(figure) not in (before, changed)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed in a notebook, by its kinds."""
    found = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: found.append(data))
    return found


def test_figure_is_shown_with_words_for_those_who_cannot_see_it(rows, shown):
    figures.show(figures.curves(rows, CHANCE), 'accuracy by "epoch" <b>')
    assert 'alt="accuracy by &quot;epoch&quot; &lt;b&gt;"' in shown[0]["text/html"]
    assert shown[0]["text/plain"] == 'accuracy by "epoch" <b>'
    assert "image/png" not in shown[0]  # whose alternative text no front end shows


def test_figure_is_shown_with_its_own_words_when_none_are_given(rows, shown):
    figures.show(figures.curves(rows, CHANCE))
    assert "em, class-wise ends at 0.10" in shown[0]["text/html"]


def test_figure_scrolls_where_its_letters_would_get_too_small(rows, shown):
    figure = figures.curves(rows, CHANCE)
    figures.show(figure)
    assert shown[0]["text/html"].startswith('<div style="overflow-x: auto">')
    least = int(re.search(r"max-width: 100%; min-width: (\d+)px", shown[0]["text/html"])[1])
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    with Image.open(io.BytesIO(figures.png(figure))) as picture:
        smallest = min(sizes) * picture.info["dpi"][0] / 72
        assert smallest * least / picture.width > 7.5  # CSS pixels


def test_sentences_are_shown_as_a_list_and_never_as_markup(shown):
    figures.say("One.", "<script>two</script>")
    assert shown[0]["text/html"] == "<ul><li>One.</li><li>&lt;script&gt;two&lt;/script&gt;</li></ul>"
    assert shown[0]["text/plain"] == "One.\n<script>two</script>"


def test_files_carry_the_words(rows, tmp_path):
    figure = figures.curves(rows, CHANCE)
    png, svg = figures.save(figure, tmp_path, "curves")
    with Image.open(png) as picture:
        assert picture.info["Description"] == figures.words_of(figure)
    text = svg.read_text(encoding="utf-8")
    assert "<title>curves</title>" in text
    assert "em, class-wise ends at 0.10 after a best epoch of 0.40" in text


def test_words_fit_xml_whatever_a_class_is_called(tmp_path):
    figure = figures.curves(run(), CHANCE)
    figure.set_label("a\x00b <c> & \n d")
    _, svg = figures.save(figure, tmp_path, "curves")
    assert "a b &lt;c&gt; &amp;   d" in svg.read_text(encoding="utf-8")


def test_figures_by_name_take_rows_and_chance():
    assert {*OF_ACCURACY, "confusion"} <= set(figures.FIGURES)
    points = [{"epoch": 3, "split": "test", "metric": f"confusion/{a}/{b}", "value": 0.5} for a in "xy" for b in "xy"]
    rows = pd.concat([run(more=points), run("em", "classwise", more=points)])
    for draw in (figures.FIGURES[name] for name in (*OF_ACCURACY, "confusion")):
        assert "0." in figures.words_of(draw(rows, CHANCE))
        with pytest.raises(ValueError, match="nothing to draw"):
            draw(rows.iloc[:0], CHANCE)


@pytest.mark.parametrize("name", OF_ACCURACY)
def test_no_clean_twin_is_no_error(name, rows):
    figures.FIGURES[name](rows[rows["method"] != "clean"], CHANCE)
    figures.FIGURES[name](rows[rows["method"] == "em"].assign(method="mystery", kind="pixelwise"), CHANCE)


@pytest.mark.parametrize("name", ["budget", "fractions", "transfer", "panel"])
def test_every_experiment_is_drawn_with_the_same_bytes(name, rows):
    first, second = (figures.png(figures.FIGURES[name](rows, CHANCE)) for _ in range(2))
    assert first == second
