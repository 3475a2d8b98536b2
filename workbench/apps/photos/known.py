"""Does a recogniser that exists already still know who is on the copies? Asked after all that services do to photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from workbench.apps.photos.handling import HANDLINGS, picture_of
from workbench.data.dataset import Dataset
from workbench.models.existing import THRESHOLD, Recogniser, scaled
from workbench.progress import progress

ASKING = "asking a recogniser that exists, photo"
LINES = 10  # of progress where there is no bar
SMALLEST = 256  # pixels a side, below which samples of a data set are enlarged
MOST = 80  # photos that are asked about, of all people alike
AS_THEY_ARE = next(iter(HANDLINGS))
COLUMNS = ("handling", "photos", "asked", "persons", "found_originals", "found_copies", "same", "distance",
           "known_originals", "known_copies", "learnt_copies", "wrong_copies")  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A photo and its copy: uint8 H×W×C, of one size."""

    person: str
    original: np.ndarray
    copy: np.ndarray


def chosen(people: Sequence[str]) -> list[int]:
    """Choose at most MOST photos, the first of every person before anybody's second; places, in order."""
    turns: dict[str, int] = {}
    ranked = []
    for place, person in enumerate(people):
        turns[person] = turns.get(person, 0) + 1
        ranked.append((turns[person], place))
    return sorted(place for _, place in sorted(ranked)[:MOST])


def shots_of(data: Dataset, copies: Tensor) -> list[Shot]:
    """Give at most MOST samples of a data set as photos with their copies; small ones enlarged, or no face is found.

    copies: uint8 N×C×H×W like the samples. A class is a person.
    """
    people = [data.classes[label] for label in data.labels.tolist()]
    share = max(1.0, SMALLEST / data.side)

    def enlarged(samples: Tensor, place: int) -> np.ndarray:
        return np.asarray(scaled(picture_of(samples[place].permute(1, 2, 0).numpy()), share))

    return [Shot(people[at], enlarged(data.samples, at), enlarged(copies, at)) for at in chosen(people)]


def compare(shots: Iterable[Shot], count: int, handlings: Sequence[str] = tuple(HANDLINGS)) -> pd.DataFrame:
    """Ask about every photo and its copy; a row per handling (of handling.HANDLINGS, AS_THEY_ARE among them).

    shots: `count` of them, decoded one after another. Of COLUMNS, shares 0..1 of all photos are: found_originals,
    found_copies (a face is found); same (the copy is taken for the same person as its own original); of the photos of
    people who have two (asked; NaN for none): known_originals, known_copies (nearest to another photo of the same
    person among the originals, within THRESHOLD), learnt_copies (an original, looked up among everybody's handled
    copies but its own), wrong_copies (taken for somebody else). distance: mean, of a copy to its own original.
    """
    recogniser, people = Recogniser(), list[str]()
    faces: dict[tuple[str, str], list[np.ndarray]] = {(how, side): [] for how in handlings for side in ("o", "c")}
    with progress(ASKING, count, lines=LINES) as steps:
        for shot in shots:
            people.append(shot.person)
            for side, pixels in (("o", shot.original), ("c", shot.copy)):
                for how, face in _faces(recogniser, pixels, handlings):
                    faces[how, side].append(face)
            steps.advance()
    whose = np.array(people)
    before = np.array(faces[AS_THEY_ARE, "o"])
    rows = [_row(how, before, np.array(faces[how, "o"]), np.array(faces[how, "c"]), whose) for how in handlings]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _faces(recogniser: Recogniser, pixels: np.ndarray, handlings: Sequence[str]) -> Iterable[tuple[str, np.ndarray]]:
    """Describe the face of one picture after every handling: 128 values, NaN where none is found."""
    picture = picture_of(pixels)
    whole = recogniser.face(picture)
    none = np.full(128, np.nan)
    for how in handlings:
        if how == AS_THEY_ARE:
            found = whole
        else:
            handled = HANDLINGS[how](picture, whole[0] if whole else None)
            found = recogniser.face(handled) if handled is not None else None
        yield how, found[1] if found else none


def _row(how: str, before: np.ndarray, originals: np.ndarray, copies: np.ndarray, people: np.ndarray) -> dict[str, Any]:
    several = np.array([np.sum(people == person) > 1 for person in people])
    known_originals, _ = _named(originals, before, people)
    known_copies, wrong = _named(copies, before, people)
    learnt, _ = _named(before, copies, people)
    own = np.linalg.norm(copies - before, axis=1)
    shares = {
        "known_originals": known_originals,
        "known_copies": known_copies,
        "learnt_copies": learnt,
        "wrong_copies": wrong,
    }
    return {
        "handling": how,
        "photos": len(people),
        "asked": int(several.sum()),
        "persons": len(set(people)),
        "found_originals": float(np.mean(~np.isnan(originals[:, 0]))),
        "found_copies": float(np.mean(~np.isnan(copies[:, 0]))),
        "same": float(np.mean(own <= THRESHOLD)),
        "distance": float(np.nanmean(own)) if np.isfinite(own).any() else np.nan,
        **{name: float(np.mean(values[several])) if several.any() else np.nan for name, values in shares.items()},
    }


def _named(probes: np.ndarray, gallery: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Look every probe up among all gallery faces but that of the same photo: named rightly, named wrongly; bool N."""
    apart = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    np.fill_diagonal(apart, np.nan)
    apart = np.where(np.isnan(apart), np.inf, apart)
    nearest, near = apart.argmin(1), apart.min(1) <= THRESHOLD
    right = people[nearest] == people
    return near & right, near & ~right
