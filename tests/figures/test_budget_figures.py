"""Budget, protected share and visibility show the numbers of the table."""

import pandas as pd
import pytest
from tidy import CHANCE, clean, ends, lines, noisy, run

from workbench import figures
from workbench.records import table


def quality(epsilon, psnr, ssim, seed=0):
    identity = {
        "run": "q", "data": "folder", "method": "em", "kind": "samplewise", "epsilon": epsilon,
        "surrogate": "convnet-w4", "victim": "none", "defence": "none", "protected_fraction": 1.0, "seed": seed,
    }  # fmt: skip
    points = [{"epoch": 0, "split": "train", "metric": m, "value": v} for m, v in (("psnr", psnr), ("ssim", ssim))]
    return table.table(table.Identity(**identity), points)


def band(axis, nth=0):
    heights = axis.collections[nth].get_paths()[0].vertices[:, 1]
    return pytest.approx((heights.min(), heights.max()))


@pytest.fixture
def budgets():
    return pd.concat([clean(), noisy(0.2, epsilon=8), noisy(0.5, epsilon=2), noisy(0.3, epsilon=4)])


def test_budget_draws_means_at_each_epsilon_with_the_clean_twin(budgets):
    figure = figures.budget(budgets, CHANCE)
    (axis,) = figure.axes  # nothing says how visible the noise is
    line = lines(axis)["em, sample-wise"]
    assert line.get_xdata().tolist() == [2, 4, 8]
    assert line.get_ydata().tolist() == pytest.approx([0.5, 0.3, 0.2])
    assert band(axis) == (0.1, 0.6)
    assert list(lines(axis)["clean"].get_ydata()) == pytest.approx([0.85, 0.85])
    assert [(patch.get_y(), patch.get_height()) for patch in axis.patches] == [pytest.approx((0.8, 0.1))]
    assert axis.get_xscale() == "log"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["2", "4", "8"]
    assert any(list(drawn.get_ydata()) == [CHANCE, CHANCE] for drawn in axis.get_lines())
    assert "mean of 3 seeds" in figure.get_suptitle()
    words = figures.words_of(figure)
    assert "clean 0.85 (0.80 to 0.90); em, sample-wise 0.50 (0.40 to 0.60) at ε = 2, 0.30" in words
    shown = figures.table(budgets).set_index("epsilon")["final"]
    assert shown[8] == "0.200 (0.100 to 0.300)"


def test_budget_shows_how_visible_the_noise_is_more_visible_to_the_right(budgets):
    measured = [quality(8, 30, 0.9), quality(8, 32, 0.92, seed=1), quality(4, 37, 0.96), quality(2, 43, 0.99)]
    rows = pd.concat([budgets, *measured])
    first, psnr, ssim = figures.budget(rows, CHANCE).axes
    assert lines(psnr)["em, sample-wise"].get_xdata().tolist() == [31, 37, 43]
    assert lines(psnr)["em, sample-wise"].get_ydata().tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert lines(ssim)["em, sample-wise"].get_xdata().tolist() == pytest.approx([0.91, 0.96, 0.99])
    for axis in (psnr, ssim):
        assert axis.xaxis_inverted()
        assert "to the right is more visible" in axis.get_xlabel()
        assert "clean" in lines(axis)
        assert axis.get_ylim() == first.get_ylim()
    assert figures.table(rows).set_index("epsilon")["psnr"][8] == 31
    halfway = figures.budget(pd.concat([budgets, measured[0]]), CHANCE).axes[1]  # measured at one ε only
    assert lines(halfway)["em, sample-wise"].get_xdata().tolist() == [30]


def test_budget_of_one_seed_has_no_band_and_takes_the_visibility_of_its_own_surrogate():
    rows = [run("em", "samplewise", epsilon=e, surrogate=s, test=ends(0.2)) for e in (2, 4) for s in ("a", "b")]
    rows += [quality(e, psnr, 0.9).assign(surrogate=s) for e, s, psnr in ((2, "a", 44), (4, "a", 38), (2, "b", 43))]
    figure = figures.budget(pd.concat([run(), *rows]), CHANCE)
    psnr = lines(figure.axes[1])
    assert psnr["em, sample-wise, noise from a"].get_xdata().tolist() == [38, 44]
    assert psnr["em, sample-wise, noise from b"].get_xdata().tolist() == [43]
    assert len(figure.axes[0].collections) == 0
    assert "seed 0" in figure.get_suptitle()


def test_fractions_start_at_the_clean_twin():
    rows = [clean(), noisy(0.7, fraction=0.5), noisy(0.2, fraction=1.0)]
    rows += [noisy(value, fraction=f, defence="leave-out") for value, f in ((0.8, 0.2), (0.6, 0.5))]
    rows += [noisy(0.9, fraction=0.5, defence="jpeg-10")]
    figure = figures.fractions(pd.concat(rows), CHANCE)
    (axis,) = figure.axes
    drawn = lines(axis)
    assert drawn["em, sample-wise"].get_xdata().tolist() == [0, 0.5, 1]
    assert drawn["em, sample-wise"].get_ydata().tolist() == pytest.approx([0.85, 0.7, 0.2])
    assert band(axis) == (0.1, 0.9)
    alone = drawn["clean part alone (the others left out)"]
    assert alone.get_xdata().tolist() == [0, 0.2, 0.5]
    assert alone.get_ydata().tolist() == pytest.approx([0.85, 0.8, 0.6])
    assert list(drawn["clean twin (nothing protected)"].get_ydata()) == pytest.approx([0.85])
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in drawn.values()]
    assert len(set(looks)) == len(looks)
    assert "0.70 (0.60 to 0.80) at 50 %" in figures.words_of(figure)
    assert "mean of 3 seeds" in figure.get_suptitle()


def test_the_clean_part_alone_is_not_averaged_over_victims():
    part = {"fraction": 0.5, "defence": "leave-out"}
    rows = [run("em", "classwise", victim=v, test=ends(t), **part) for v, t in (("a", 0.6), ("b", 0.8))]
    rows += [run(victim=v, test=ends(t)) for v, t in (("a", 0.7), ("b", 0.9))]
    drawn = lines(figures.fractions(pd.concat(rows), CHANCE).axes[0])
    assert drawn["clean part alone (the others left out), victim a"].get_ydata().tolist() == [0.7, 0.6]
    assert drawn["clean part alone (the others left out), victim b"].get_ydata().tolist() == [0.9, 0.8]
