"""The application's page, driven as objects: from photos to copies, what it says, and that names are never markup."""

import io
import json
import re
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from asked import asked_of
from photographs import encoded, photograph
from pictures import picture
from PIL import Image

pytest.importorskip("ipywidgets")

from workbench.apps import html
from workbench.apps.photos import panel, private_folder, self_test, steps, uploads, viewer, views
from workbench.apps.photos.panel import Panel
from workbench.apps.photos.protect import protect
from workbench.apps.photos.report import Verdict
from workbench.apps.photos.self_test import SelfTest
from workbench.config import DataError
from workbench.export import verify
from workbench.files import places
from workbench.progress import Step, listening, progress
from workbench.records import table

EVIL = "<img src=x onerror=alert(1)>.png"
LONG = 240  # seconds; nothing here depends on speed, but nothing may hang


def png(seed: int, side: int = 40) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(seed, side)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv(private_folder.PLACE, str(tmp_path))
    made = Panel()
    made.method = "random"  # drawn, not searched: all else is the real job
    made.page
    yield made
    made.job.stop()
    made.job.wait(LONG)
    private_folder.remove(made.folder)


def upload(app, *names, content=None, size=None, patience=LONG):
    files = [(name, png(seed) if content is None else content) for seed, name in enumerate(names)]
    app._received(
        {"new": [{"name": n, "size": len(c) if size is None else size, "content": memoryview(c)} for n, c in files]}
    )
    app.job.wait(patience)


def make(app):
    app.controls.make.click()
    app.job.wait(LONG)
    return plain(app.controls.made)


def plain(widget) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", widget.value)).strip()


def alarmed(widget) -> bool:
    return 'role="alert"' in widget.value


def hidden(widget) -> bool:
    return widget.layout.display == "none"


def test_what_it_does_not_do_stands_first_and_nothing_is_called_safe():
    words = re.sub(r"<[^>]*>", " ", views.page(9)[0].partition("</style>")[2]).lower()
    for part in (
        "know your face already",
        "matching two photos",
        "compressing",
        "filtering",
        "cannot be upgraded once",
    ):
        assert part in words
    for word in ("protected", "safe", "secure", "🔒"):
        assert word not in words


def test_only_the_sections_that_make_sense_are_shown(app):
    controls = app.controls
    assert hidden(controls.work)
    assert hidden(controls.look)
    assert hidden(controls.results)
    upload(app, "a.png")
    assert not hidden(controls.work)
    assert not hidden(controls.look)
    assert hidden(controls.results)
    make(app)
    assert not hidden(controls.results)
    controls.clear.click()
    assert hidden(controls.work)
    assert hidden(controls.results)
    assert "untouched" in plain(controls.chosen)
    assert [path.name for path in app.folder.iterdir()] == [private_folder.LOCK]


def test_from_photos_to_a_zip_file_that_verifies(app, tmp_path):
    app.controls.person.value = "Anna"
    upload(app, "a.png", "b.png", EVIL)
    assert plain(app.controls.chosen) == "Added 3 photos of Anna."
    assert app.controls.upload.value == ()
    app.controls.strength.value = 6
    assert "preview of the size" in plain(app.viewer.text)
    assert make(app) == "Done: 3 copies made."
    assert app.controls.done.value == 1
    assert "Largest change 6 of 255" in plain(app.viewer.text)
    assert "Measured on the finished file" in plain(app.viewer.brief)
    assert f"/photos/{app.folder.name}/copies.zip" in app.controls.link.value
    app.controls.target.value = str(tmp_path / "mine")
    app.controls.save.click()
    assert "4 files copied" in plain(app.controls.saved)
    assert verify.verify(app.folder / "originals", tmp_path / "mine", 6).kept
    with zipfile.ZipFile(app.folder / uploads.ARCHIVE) as archive:
        assert "manifest.json" in archive.namelist()
        assert not any("UNFINISHED" in name.upper() or name.startswith(".") for name in archive.namelist())


