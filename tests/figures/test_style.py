"""Names, words and looks: all of them the catalogue's, also those of a method that was registered later."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tidy import CHANCE, ends, lines, run

from workbench import catalogue, figures
from workbench.config import KINDS
from workbench.figures import style
from workbench.figures.grouping import has_several
from workbench.registry import LOOKS


@pytest.fixture
def bands(monkeypatch):
    """Noise that is drawn from the class, registered now."""
    looks = (("#123456", "1"), ("#654321", "2"))
    entry = catalogue.METHODS["random"]._replace(module="own", words="bands", looks=looks)
    monkeypatch.setitem(catalogue.METHODS, "own-bands", entry)
    return "own-bands"


def names(rows):
    return list(lines(figures.curves(rows, CHANCE).axes[0]))


def test_every_method_and_kind_has_a_look_of_its_own():
    known = {key: look for key, look in figures.styles().items() if look["color"] != LOOKS[0][0]}
    ours = [name for name, entry in catalogue.METHODS.items() if entry.looks != LOOKS]
    assert {("clean", "none")} | {(method, kind) for method in ours for kind in KINDS} == set(known)
    assert len({look["color"] for look in known.values()}) == len(known)
    assert len({(look["marker"], str(look["linestyle"])) for look in known.values()}) == len(known)


def test_the_dash_tells_the_kind():
    dashes = {
        kind: {str(look["linestyle"]) for (_, k), look in figures.styles().items() if k == kind} for kind in KINDS
    }
    assert all(len(found) == 1 for found in dashes.values())
    assert dashes["classwise"] != dashes["samplewise"]


def test_figures_list_no_methods_and_no_defences_of_their_own():
    text = "".join(path.read_text(encoding="utf-8") for path in Path(style.__file__).parent.glob("*.py"))
    controls, used = {"random"}, {"none", "leave-out"}
    assert [name for name in catalogue.METHODS if f'"{name}"' in text and name not in controls] == []
    assert [name for name in catalogue.DEFENCES if f'"{name}"' in text and name not in used] == []


def test_a_method_registered_later_has_its_look_and_is_called_drawn(bands):
    rows = pd.concat([run(), run(bands, "classwise"), run(bands, "samplewise")])
    shown = lines(figures.curves(rows, CHANCE).axes[0])
    assert list(shown) == ["clean", "own-bands (drawn), class-wise", "own-bands (drawn), sample-wise"]
    looks = [(line.get_color(), line.get_marker()) for line in shown.values()]
    assert looks[1:] == [("#123456", "1"), ("#654321", "2")]
    assert "own-bands (drawn), class-wise noise" in " ".join(figures.honest_sentences(rows, CHANCE))
    assert figures.worst_case(rows)["method"] == bands  # it is no control


def test_only_drawn_noise_other_than_the_control_is_called_drawn():
    assert figures.name_of("em-joint", "classwise") == "em-joint, class-wise"
    assert figures.name_of("random", "samplewise") == "random, sample-wise"
    assert figures.name_of("mystery", "pixelwise") == "mystery, pixelwise"
    assert figures.name_of("clean", "none") == "clean"


def test_methods_that_share_a_look_are_told_apart(monkeypatch):
    for name in ("mine", "yours"):
        monkeypatch.setitem(catalogue.METHODS, name, catalogue.METHODS["em"]._replace(looks=LOOKS))
    rows = pd.concat([run(method, kind) for method in ("mine", "yours", "riddle") for kind in KINDS])
    shown = lines(figures.curves(rows, CHANCE).axes[0]).values()
    assert len({(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in shown}) == 6


def test_surrogates_are_named_where_noise_has_one(bands):
    both = [run("em", "classwise", surrogate=name, test=ends(0.2)) for name in ("a", "b")]
    others = [run(), run("linear", "classwise", surrogate="linear"), run(bands, "classwise", surrogate="none")]
    assert names(pd.concat([*others, *both])) == [
        "clean", "linear, class-wise", "own-bands (drawn), class-wise", "em, class-wise, noise from a",
        "em, class-wise, noise from b",
    ]  # fmt: skip
    assert not has_several(pd.concat([*others, both[0]]), "surrogate")


def test_drawn_noise_is_no_transfer(bands):
    rows = pd.concat([run(), run("em", "classwise"), run(bands, "classwise"), run("random", "samplewise")])
    titles = [axis.get_title() for axis in figures.transfer(rows, CHANCE).axes if axis.get_title()]
    assert titles == ["em, class-wise"]


@pytest.mark.parametrize(
    ("defence", "words"),
    [
        ("grayscale+jpeg-75", "turning the images grey, then JPEG compression at quality 75"),
        ("none", "training as usual"),
        ("prayer+blur", "prayer, then blurring"),
        ("prayer", "prayer"),
    ],
)
def test_defences_in_words(defence, words):
    assert style.way_of(defence) == words
    rows = pd.concat([run(), run("em", "classwise"), run("em", "classwise", defence=defence)])
    assert words in [label.get_text() for label in figures.panel(rows, CHANCE).axes[0].get_yticklabels()]


def test_what_moves_pixels_outside_the_budget_is_marked():
    rows = pd.concat([run(), run("ops", "classwise", epsilon=255), run("em", "samplewise")])
    assert set(lines(figures.curves(rows, CHANCE).axes[0])) == {
        "clean", "em, sample-wise, ε = 8", "ops, class-wise (outside the budget), ε = 255",
    }  # fmt: skip
    assert list(figures.table(rows)["method"]) == ["clean", "ops (outside the budget)", "em"]
    board = figures.leaderboard(rows, CHANCE)
    named = [label.get_text() for label in board.axes[0].get_yticklabels()]
    assert sum("ops, class-wise (outside the budget), ε = 255" in label for label in named) == 1
    assert "ops, class-wise (outside the budget) noise, ε = 255" in " ".join(figures.honest_sentences(rows, CHANCE))
    shown = np.zeros((1, 3, 4, 4), np.int16)
    shown[0, :, 1, 1] = -255
    assert "at -255" in figures.words_of(figures.histogram({"ops": shown}, 255))
    picture = np.full((4, 4, 3), 255, np.uint8)
    figures.noise_sheet({"cat": picture}, {"ops": {"cat": picture - 255}}, 255)


def test_budgets_of_two_shapes_are_two_lines_of_one_method():
    shapes = [run("tones", kind, epsilon=-20) for kind in ("samplewise", "samplewise-envelope")]
    rows = pd.concat([run(), *shapes])
    assert names(rows) == ["clean", "tones (drawn), sample-wise", "tones (drawn), sample-wise, envelope"]
    flat, loud = (style.style_of("tones", kind, nth) for nth, kind in enumerate(("samplewise", "samplewise-envelope")))
    assert flat["color"] != loud["color"]
    assert flat["marker"] != loud["marker"] in style.MARKERS
    assert list(figures.scores(rows, CHANCE)["kind"]) == ["samplewise", "samplewise-envelope"]
    assert "sample-wise, envelope" in set(figures.table(rows)["kind"])
