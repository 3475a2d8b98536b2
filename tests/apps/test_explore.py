"""The explorer: controls change pictures and words, work runs in the background and stops, errors are one line."""

import re
import threading

import numpy as np
import pytest
from forked import ForkedKernel

pytest.importorskip("ipywidgets")

from workbench.apps import explore, html
from workbench.apps.background import Job, Stages, Stopped
from workbench.apps.explore.pair import CLEAN, Choice
from workbench.apps.explore.panel import sheet
from workbench.config import ConfigError, DataError
from workbench.files import places
from workbench.progress import Step, listening, mode, progress
from workbench.records import table
from workbench.sweep import notebook

SMALL = {
    "data": "photo-digits:60",
    "limit_train": 0,
    "limit_test": 20,
    "method": "em-joint",
    "kind": "classwise",
    "epsilon": 8,
    "defences": ["none"],
    "network": "convnet-w2",
    "epochs": 2,
    "seed": 0,
    "device": "cpu",
}
LONG = 120  # seconds; no test depends on speed, but none may hang


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts the bench as where somebody watches, with a few changes to SMALL."""
    monkeypatch.setenv("WORKBENCH_PROGRESS", "bar")

    def begin(**changes):
        return explore.start(**{**SMALL, "out": str(tmp_path / "out"), **changes})

    return begin


@pytest.fixture
def panel(start):
    """Live controls; their work has ended when the test has."""
    made = start()
    yield made
    made.job.stop()
    made.job.wait(LONG)
    assert not made.job.busy


def plain(widget) -> str:
    """The words in a widget of HTML."""
    return re.sub(r"<[^>]*>", " ", widget.value)


def noise_picture(panel) -> str:
    """The second picture's data."""
    return re.findall(r'src="([^"]+)"', panel.picture.value)[1]


def largest(panel) -> int:
    """The largest change that the words tell."""
    return int(re.search(r"Largest change (\d+) of 255", plain(panel.text))[1])


def searched(panel):
    panel.search.click()
    panel.job.wait(LONG)
    assert "Found" in plain(panel.status)
    return panel


def test_the_slider_changes_picture_and_words_at_once_and_says_what_is_shown(panel):
    assert "No noise yet" in plain(panel.text)
    searched(panel)
    at_8 = largest(panel)
    assert 0 < at_8 <= 8
    assert "found on all 60 training images" in plain(panel.text)
    before = panel.picture.value, panel.text.value
    panel.epsilon.value = 16
    assert panel.picture.value != before[0]
    assert largest(panel) == 2 * at_8
    assert "found at ε = 8 and only scaled to 16" in plain(panel.text)
    panel.epsilon.value = 8
    assert (panel.picture.value, panel.text.value) == before


def test_without_a_budget_the_noise_is_flat_grey_and_nothing_changes(panel):
    searched(panel)
    panel.epsilon.value = 0
    assert "largest change 0" in plain(panel.text)
    image, noise, both = re.findall(r'src="([^"]+)"', panel.picture.value)
    assert image == both != noise
    flat = np.full((4, 4, 3), 9, np.uint8)
    assert (html.magnified(flat, flat, 4) == 128).all()
    panel.search.click()
    assert "nothing to search" in plain(panel.status)


def test_image_magnification_kind_and_method_change_what_is_shown(panel):
    searched(panel)
    seen = {noise_picture(panel)}
    panel.times.value = 16
    seen.add(noise_picture(panel))
    panel.image.value = 1
    seen.add(noise_picture(panel))
    panel.method.value = "random"  # drawn at once
    assert "random, class-wise" in plain(panel.text)
    seen.add(noise_picture(panel))
    assert len(seen) == 4
    panel.kind.value = "samplewise"
    assert "sample-wise" in plain(panel.text)
    panel.method.value = "em-max"
    assert "No noise yet" in plain(panel.text)


