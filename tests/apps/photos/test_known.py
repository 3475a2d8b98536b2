"""What a recogniser that exists makes of copies: real faces where a package ships one, else its numbers alone."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from asked import asked_of
from PIL import Image

from workbench.apps.photos import handling, known, known_words
from workbench.config import ConfigError, DataError
from workbench.data.dataset import Dataset
from workbench.models import existing

faces = pytest.mark.skipif(bool(existing.lacking()), reason="the extra `faces` is not installed")


def astronaut() -> Image.Image:
    """A public portrait (NASA) that scikit-image's wheel holds."""
    package = importlib.util.find_spec("skimage")
    return Image.open(Path(package.submodule_search_locations[0]) / "data" / "astronaut.png").convert("RGB")


@faces
def test_a_real_face_is_found_described_and_known_again_after_every_handling():
    picture = astronaut()
    recogniser = existing.Recogniser()
    (left, top, right, bottom), described = recogniser.face(picture)
    assert 150 < left < right < 300  # her face, of 512×512
    assert 40 < top < bottom < 200
    assert described.shape == (128,)
    for how, handle in handling.HANDLINGS.items():
        handled = handle(picture, (left, top, right, bottom))
        assert np.linalg.norm(recogniser.face(handled)[1] - described) < existing.THRESHOLD, how
    assert recogniser.face(Image.fromarray(np.zeros((80, 90, 3), np.uint8))) is None


@faces
def test_copies_and_originals_are_compared_after_every_handling():
    original = np.asarray(astronaut().crop((100, 0, 400, 300)))
    lighter = np.clip(original.astype(int) + 20, 0, 255).astype(np.uint8)
    nothing = np.full((100, 120, 1), 128, np.uint8)
    shots = [
        known.Shot("a", original, np.clip(original + np.int16(8), 0, 255).astype(np.uint8)),
        known.Shot("a", lighter, nothing.repeat(3, 2)),  # a copy of which nothing is left
        known.Shot("b", nothing, nothing),
    ]
    found = known.compare(shots, 3)
    assert list(found["handling"]) == list(handling.HANDLINGS)
    plain = found.iloc[0]
    assert (plain["photos"], plain["asked"], plain["persons"]) == (3, 2, 2)
    assert plain["found_originals"] == pytest.approx(2 / 3)
    assert plain["found_copies"] == pytest.approx(1 / 3)
    assert plain["known_originals"] == 1.0
    assert plain["known_copies"] == 0.5
    assert plain["learnt_copies"] == 0.5  # the second, by the copy of the first; the first has no copy but its own
    assert plain["same"] == pytest.approx(1 / 3)
    assert plain["wrong_copies"] == 0.0


def test_without_the_packages_it_is_one_line(monkeypatch):
    monkeypatch.setattr(existing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"an existing recogniser cannot be asked: it needs the package dlib.*faces.*105 MB"
    ):
        existing.Recogniser()


@faces
def test_other_weights_are_refused(monkeypatch):
    name = next(iter(existing.FILES))
    monkeypatch.setitem(existing.FILES, name, "0" * 64)
    existing._weights.cache_clear()
    with pytest.raises(DataError, match=f"{name} is not the file"):
        existing.Recogniser()
    existing._weights.cache_clear()


def test_of_many_photos_everybody_is_asked_about_first_once():
    people = ["a"] * 200 + ["b"] * 3
    some = known.chosen(people)
    assert len(some) == known.MOST
    assert some == sorted(some)
    assert [people[place] for place in some].count("b") == 3
    assert known.chosen(["a", "b"]) == [0, 1]


@pytest.mark.parametrize(("table", "lead"), [
    (asked_of(20, 18), "still knows who is on the copies: it names 18 of 20 rightly"),
    (asked_of(20, 9), "knows less often who is on the copies: it names 9 of 20"),
    (asked_of(20, 18, others=False), "it takes 18 of 20 for the same person"),
    (asked_of(20, 18).assign(persons=1), "it takes 18 of 20 for the same person"),
    (asked_of(20, 18, found=0.2), "Of a face recogniser that exists already (dlib's, of 2017) nothing can be said"),
])  # fmt: skip
def test_the_sentences_follow_from_the_numbers(table, lead):
    found = known_words.sentences(table)
    assert lead in found[0]
    assert "protected" not in " ".join(found)
    assert known_words.can_judge(table) == ("can be said" not in found[0])


def test_the_handling_that_confuses_it_most_is_named():
    found = known_words.sentences(asked_of(20, 18, grey=5))
    assert "5 of 20 (turned grey) to 18 of 20 (as they are)" in found[1]
    assert "services do it: 18 of 20 each" in known_words.sentences(asked_of(20, 18))[1]
    assert len(known_words.lines(asked_of(20, 18))) == len(handling.HANDLINGS)
    assert "18 of 20 (20)" in known_words.in_text(asked_of(20, 18))
    assert known_words.lines(asked_of(20, 18, others=False))[0][2] == "-"


def test_photos_are_handled_as_services_do():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 4096, 3), dtype=np.uint8))
    sizes = {how: handle(picture, (100, 50, 200, 150)).size for how, handle in handling.HANDLINGS.items()}
    assert sizes["half the size"] == (2048, 150)
    assert sizes["at most 2048 pixels, JPEG 85"] == (2048, 150)
    assert sizes["cropped to the face"] == (180, 180)
    assert sizes["a screenshot"] == (2990, 219)
    assert handling.HANDLINGS["cropped to the face"](picture, None) is None
    grey = np.asarray(handling.HANDLINGS["turned grey"](picture, None))
    assert (grey[..., 0] == grey[..., 2]).all()


@faces
def test_samples_of_a_data_set_are_asked_about_enlarged_and_as_they_are_alone():
    small = np.asarray(astronaut().crop((140, 20, 310, 230)).resize((52, 64)))
    samples = torch.from_numpy(np.stack([small, small, np.zeros_like(small)])).permute(0, 3, 1, 2)
    data = Dataset(samples, torch.tensor([1, 1, 0]), ("nobody", "she"), ("a", "b", "c"))
    shots = known.shots_of(data, samples)
    assert [(shot.person, max(shot.copy.shape)) for shot in shots] == [("she", 256), ("she", 256), ("nobody", 256)]
    (row,) = known.compare(shots, 3, [known.AS_THEY_ARE]).to_dict("records")
    assert row["found_originals"] == row["found_copies"] == pytest.approx(2 / 3)
    assert (row["known_originals"], row["known_copies"], row["distance"]) == (1.0, 1.0, 0.0)
    assert known.shots_of(data, 255 - samples)[0].copy.mean() == pytest.approx(255 - shots[0].copy.mean(), abs=1)
