"""The page's album: broken photos are found when they are chosen, people are sorted, corrected, and used."""

import io
import json
import threading

import numpy as np
import pytest
from PIL import Image
from test_known import astronaut, faces
from test_panel import LONG, alarmed, app, hidden, make, plain, png, upload

from workbench.apps.photos.grouping import NOBODY
from workbench.models import existing

assert app  # a fixture


def portrait(side: int) -> bytes:
    file = io.BytesIO()
    astronaut().resize((side, side)).save(file, "PNG")
    return file.getvalue()


def send(app, **files):
    app._received({"new": [{"name": name, "size": len(body), "content": body} for name, body in files.items()]})
    app.job.wait(LONG)


def test_a_broken_photo_is_found_when_it_is_chosen(app):
    send(app, good=png(1, 80), torn=png(2, 80)[:300])
    assert plain(app.controls.chosen) == "Added 2 photos. 1 file cannot be used after all: the list says why."
    assert "1 photo, and 1 file that cannot be used" in plain(app.controls.listing)
    assert "cut short" in plain(app.controls.listing)
    assert app.collection.names == ["good"]
    assert list(app.viewer.photo.options) == ["good"]
    assert hidden(app.controls.looked)
    send(app, more=png(3))  # what is known to be broken stays so, and is not counted again
    assert plain(app.controls.chosen) == "Added 1 photo."
    assert app.collection.names == ["good", "more"]
    assert make(app) == "Done: 2 copies made. 1 file could not be used: the list above says why."
    app.controls.clear.click()
    send(app, torn=png(2))
    assert app.collection.names == ["torn"]


def test_looking_at_photos_gives_way_to_other_work(app):
    upload(app, "a.png", "b.png")
    gate, begun = threading.Event(), threading.Event()
    read = app.collection._usable["a.png"].read

    def slow():
        begun.set()
        gate.wait(LONG)
        return read()

    object.__setattr__(app.collection._usable["a.png"], "read", slow)
    app.collection._checked.clear()
    app._look("Added 2 photos.")
    assert begun.wait(LONG)
    threading.Timer(0.2, gate.set).start()
    app.controls.make.click()
    assert plain(app.controls.chosen) == "Added 2 photos."
    app.job.wait(LONG)
    assert plain(app.controls.made) == "Done: 2 copies made."


@faces
def test_an_album_is_sorted_corrected_and_made_into_copies_of_these_people(app):
    wall = io.BytesIO()
    Image.fromarray(np.full((90, 80, 3), 128, np.uint8)).save(wall, "PNG")
    send(app, **{"a.png": portrait(512), "b.png": portrait(300), "wall.png": wall.getvalue(), "torn.png": png(1)[:90]})
    sorting = app.sorting
    assert not hidden(sorting._asked)
    assert hidden(sorting._result)
    sorting.start.click()
    app.job.wait(LONG)
    assert plain(sorting.said).startswith("People found: 1, photos without a face: 1.")
    assert sorting.people == {"a.png": "person 1", "b.png": "person 1", "wall.png": NOBODY}
    assert [text for text, _ in sorting.what.options] == [
        "all photos of person 1 (2)", f"all photos of {NOBODY} (1)", "a.png", "b.png", "wall.png",
    ]  # fmt: skip
    assert sorting.shown.value.count("<img") == 2
    assert make(app) == "Done: 3 copies made. 1 file could not be used: the list above says why."
    sorting.change.click()
    assert alarmed(sorting.said)
    sorting.what.value, sorting.who.value = ("person 1",), "<b>Eve</b>"
    sorting.change.click()
    assert "&lt;b&gt;Eve" in sorting.shown.value
    assert "<b>" not in sorting.shown.value + sorting.said.value
    assert "before you chose something else" in plain(app.controls.stale)
    sorting.what.value, sorting.who.value = "wall.png", "Ben"
    sorting.change.click()
    assert make(app).startswith("Done: 3 copies made.")
    manifest = (app._output(app._made) / "manifest.json").read_text()
    assert json.loads(manifest)["contents"]["people"] == 2
    assert "Eve" not in manifest  # nobody gets a label with the copies
    assert sorting.people == {"a.png": "<b>Eve</b>", "b.png": "<b>Eve</b>", "wall.png": "Ben"}
    upload(app, "new.png")
    assert sorting.people is None
    assert hidden(sorting._result)


def test_it_is_offered_only_where_it_can_help(app, monkeypatch):
    upload(app, "a.png")
    assert hidden(app.sorting._asked)
    app.controls.clear.click()
    app.controls.person.value = "Anna"
    upload(app, "a.png", "b.png")
    assert hidden(app.sorting._asked)
    app.controls.clear.click()
    app.controls.person.value = ""
    monkeypatch.setattr(existing, "lacking", lambda: "it needs the package dlib")
    upload(app, "a.png", "b.png")
    assert hidden(app.sorting._asked)
    monkeypatch.setattr(existing, "lacking", lambda: "")
    upload(app, "c.png")
    assert not hidden(app.sorting._asked)


@pytest.mark.parametrize("people", [{}, {"a.png": "Anna"}])
def test_a_broken_file_needs_no_person_and_others_do(tmp_path, people, capsys):
    from workbench.cli import main

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(1))
    (tmp_path / "in" / "torn.png").write_bytes(png(2)[:90])
    table = "\n".join(["photo,person", *(f"{name},{who}" for name, who in people.items()), "else.png,Eve"])
    (tmp_path / "people.csv").write_text(table)
    words = ["protect", str(tmp_path / "in"), str(tmp_path / "out"), "--method", "random"]
    assert main([*words, "--people", str(tmp_path / "people.csv")]) == (0 if people else 2)
    assert ("does not name a.png" in capsys.readouterr().err) == (not people)
