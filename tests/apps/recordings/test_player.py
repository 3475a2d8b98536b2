"""The page with recordings: from uploads to copies, and what is played and drawn of each, value by value."""

import base64
import io
import re
import wave
import zipfile

import numpy as np
import pandas as pd
import pytest
from sound_files import integers, tone, wav

pytest.importorskip("ipywidgets")

from workbench.apps.photos import private_folder, self_test, steps, uploads
from workbench.apps.photos.controls import ONLY, SOUNDS
from workbench.apps.photos.panel import Panel
from workbench.apps.photos.self_test import SelfTest
from workbench.apps.recordings import player
from workbench.apps.recordings import self_test as voices
from workbench.apps.recordings.protect import opened
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.export import verify, verify_sounds
from workbench.export.sound_copies import limits
from workbench.progress import Step

EVIL = "<img src=x onerror=alert(1)>.wav"
LONG = 240  # seconds


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv(private_folder.PLACE, str(tmp_path))
    made = Panel()
    made.page
    yield made
    made.job.stop()
    made.job.wait(LONG)
    private_folder.remove(made.folder)


def send(app, files):
    app._received({"new": [{"name": name, "size": len(one), "content": memoryview(one)} for name, one in files]})
    app.job.wait(LONG)


def plain(widget) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", widget.value)).strip()


def heard(shown: str) -> list[np.ndarray]:
    """What the page plays, by the standard library's reader: int16 frames×channels."""
    found = []
    for content in re.findall(r'src="data:audio/wav;base64,([^"]+)"', shown):
        with wave.open(io.BytesIO(base64.b64decode(content))) as file:
            assert file.getsampwidth() == 2
            frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            found.append(frames.reshape(-1, file.getnchannels()))
    return found


def test_from_recordings_to_a_zip_file_that_verifies(app, tmp_path):
    app.controls.person.value = "Anna"
    send(app, [(f"{number}.wav", wav(tone(2000 + number, 1), 16)) for number in range(2)] + [(EVIL, wav(tone(), 16))])
    assert plain(app.controls.chosen) == "Added 3 recordings of Anna."
    assert "3 recordings" in plain(app.controls.listing)
    assert SOUNDS in app.controls._page._dom_classes
    assert ONLY["recording"] in app.player.box._dom_classes
    assert ONLY["photo"] in app.viewer.box._dom_classes
    app.controls.loudness.value = -25
    assert plain(app.player.text).startswith(
        "This is a preview with a chord like those that copies get. Largest change 25."
    )
    assert app.sorting.box.children[0].layout.display == "none"  # no faces are looked for
    app.controls.make.click()
    app.job.wait(LONG)
    assert plain(app.controls.made) == "Done: 3 copies made."
    for turn in range(3):
        app.player.chooser.choice.index = turn
        assert "Measured on the finished file: Largest change 25." in plain(app.player.text)
        assert not re.search("<img src=x", app.player.picture.value + app.player.text.value + app.player.brief.value)
    app.controls.target.value = str(tmp_path / "mine")
    app.controls.save.click()
    assert "4 files copied" in plain(app.controls.saved)
    copies = tmp_path / "mine"
    assert verify_sounds.verify(app.folder / "originals", copies, verify.read_manifest(copies), -25).kept
    app.player.chooser.choice.index = 0
    original, copy, difference = (one.astype(int) for one in heard(app.player.picture.value))
    assert (original == tone(2000, 1)).all()
    assert (copy == opened((copies / "Anna" / "0.wav").read_bytes(), "0.wav").samples).all()
    assert (difference == 10 * (copy - original)).all()
    with zipfile.ZipFile(app.folder / uploads.ARCHIVE) as archive:
        assert "manifest.json" in archive.namelist()
    app.controls.clear.click()
    assert SOUNDS not in app.controls._page._dom_classes
    assert app.player.picture.value == app.player.text.value == ""


def test_photos_and_recordings_are_not_mixed(app, tmp_path):
    from photographs import encoded, photograph
    from PIL import Image

    photo = encoded(Image.fromarray(photograph(40, 40, seed=1)))
    send(app, [("a.png", photo)])
    send(app, [("0.wav", wav(tone(2000, 1), 16)), ("1.wav", wav(tone(2000, 1), 16))])
    said = plain(app.controls.chosen)
    assert said.startswith("Added 0 photos. 2 files cannot be used: the list says why. The rest is 2 recordings: press")
    assert app.collection.names == ["a.png"]
    app.controls.clear.click()
    (tmp_path / "both").mkdir()
    for name, content in (("0.wav", wav(tone(2000, 1), 16)), ("1.wav", wav(tone(2000, 1), 16)), ("a.png", photo)):
        (tmp_path / "both" / name).write_bytes(content)
    app.controls.path.value = str(tmp_path / "both")
    app.controls.use.click()
    app.job.wait(LONG)
    assert app.collection.names == ["0.wav", "1.wav"]  # of what there is most
    assert "a.png cannot be used" in plain(app.controls.listing)
    assert plain(app.controls.chosen).endswith("The rest is 1 photo: press “Start again” to choose only these.")