def test_images_of_a_class_share_their_class_wise_noise(panel):
    searched(panel)
    found = panel.pairs.nearest(Choice("em-joint", "classwise", 8))
    (a, b), labels = (0, 10), panel.pairs.study.pair.train.labels
    assert labels[a] == labels[b]
    for index in (a, b):
        image, copy = panel.pairs.shown(index, found, 8)
        wide = image.astype(int) + found.delta[labels[index]].permute(1, 2, 0).numpy()
        assert np.array_equal(copy, wide.clip(0, 255))
        _, half = panel.pairs.shown(index, found, 4)
        assert abs(half.astype(int) - image).max() <= 4


def test_every_picture_has_words_and_text_is_never_markup(panel):
    assert panel.picture.value.count("<img") == panel.picture.value.count("alt=") == 3
    assert "<b>" not in html.said("<b>")
    assert "<script>" not in sheet(*panel.pairs.shown(0, None, 0), 4, 'class "><script>')


def test_the_pair_is_trained_beside_live_controls_and_told_in_numbers(panel):
    panel.fit.click()
    panel.epsilon.value = 3  # the choice was made: this changes the picture only
    assert "only scaled" in plain(panel.text) or "is being searched" in plain(panel.text)
    panel.job.wait(LONG)
    words = plain(panel.answer)
    assert "em-joint, class-wise noise at ε = 8" in words
    assert words.count("best epoch") == 2
    assert "Guessing is 0.10" in words
    assert panel.curves.value.count("<img") == 1
    assert "em-joint, class-wise" in panel.curves.value  # in the alternative text
    assert panel.done.value == 1
    rows = table.read(panel.pairs.study.out)
    assert set(rows["method"]) == {"clean", "em-joint"}
    assert set(rows["epoch"]) == {1, 2}
    assert panel.tried.value.count("<tr>") == 3


def test_both_networks_of_a_pair_use_the_chosen_countermeasure_and_all_words_say_so(panel):
    assert panel.choice.defence == "none"
    panel.fit.click()
    panel.job.wait(LONG)
    noise = panel.pairs.search(panel.choice)
    panel.defence.value = "grayscale"
    assert "Both learners use grayscale (turning the images grey)." in plain(panel.chosen)
    panel.fit.click()
    panel.job.wait(LONG)
    assert panel.pairs.search(panel.choice) is noise  # searched once
    words = plain(panel.answer)
    assert "Both learners use grayscale" in words
    without = panel.pairs.numbers(Choice("em-joint", "classwise", 8))["peak"]
    assert f"Without grayscale the victim reaches {without:.2f}" in words
    assert "learner uses grayscale" in panel.curves.value  # in the alternative text
    rows = table.read(panel.pairs.study.out)
    trained = {(row.method, row.defence) for row in rows.itertuples()}
    assert trained == {(method, used) for method in ("clean", "em-joint") for used in ("none", "grayscale")}
    assert panel.tried.value.count("<tr>") == 5
    assert panel.tried.value.count("grayscale</td>") == 2


def test_the_list_holds_what_needs_no_help_and_what_was_asked_for(start):
    names = [name for _, name in start().defence.options]
    assert {"none", "grayscale", "adversarial-8"} <= set(names)
    assert not {"clean-share-1", "pairs-50", "leave-out"} & set(names)
    both = start(defences=["grayscale+jpeg-10"]).defence
    assert both.value == "grayscale+jpeg-10"
    assert both.label == "grayscale+jpeg-10: turning the images grey, then JPEG compression at quality 10"


def test_the_clean_twin_is_trained_once_and_is_the_victim_without_a_budget(panel):
    panel.epsilon.value = 0
    panel.fit.click()
    panel.job.wait(LONG)
    first = panel.pairs.curves[CLEAN]
    zero = panel.pairs.curves[Choice("em-joint", "classwise", 0)]
    assert first["value"].tolist() == zero["value"].tolist()
    panel.epsilon.value = 4
    panel.fit.click()
    panel.job.wait(LONG)
    assert panel.pairs.curves[CLEAN] is first
    assert len(panel.pairs.curves) == 3