def test_a_name_is_never_markup(app):
    app.controls.person.value = "<b>Eve</b>"
    upload(app, EVIL, "<script>.png")
    upload(app, "<i>.png", content=b"no picture")
    make(app)
    for widget in (app.controls.listing, app.controls.chosen, app.controls.made, app.viewer.picture, app.viewer.text):
        assert not re.search(r"<(img src=x|script|b>|i>)", widget.value)
    assert "&lt;img src=x" in app.controls.listing.value
    app.viewer._copy = lambda name: (b"broken", Verdict(EVIL, file=EVIL))
    app.viewer.draw(3)
    assert not re.search(r"<img src=x", app.viewer.text.value)


def test_every_picture_has_words_and_the_window_moves(app):
    upload(app, "a.png", content=png(1, 400))
    assert app.viewer.picture.value.count("<img") == app.viewer.picture.value.count("alt=") == 6
    before = app.viewer.picture.value
    app.viewer.across.value = 1.0
    assert app.viewer.picture.value != before
    upload(app, "b.png", content=png(2, 64))
    app.viewer.chooser.after.click()
    assert app.viewer.photo.value == "b.png"
    assert "each pixel 4 times as large" in plain(app.viewer.picture)
    assert hidden(app.viewer.place)


def test_a_file_that_is_no_picture_says_why_and_stops_nobody(app):
    upload(app, "notes.jpg", content=b"words")
    upload(app, "a.png")
    assert "notes.jpg cannot be used: it is not an image" in plain(app.controls.listing)
    assert make(app) == "Done: 1 copy made. 1 file could not be used: the list above says why."
    assert app.viewer.photo.options == ("a.png",)


def test_when_nothing_can_be_used_it_is_one_line(app):
    upload(app, "notes.jpg", content=b"words")
    said = make(app)
    assert said.startswith("Error: ")
    assert alarmed(app.controls.made)
    assert hidden(app.controls.results)


def test_a_loss_on_the_way_is_said_aloud(app):
    upload(app, "large.jpg", content=b"", size=12_000_000)
    assert alarmed(app.controls.chosen)
    assert "did not arrive whole" in plain(app.controls.chosen)
    app.controls.use.click()
    assert "type the path" in plain(app.controls.chosen)


def test_cancel_keeps_what_is_finished_and_the_button_goes_on(app):
    upload(app, "a.png", "b.png", "c.png")

    def cancelled(*asked):
        def tell(step):
            if step.label.startswith("copying"):
                app.controls.cancel.click()

        with listening(tell):
            return protect(*asked)

    app.protect = cancelled
    assert re.match(r"Stopped after \d+ s\. What is finished is kept", make(app))
    assert hidden(app.controls.results)
    app.protect = protect
    assert make(app) == "Done: 3 copies made."


def test_while_it_works_nothing_else_can_be_started(app):
    upload(app, "a.png")
    gate, begun = threading.Event(), threading.Event()

    def slow(*asked):
        begun.set()
        gate.wait(LONG)
        return protect(*asked)

    app.protect = slow
    app.controls.make.click()
    assert begun.wait(LONG)
    assert all(control.disabled for control in (app.controls.clear, app.controls.upload, app.controls.strength))
    assert not app.controls.make.disabled  # it was just pressed: switched off, it would lose the keyboard's place
    assert not app.controls.cancel.disabled
    upload(app, "b.png", patience=0)
    assert "Still at work" in plain(app.controls.chosen)
    app.controls.make.click()
    assert "Still at work" in plain(app.controls.made)
    gate.set()
    app.job.wait(LONG)
    assert len(app.report.done) == 1
    assert not app.controls.make.disabled
    assert app.controls.cancel.disabled


def test_another_strength_is_a_preview_until_the_copies_are_made_again(app):
    upload(app, "a.png")
    make(app)
    app.controls.strength.value = 3
    assert "preview of the size" in plain(app.viewer.text)
    assert "before you chose something else" in plain(app.controls.stale)
    make(app)
    assert app.controls.stale.value == ""
    assert "Largest change 3 of 255" in plain(app.viewer.text)


def test_noise_by_the_face_alone_is_another_choice_with_copies_of_its_own(app):
    upload(app, "a.png")
    make(app)
    asked = []

    def protecting(source, output, config, people):
        asked.append(config.where)
        return protect(source, output, replace(config, where="whole"))  # a pattern has no face

    app.protect = protecting
    app.controls.faces.value = True
    assert "before you chose something else" in plain(app.controls.stale)
    make(app)
    assert app.controls.stale.value == ""
    assert asked == ["faces"]


