"""Figures: what is drawn is what the table says, and the same figure is saved as the same bytes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from workbench import figures, noise, results
from workbench.config import KINDS

CHANCE = 1 / 3


def run(method="clean", kind="none", seed=0, test=(0.3, 0.9, 0.6), train=(0.2, 0.5, 0.8), defence="none"):
    """The rows of one run, three epochs."""
    identity = {
        "run": f"{method}{kind}{seed}{defence}", "data": "folder", "method": method, "kind": kind,
        "epsilon": 0 if method == "clean" else 8, "surrogate": "none", "victim": "convnet-w4", "defence": defence,
        "protected_fraction": 0.0 if method == "clean" else 1.0, "seed": seed,
    }  # fmt: skip
    points = [
        {"epoch": epoch, "split": split, "metric": metric, "value": value if metric == "accuracy" else 3 - value}
        for split, values in (("test", test), ("train", train))
        for epoch, value in enumerate(values, 1)
        for metric in ("accuracy", "loss")
    ]
    return results.table(identity, points)


@pytest.fixture
def rows():
    return pd.concat(
        [run(), run("random", "samplewise", test=(0.3, 0.8, 0.7)), run("em", "classwise", test=(0.4, 0.2, 0.1))]
    )


def lines(axis):
    """The drawn runs by their label."""
    return {line.get_label(): line for line in axis.get_lines() if not line.get_label().startswith("_")}


def texts(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))


def test_every_method_and_kind_has_a_style_of_its_own():
    wanted = {("clean", "none")} | {(method, kind) for method in noise.METHODS for kind in KINDS}
    assert wanted <= set(figures.STYLES)
    looks = [(style["color"], style["marker"], style["linestyle"]) for style in figures.STYLES.values()]
    assert len(set(looks)) == len(looks)
    assert len({style["color"] for style in figures.STYLES.values()}) == len(looks)
    assert len({style["marker"] for style in figures.STYLES.values()}) == len(looks)


def test_curves_show_clean_test_left_and_training_right(rows):
    left, right = figures.curves(rows, CHANCE).axes
    assert "test" in left.get_title()
    assert "train" in right.get_title()
    assert set(lines(left)) == {"clean", "random, sample-wise", "em, class-wise"}
    assert lines(left)["em, class-wise"].get_ydata().tolist() == [0.4, 0.2, 0.1]
    assert lines(left)["em, class-wise"].get_xdata().tolist() == [1, 2, 3]
    assert lines(right)["em, class-wise"].get_ydata().tolist() == [0.2, 0.5, 0.8]
    assert any(list(line.get_ydata()) == [CHANCE, CHANCE] for line in left.get_lines())


def test_curves_of_several_seeds_are_mean_and_band_and_say_so(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    figure = figures.curves(more, CHANCE)
    assert lines(figure.axes[0])["clean"].get_ydata().tolist() == pytest.approx([0.4, 0.8, 0.7])
    (band,) = figure.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.3, 0.9)
    assert "2 seeds" in figure.get_suptitle()
    assert "seed 0" in figures.curves(rows, CHANCE).get_suptitle()


def test_curves_leave_defended_runs_out(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.9, 0.9, 0.9), defence="jpeg-10")])
    assert lines(figures.curves(more, CHANCE).axes[0])["em, class-wise"].get_ydata().tolist() == [0.4, 0.2, 0.1]


def test_bars_are_final_and_marks_are_peak(rows):
    figure = figures.bars(results.summary(rows), CHANCE)
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [0.6, 0.7, 0.1]
    assert lines(axis)["peak of all epochs"].get_xdata().tolist() == [0.9, 0.8, 0.4]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["clean", "random, sample-wise", "em, class-wise"]
    assert [to_hex(bar.get_facecolor()) for bar in axis.patches] == ["#000000", "#0072b2", "#e69f00"]


def test_bars_of_several_seeds_have_whiskers_from_lowest_to_highest(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    figure = figures.bars(results.summary(more), CHANCE)
    (axis,) = figure.axes
    assert axis.patches[0].get_width() == pytest.approx(0.7)
    ends = [segment[:, 0].tolist() for group in axis.collections for segment in group.get_segments()]
    assert [0.6, 0.8] in [[pytest.approx(value) for value in pair] for pair in ends]


def test_bars_name_the_defence(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.9, 0.9, 0.5), defence="jpeg-10")])
    (axis,) = figures.bars(results.summary(more), CHANCE).axes
    assert axis.get_yticklabels()[-1].get_text() == "em, class-wise\nlearner uses jpeg-10"
    assert [bar.get_hatch() or "" for bar in axis.patches] == ["", "", "", "//"]


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_sheet_shows_image_magnified_noise_and_copy(channels):
    image = np.full((8, 8, channels), 100, np.uint8)
    copy = image.copy()
    copy[0, 0], copy[0, 1] = 108, 92
    figure = figures.noise_sheet({"cat": image}, {"classwise": {"cat": copy}}, epsilon=8)
    original, noise_shown, protected = (
        np.asarray(axis.images[0].get_array()).reshape(8, 8, -1) for axis in figure.axes
    )
    assert (original == image).all()
    assert (protected == copy).all()
    assert noise_shown[0, 0].tolist() == [254] * channels
    assert noise_shown[0, 1].tolist() == [0] * channels
    assert noise_shown[5, 5].tolist() == [127] * channels
    assert "noise ×16" in texts(figure)
    assert "±8 of 255" in texts(figure)


@pytest.mark.parametrize("kinds", [1, 2])
def test_noise_sheet_has_a_row_a_class_and_two_columns_a_kind(kinds):
    images = {name: np.full((8, 8, 3), 9, np.uint8) for name in "abc"}
    figure = figures.noise_sheet(images, {f"kind {i}": images for i in range(kinds)}, epsilon=0)
    assert len(figure.axes) == 3 * (1 + 2 * kinds)


def test_same_figure_is_saved_as_the_same_bytes(rows, tmp_path):
    first = figures.save(figures.curves(rows, CHANCE), tmp_path / "a" / "figures", "curves")
    second = figures.save(figures.curves(rows, CHANCE), tmp_path / "b", "curves")
    assert [path.name for path in first] == ["curves.png", "curves.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    other = figures.save(figures.curves(rows[rows["method"] != "em"], CHANCE), tmp_path / "c", "curves")
    assert first[0].read_bytes() != other[0].read_bytes()


def test_table_is_a_row_a_run_with_its_spread(rows):
    more = pd.concat([rows, run(seed=1, test=(0.5, 0.7, 0.8))])
    shown = figures.table(results.summary(more)).set_index(["method", "kind"])
    assert shown.loc[("clean", "none"), "final"] == "0.700 (0.600 to 0.800)"
    assert shown.loc[("clean", "none"), "seeds"] == 2
    assert shown.loc[("em", "classwise"), "final"] == "0.100"
    assert shown.loc[("em", "classwise"), "peak"] == "0.400"


def test_figure_is_shown_with_words_for_those_who_cannot_see_it(rows, monkeypatch):
    from IPython.core import display_functions

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *parts, **names: shown.append((parts, names)))
    assert display_functions
    figures.show(figures.curves(rows, CHANCE), "accuracy by epoch")
    assert shown[0][1]["metadata"] == {"image/png": {"alt": "accuracy by epoch"}}


def test_sentences_give_effect_control_and_what_still_learns(rows):
    more = pd.concat([rows, run("em", "classwise", test=(0.5, 0.85, 0.8), defence="jpeg-10")])
    sentences = figures.honest_sentences(results.summary(more), CHANCE)
    text = "\n".join(sentences)
    assert "random, sample-wise: 0.70 on clean test images after the last epoch, 0.80 at the best one" in text
    assert "em, class-wise: 0.10 on clean test images after the last epoch, 0.40 at the best one" in text
    assert "clean twin ends at 0.60" in text
    assert "guessing is 0.33" in text
    assert sentences[-1].startswith("This data can still be learnt from")
    assert "0.85 (em, class-wise, jpeg-10" in sentences[-1]


def test_sentences_do_not_claim_learning_that_was_not_seen(rows):
    weak = rows[rows["method"] != "em"]
    weak = pd.concat([weak, run("em", "classwise", test=(0.2, 0.2, 0.1))])
    assert not figures.honest_sentences(results.summary(weak), CHANCE)[-1].startswith("This data can still")