def test_curves_grow_by_epoch_first_the_twin_then_the_victim(start):
    pairs, grown = start().pairs, []
    pairs.train(Choice("random", "classwise", 8), grown.append)
    accuracy = [rows[rows["metric"] == "accuracy"] for rows in grown]
    assert [len(rows) // 2 for rows in accuracy] == [1, 2, 2, 3, 4, 4]  # test and train; whole curves once more
    assert list(grown[-1]["method"].unique()) == ["clean", "random"]
    values = accuracy[-2].sort_values(["method", "split", "epoch"])["value"].tolist()
    assert values == pytest.approx(accuracy[-1].sort_values(["method", "split", "epoch"])["value"].tolist())


@pytest.mark.parametrize("phase", ["class-wise noise", "victim, clean", "victim, em-joint"])
def test_stop_ends_the_work_after_a_step(start, phase, monkeypatch):
    panel = start(epochs=3)
    stopped, real = threading.Event(), panel._say

    def gated(line, *, urgent=False):
        real(line, urgent=urgent)
        if phase in line and not stopped.is_set():
            stopped.set()
            panel.halt.click()

    monkeypatch.setattr(panel.job, "_say", gated)
    panel.fit.click()
    panel.job.wait(LONG)
    assert stopped.is_set()
    assert not panel.job.busy
    assert "Stopped" in plain(panel.status)
    assert Choice("em-joint", "classwise", 8) not in panel.pairs.curves
    assert panel.answer.value == ""
    assert not (panel.pairs.study.out / "results.csv").exists()


def test_a_stopped_pair_can_be_trained_afterwards_with_the_same_result(start, panel, tmp_path):
    panel.fit.click()
    panel.halt.click()
    panel.job.wait(LONG)
    panel.fit.click()
    panel.job.wait(LONG)
    other = start(out=str(tmp_path / "other"))
    other.fit.click()
    other.job.wait(LONG)
    assert panel.answer.value == other.answer.value != ""


def test_one_piece_of_work_at_a_time(panel):
    gate = threading.Event()
    panel.job.start(lambda: str(gate.wait(LONG)), lambda step: ("", 0.0), panel.done)
    panel.fit.click()
    assert "Still at work" in plain(panel.status)
    gate.set()
    panel.job.wait(LONG)
    panel.halt.click()
    assert "Nothing is at work" in plain(panel.status)


class Bar:
    value = 0.5


@pytest.mark.parametrize(("error", "part"), [
    (DataError("the noise is not finite"), "Error: the noise is not finite"),
    (RuntimeError("out of memory\nat line 3"), "Error: out of memory (RuntimeError)"),
    (Stopped(), "Stopped after"),
])  # fmt: skip
def test_work_that_fails_leaves_one_line(error, part):
    said, ended = [], []

    def fail():
        raise error

    job = Job(lambda line, *, urgent=False: said.append((line, urgent)), lambda: ended.append(len(said)))
    job.start(fail, lambda step: ("", 0.0), Bar())
    job.wait(LONG)
    assert ended == [1]
    (started, _), (line, urgent) = said
    assert started == "Starting …"
    assert line.startswith(part)
    assert "\n" not in line
    assert urgent == ("Error" in line)


@pytest.mark.parametrize(("changes", "part"), [
    ({"data": "photo-digit"}, "did you mean"),
    ({"method": "em-join"}, "did you mean"),
    ({"kind": "class"}, "did you mean"),
    ({"network": "convnet-wide"}, "convnet"),
    ({"defences": ["greyscale"]}, "did you mean"),
    ({"defences": "grayscale"}, "must be a list"),
    ({"epsilon": 33}, "0..32"),
    ({"epsilon": -1}, "epsilon is -1"),
    ({"epsilon": "8"}, "type int"),
    ({"epochs": "5"}, "type int"),
    ({"data": "folder:absent"}, "absent"),
    ({"limit_train": -1}, "at least 0"),
])  # fmt: skip
def test_a_wrong_parameter_is_one_line_where_somebody_watches_and_an_error_elsewhere(
    start, monkeypatch, changes, part, capsys
):
    refused = start(**changes)
    for show in (refused.look, refused.train):
        show()
    assert part in plain(refused.message)
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("WORKBENCH_PROGRESS", "lines")
    with pytest.raises((ConfigError, DataError), match=re.escape(part)):
        start(**changes)


@pytest.mark.parametrize(("method", "stages"), [("em-joint", 3), ("random", 2)])
def test_the_stages_ahead_are_those_that_are_told(start, method, stages):
    pairs, choice, labels = start().pairs, Choice(method, "samplewise", 8), []
    assert pairs.ahead(choice, pair=True) == stages
    assert pairs.ahead(choice, pair=False) == stages - 2
    with listening(lambda step: labels.append(step.label)):
        pairs.train(choice, lambda _: None)
    assert len(set(labels)) == stages
    assert pairs.ahead(choice, pair=True) == 0


def test_the_work_is_told_step_by_step_and_shows_no_bar(capsys):
    said, bar, modes = [], Bar(), []

    def work():
        modes.append(mode())
        with progress("here", 4) as shown:
            for _ in range(2):
                shown.advance(loss=0.5)
        return "done"

    job = Job(lambda line, **_: said.append((line, bar.value)), lambda: None)
    job.start(work, lambda step: (f"{step.label} {step.done}", step.share), bar)
    job.wait(LONG)
    assert said == [("Starting …", 0.0), ("here 1", 0.25), ("here 2", 0.5), ("done", 1.0)]
    assert modes == ["off"]
    assert capsys.readouterr() == ("", "")


def test_stages_count_alike_and_begin_with_a_new_label():
    stages = Stages(2)
    places = [stages.place(Step(label, done, 2, {}, 0.0, 0.0)) for label, done in (("a", 1), ("a", 2), ("b", 1))]
    assert [(number, share) for number, share, _ in places] == [(1, 0.25), (1, 0.5), (2, 0.75)]
    assert all(left >= 0 for *_, left in places)
    assert stages.place(Step("c", 2, 2, {}, 0.0, 0.0))[1] == 1.0


def test_the_notebook_runs_without_anybody_watching(tmp_path, monkeypatch):
    monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", ForkedKernel)
    small = {"data": "photo-digits:200", "limit_test": "50", "epochs": "1", "network": "convnet-w2"}
    run = tmp_path / "run"
    notebook.run(places.find("00_explore", "notebooks"), run, small)
    rows = table.read(run)
    assert set(rows["method"]) == {"clean", "em-joint"}
    assert set(rows["defence"]) == {"none", "grayscale"}
    import nbformat

    cells = nbformat.read(run / "notebook.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    shown = [html for output in outputs if "<img" in (html := output.get("data", {}).get("text/html", ""))]
    assert len(shown) == 3
    assert not any('alt=""' in html for html in shown)
    text = "".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "Largest change" in text
    assert "clean twin reaches" in text
    assert not any("widget" in kind for output in outputs for kind in output.get("data", {}))
    for name in ("sheet", "curves", "curves-grayscale"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize(("peak", "said"), [(0.12, True), (0.5, False)])
def test_where_the_clean_twin_did_not_learn_nothing_can_be_said(start, monkeypatch, peak, said):
    pairs = start().pairs
    monkeypatch.setattr(pairs, "numbers", lambda run: {"peak": peak, "final": peak, "train": peak})
    sentence = pairs.sentence(Choice("em-joint", "classwise", 8))
    assert sentence.endswith("Nothing can be said: the clean twin itself did not learn.") == said
    assert "Guessing is 0.10" in sentence