def test_jpeg_is_another_choice_and_is_what_comes_away(app):
    upload(app, "a.png")
    make(app)
    app.controls.form.value = "jpeg"
    assert "before you chose something else" in plain(app.controls.stale)
    make(app)
    assert app.controls.stale.value == ""
    with zipfile.ZipFile(app.folder / uploads.ARCHIVE) as packed:
        assert packed.namelist() == ["a.jpg", "manifest.json"]
        assert json.loads(packed.read("manifest.json"))["bound"] > 8


def test_the_self_test_gets_the_copies_and_is_told_in_words(app):
    upload(app, "a.png")
    make(app)
    app.controls.strength.value = 3  # the test is of the copies that are there
    asked = []

    def tested(source, output, config, people, told):
        asked.append((source, output, config.epsilon))
        told(SelfTest(pd.DataFrame(), ["It still knows <5>."]))
        asked.append(app.controls.tested.value)
        with progress(self_test.TRAINING, 50, 24) as steps:
            steps.advance(loss=0.1)
        asked.append(plain(app.controls.spoken))
        return SelfTest(pd.DataFrame(), ["It fell to 4 < 9."])

    app.self_test = tested
    app.controls.test.click()
    app.job.wait(LONG)
    (source, output, epsilon), early, said = asked
    assert "It still knows &lt;5&gt;." in early
    assert "takes some minutes more" in early
    assert "It still knows" not in app.controls.tested.value
    assert epsilon == 8
    assert (output / "manifest.json").is_file()
    assert source == app.collection.source
    assert said.startswith("Step 2 of 4: training recognisers on the originals and on the copies, 50% done, ")
    assert plain(app.controls.spoken) == "The test is finished."
    assert "4 &lt; 9" in app.controls.tested.value

    def fails(*given, **named):
        raise DataError("nobody has three photos")

    app.self_test = fails
    app.controls.test.click()
    app.job.wait(LONG)
    assert "Error: nobody has three photos" in plain(app.controls.spoken)
    assert alarmed(app.controls.spoken)


def test_copies_are_never_written_over_somebodys_files(app, tmp_path):
    upload(app, "a.png")
    make(app)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for path, part in (
        (str(tmp_path / "full"), "not empty"),
        ("", "type the path"),
        ("/proc/none", "cannot be copied"),
    ):
        app.controls.target.value = path
        app.controls.save.click()
        assert part in plain(app.controls.saved)
        assert alarmed(app.controls.saved)


def test_without_the_applications_server_the_zip_is_in_the_page(app, monkeypatch):
    upload(app, "a.png")
    make(app)
    archive = app.folder / uploads.ARCHIVE
    monkeypatch.delenv(private_folder.PLACE)
    assert uploads.address(app.folder) is None
    assert 'href="data:application/zip;base64,' in views.download(archive, None)
    monkeypatch.setattr(views, "INLINE", 10)
    assert "too large" in views.download(archive, None)


@pytest.mark.parametrize(("label", "left", "said"), [
    ("reading photo", 3, "Step 1 of 3: reading your photos, 25% done, about 3 s left of this step."),
    ("em-joint samplewise noise, part", 150,
     "Step 2 of 3: finding the changes, 25% done, about 2 minutes left of this step."),
    ("copying photo", 0, "Step 3 of 3: writing the copies, 25% done, nearly finished."),
])  # fmt: skip
def test_progress_is_told_without_jargon(label, left, said):
    assert steps.making(Step(label, 5, 20, {"surrogate_error": 0.5}, 9.0, left)) == (said, 0.25)


def test_the_difference_is_grey_where_nothing_changes_and_eight_times_elsewhere():
    before = np.full((40, 50, 3), 100, np.uint8)
    after = before.copy()
    after[3, 4] += 2
    seen = html.magnified(before, after, viewer.TIMES)
    assert (seen[0, 0] == 128).all()
    assert (seen[3, 4] == 144).all()
    assert "Largest change 2 of 255" in html.measured(before, after)
    assert "Nothing is changed" in html.measured(before, before)
    assert "Largest change 8 of 255" in html.measured(before, viewer.size_only(before, 8))


