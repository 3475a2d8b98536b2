"""Whose photo is it? An album sorted by person, by an existing recogniser; shown, and corrected by hand in a table."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from workbench.apps import html
from workbench.apps.photos.handling import picture_of
from workbench.apps.photos.sources import Source, gather
from workbench.config import DataError
from workbench.files import atomic, untrusted
from workbench.files.names import STEERS
from workbench.files.pictures import Refused, decode
from workbench.models.existing import Recogniser
from workbench.progress import progress

APART = 0.5  # mean distance of two groups that stay two: on 20 people of the AT&T faces no two were mixed
HERE = "./"  # before every name in the table: a spreadsheet takes one that begins with = for a formula
COLUMNS = ("photo", "person", "face")
LOOKING = "looking for faces, photo"
NOBODY = "no face found"
SIDE = 96  # pixels of a thumbnail
MOST_BYTES = 8 * 2**20  # of a table: 100,000 photos
LINES = 20  # of progress where there is no bar
ADVICE = "make it anew with `workbench group`"


@dataclass(frozen=True)
class Grouped:
    """A photo, the person it was taken for, and its face as a thumbnail (uint8 H×W×3; None: none was found)."""

    name: str
    person: str
    face: np.ndarray | None


def group(source: Path) -> list[Grouped]:
    """Sort the photos of a file, folder or .zip by the largest face on each; the person with most photos first.

    Whoever is on one photo alone is a person too. What is no picture is left out. Raises ConfigError where no
    recogniser is installed, DataError where no photo can be used.
    """
    recogniser = Recogniser()
    names: list[str] = []
    faces: list[np.ndarray | None] = []
    seen: list[np.ndarray] = []
    sources = gather(source)[0]
    with progress(LOOKING, len(sources), lines=LINES) as steps:
        for one in sources:
            try:
                picture = picture_of(decode(one.read(), one.name).pixels)
            except Refused:
                continue
            finally:
                steps.advance()
            found = recogniser.face(picture)
            names.append(one.name)
            faces.append(np.asarray(picture.crop(found[0]).resize((SIDE, SIDE))) if found else None)
            seen += [found[1]] if found else []
    if not names:
        raise DataError(f"{source} holds no usable image")
    numbers = iter(clustered(np.array(seen)))
    return [
        Grouped(name, NOBODY if face is None else f"person {next(numbers)}", face)
        for name, face in zip(names, faces, strict=True)
    ]


def clustered(faces: np.ndarray) -> list[int]:
    """Number the people, from 1, by how many faces they have. faces: N×128."""
    if len(faces) < 2:
        return [1] * len(faces)
    from sklearn.cluster import AgglomerativeClustering  # here: `protect` imports this module and clusters nothing

    labels = AgglomerativeClustering(n_clusters=None, distance_threshold=APART, linkage="average").fit_predict(faces)
    order = [label for label, _ in Counter(labels.tolist()).most_common()]
    return [order.index(label) + 1 for label in labels]


def write(groups: Sequence[Grouped], path: Path) -> Path:
    """Write the table, and beside it a page with all faces, PATH.html, and return that. Raises DataError for files
    that are there already.
    """
    page = path.with_suffix(".html")
    for file in (path, page):
        atomic.check_new(file)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    ordered = in_order(groups)
    rows.writerows((f"{HERE}{one.name}", one.person, "yes" if one.face is not None else "no") for one in ordered)
    atomic.write_new(path, text.getvalue())
    atomic.write_new(page, _page(ordered, path))
    return page


def in_order(groups: Iterable[Grouped]) -> list[Grouped]:
    """Sort by person, "person 10" after "person 2", those without a face last."""

    def place(one: Grouped) -> tuple[bool, int, str, str]:
        last = one.person.rpartition(" ")[2]
        return one.face is None, int(last) if last.isdecimal() else 0, one.person, one.name

    return sorted(groups, key=place)


def _page(groups: Sequence[Grouped], table: Path) -> str:
    """All faces, person by person, with their photos' names; nothing is loaded from elsewhere."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Who is on which photo</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:15px/1.5 sans-serif;margin:16px;'
        "color-scheme:light dark}figcaption{overflow-wrap:anywhere}</style><h1>Who is on which photo</h1>"
        "<p>Sorted by a program that makes mistakes. Correct the column “person” in "
        f"{escape(table.name)}, with any name that you like.</p>"
    ]
    return "\n".join([*parts, faces(groups, 2)])


def faces(groups: Sequence[Grouped], level: int) -> str:
    """Show the faces as HTML, person by person, with their photos' names. level: of the headings."""
    parts = []
    for person in dict.fromkeys(one.person for one in groups):
        mine = [one for one in groups if one.person == person]
        parts.append(f"<h{level}>{escape(person)}: {len(mine)}</h{level}>")
        shown = [html.picture(one.face, one.name, f"face on {one.name}", SIDE) for one in mine if one.face is not None]
        parts.append(html.side_by_side(shown))
        parts += [html.plain(one.name) for one in mine if one.face is None]
    return "\n".join(parts)


def read(path: Path) -> dict[str, str]:
    """Read such a table, as somebody may have saved it again from a spreadsheet: person by photo. Raises DataError."""
    with untrusted.reading(path, "a table of photos and people", ADVICE):
        try:
            text = untrusted.read(path, MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError("is no UTF-8 text") from error
        mark = ";" if ";" in text.partition("\n")[0] else ","
        try:
            rows = list(csv.DictReader(io.StringIO(text), delimiter=mark, strict=True))
        except csv.Error as error:
            raise DataError(f"cannot be read ({error})") from error
        if not rows or not {"photo", "person"} <= rows[0].keys():
            raise DataError("has no columns photo and person, or no rows")
        found: dict[str, str] = {}
        for row in rows:
            name, person = (row["photo"] or "").removeprefix(HERE), row["person"]
            if not name or not person or not person.strip() or STEERS.search(person):
                raise DataError(f"names no person for {untrusted.one_line(name)!r}")
            if found.setdefault(name, person.strip()) != person.strip():
                raise DataError(f"names two people for {untrusted.one_line(name)!r}")
        return found


def owned(sources: Iterable[Source], people: Mapping[str, str] | None) -> list[Source]:
    """Give every photo the person of the table, "" to those that are not in it; without a table its folder's."""
    if people is None:
        return list(sources)
    return [Source(one.name, people.get(one.name, ""), one.read) for one in sources]


def check_named(photos: Iterable[Source], people: Mapping[str, str]) -> None:
    """Raise DataError for a photo that is not in the table."""
    for one in photos:
        if one.name not in people:
            raise DataError(f"the table of people does not name {untrusted.one_line(one.name)}: add it, or {ADVICE}")