def test_a_broken_recording_is_said_and_the_others_go_on(app):
    whole = wav(tone(2000, 1), 16)
    send(app, [("a.wav", whole), ("slow.wav", wav(tone(2000, 1), 16, 4000)), ("notes.wav", b"words")])
    assert app.collection.names == ["a.wav"]
    said = plain(app.controls.listing)
    assert "slow.wav cannot be used: it is at 4,000 Hz" in said
    assert "notes.wav cannot be used" in said


def test_the_self_test_is_that_of_voices(app):
    send(app, [("a.wav", wav(tone(2000, 1), 16))])
    app.controls.make.click()
    app.job.wait(LONG)
    asked = []

    def tested(source, output, config, people, told):
        asked.append(config)
        return SelfTest(pd.DataFrame(), ["It knows 4 < 9."])

    app.self_test = tested
    app.controls.test.click()
    app.job.wait(LONG)
    assert asked == [RecordingsConfig()]
    assert "4 &lt; 9" in app.controls.tested.value
    assert "what-these-copies-still-teach.html" in app.controls.tested.value
    told = [steps.hearing(Step(label, 5, 20, {}, 9.0, 3))[0] for label in (voices.READING, self_test.TRAINING)]
    assert told[0] == "Step 1 of 3: reading the copies, 25% done, about 3 s left of this step."
    assert told[1].startswith("Step 2 of 3: training recognisers on the originals and on the copies")
    assert steps.making(Step("reading recording", 5, 20, {}, 9.0, 3))[0].startswith(
        "Step 1 of 3: reading your recordings"
    )


@pytest.mark.parametrize(("samples", "bits"), [
    (integers(8, 300, 1), 8), (integers(16, 300, 2), 16), (integers(24, 300, 2), 24), (integers(32, 300, 3), 32),
    (np.linspace(-0.9, 0.9, 600, dtype=np.float32).reshape(300, 2), 32),
])  # fmt: skip
def test_every_depth_is_played_in_16_bits_with_its_difference_ten_times(samples, bits):
    original = (
        opened(wav(samples, bits), "a.wav")
        if len(samples) >= 400
        else opened(wav(np.tile(samples, (2, 1)), bits), "a.wav")
    )
    part = player.excerpt(original, original, 0.0, -30)
    part = part._replace(copy=player.preview(part))
    scale = 2.0**15 if original.bits == 0 else 2.0 ** (16 - original.bits)
    moved = part.copy.samples.astype(np.float64) - part.original.samples
    first, second, difference = heard(player.sheet(part, "a.wav", "copy", "words"))
    if samples.shape[1] <= 2:
        assert np.abs(first - (original.samples * scale).round().clip(-32768, 32767)).max() == 0
        assert np.abs(difference - (moved * scale * 10).round()).max() <= 1
    else:
        assert first.shape[1] == second.shape[1] == difference.shape[1] == 1
    assert np.abs(difference).max() <= 32767


def test_of_a_long_recording_a_part_is_played_and_a_slider_chooses_which():
    long = wav(np.tile(np.arange(-8000, 8000, dtype=np.int16), 20)[:, None], 16, 16000)  # 20 s
    shown = player.Player(lambda name: long, lambda name: None)
    shown.offer(["a.wav"])
    shown.draw(-20)
    assert (shown.begin.layout.display, shown.begin.max) == (None, 10)
    assert [len(one) for one in heard(shown.picture.value)] == [160000] * 3
    assert "Played: 10.0 s from second 0.0 on." in plain(shown.picture)
    shown.begin.value = 7
    first = heard(shown.picture.value)[0]
    assert (first[:, 0] == np.tile(np.arange(-8000, 8000), 20)[7 * 16000 : 17 * 16000]).all()
    short = player.Player(lambda name: wav(tone(2000, 1), 16), lambda name: None)
    short.offer(["a.wav"])
    short.draw(-20)
    assert short.begin.layout.display == "none"
    words = re.findall('<img [^>]*alt="([^"]*)"', shown.picture.value)
    assert len(words) == 2
    assert all("Largest change 2" in one and "dB quieter than the recording" in one for one in words)


def test_how_far_a_part_may_move_is_as_the_whole_recording_has_it():
    quiet_first = np.concatenate([tone(16000, 1) // 30, tone(8000, 1)])
    original = opened(wav(quiet_first, 16), "a.wav")
    whole = np.concatenate([most for _, most in limits(original, -20, "envelope")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(player, "LONGEST", 1.0)
        for begin in (0.0, 1.5, 2.0):
            part = player.excerpt(original, original, begin, -20)
            first = round(begin * 8000)
            assert (part.allowed == whole[first : first + 8000]).all()
            moved = np.abs(player.preview(part).samples - part.original.samples)
            assert (moved[1:] == part.allowed[1:]).all()  # a sine begins at nothing


def test_a_silent_recording_has_nothing_to_hear_and_says_so():
    shown = player.Player(lambda name: wav(np.zeros((2000, 1), np.int16), 16), lambda name: None)
    shown.offer(["a.wav"])
    shown.draw(-20)
    assert "Nothing is changed" in plain(shown.text)
    assert len(heard(shown.picture.value)) == 3


def test_what_cannot_be_read_any_more_is_one_line():
    shown = player.Player(lambda name: b"words", lambda name: None)
    shown.offer([EVIL])
    shown.draw(-20)
    assert "cannot be played: it" in plain(shown.text)
    assert "<img src=x" not in shown.text.value