def test_original_and_copy_in_one_place_by_turns_and_with_an_edge(app):
    upload(app, "a.png")
    app.controls.strength.value = 15
    looking = app.viewer
    looking.how.value = viewer.FLICKER
    assert looking.picture.value.count("<img") == 2
    assert 'class="photos-turns" aria-live="off"' in looking.picture.value  # or each turn would be read out
    shown = re.findall("<figcaption[^>]*>(.*?)</figcaption>", looking.picture.value)
    assert shown == ["This is the original", "This is the preview of the size only"]
    assert looking.edge.layout.display == "none"
    looking.how.value = viewer.EDGE
    assert looking.picture.value.count("<img") == 1
    assert looking.edge.layout.display is None
    looking.edge.value = 1.0
    whole = looking.picture.value
    looking.edge.value = 0.0
    assert looking.picture.value != whole
    before, after = np.zeros((4, 10, 3), np.uint8), np.full((4, 10, 3), 9, np.uint8)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viewer.html, "picture", lambda pixels, *given: seen.append(pixels) or "")
        viewer.in_one_place(before, after, "a", "copy", (0.5, 0.5), 0.3)
    assert seen[0][::2, :, 0].tolist() == [[0] * 4 + [9] * 6] * 2
    assert seen[0][1::2, :, 0].tolist() == [[0] * 3 + [255] + [9] * 6] * 2


def test_the_close_up_begins_at_the_face_where_one_is_known_and_else_in_the_middle(app, monkeypatch):
    faces = {(900, 600): (700, 30, 800, 130), (500, 500): None}
    monkeypatch.setattr(viewer.Finder, "box", lambda self, pixels: faces[pixels.shape[1], pixels.shape[0]])
    wide, square = photograph(600, 900, seed=1), photograph(500, 500, seed=2)
    for name, pixels in (("a.png", wide), ("b.png", square)):
        upload(app, name, content=encoded(Image.fromarray(pixels)))
    looking = app.viewer
    looking.photo.value = "a.png"
    looking.draw(8)
    assert viewer.bounds(wide, (looking.across.value, looking.down.value))[:2] == (750 - 128, 0)  # not above the photo
    looking.down.value = 1.0  # moved by hand: it stays
    looking.draw(15)
    assert looking.down.value == 1.0
    looking.chooser.after.click()
    assert (looking.across.value, looking.down.value) == (0.5, 0.5)
    looking.chooser.before.click()
    assert viewer.bounds(wide, (looking.across.value, looking.down.value))[:2] == (750 - 128, 0)
    assert viewer.centred((0, 0, 40, 40), photograph(60, 70)) == (0.0, 0.0)


def test_a_program_that_runs_the_notebook_gets_a_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("WORKBENCH_PROGRESS", "lines")
    monkeypatch.delenv(private_folder.PLACE, raising=False)
    panel.show()
    assert "workbench app" in capsys.readouterr().out
    notebook = places.own("notebooks") / "app" / "protect_my_photos.ipynb"
    assert [path.name for path in notebook.parent.iterdir() if not path.name.startswith(".")] == [notebook.name]


def test_the_self_tests_table_has_a_row_a_training_with_its_spread():
    identity = {
        "data": "photos",
        "kind": "none",
        "epsilon": 8,
        "surrogate": "none",
        "victim": "convnet-w8",
        "protected_fraction": 1.0,
    }
    tables = []
    for method, defence in (("clean", "none"), ("targeted", "none"), ("targeted", "jpeg-75")):
        for seed, accuracy in enumerate((0.5, 0.7)):
            curve = [
                {"epoch": 1, "split": split, "metric": "accuracy", "value": accuracy} for split in ("train", "test")
            ]
            known = {"run": f"{method}{defence}{seed}", "method": method, "defence": defence, "seed": seed, **identity}
            tables.append(table.table(table.Identity(**known), curve))
    shown = views.tested(SelfTest(table.merged(tables), ["<b>"], 0, asked_of(4, 3)))
    assert "An existing recogniser" in shown
    assert "3 of 4 (4)" in shown
    shown = views.tested(SelfTest(table.merged(tables), ["<b>"]))
    assert shown.count("<tr>") == 4
    assert shown.count("60% (50% to 70%)") == 3
    assert "your photos as they are" in shown
    assert "JPEG compression at quality 75" in shown
    assert "<b>" not in shown
