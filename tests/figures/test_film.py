"""The film of a search: one row per name, one column per stage, columns to come are empty."""

import numpy as np
import pytest
import torch

from workbench import figures
from workbench.teaching import Film, live


def noise(size: float) -> np.ndarray:
    return np.full((3, 3, 4, 4), size)


def test_a_film_shows_every_stage_and_leaves_room_for_those_to_come():
    figure = figures.film({"round 1": noise(0.0), "round 2": noise(8.0)}, 8, ["class a", "class b"], total=4)
    shown = [[len(axis.images) for axis in figure.axes[row * 4 : row * 4 + 4]] for row in range(2)]
    assert shown == [[1, 1, 0, 0]] * 2
    grey, bright = (axis.images[0].get_array() for axis in figure.axes[:2])
    assert (int(grey.min()), int(grey.max()), int(bright.min())) == (127, 127, 254)
    assert "round 2: largest change 8.0" in figures.words_of(figure)


def test_there_must_be_a_stage():
    with pytest.raises(ValueError, match="at least one stage"):
        figures.film({}, 8, ["a"])


def test_a_later_picture_takes_the_place_of_the_first(monkeypatch):
    calls = []

    class Handle:
        def display(self, bundle, raw):
            calls.append("display")

        def update(self, bundle, raw):
            calls.append("update")

    monkeypatch.setattr(live, "DisplayHandle", Handle)
    film, delta = Film(8, ("a", "b", "c", "d"), 3), torch.zeros(4, 3, 4, 4)
    film.add("pass 1", delta)
    delta += 8  # a search changes its noise in place: what was shown stays
    film.add("pass 2", delta)
    assert calls == ["display", "update"]
    assert "pass 1: largest change 0.0; pass 2: largest change 8.0" in figures.words_of(film.figure())
