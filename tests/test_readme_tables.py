"""The tables of README.md and of the results' page follow from the result files."""

import importlib.util
from pathlib import Path

import nbformat
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("tables", ROOT / "experiments" / "tables.py")
tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tables)


@pytest.mark.parametrize("path", tables.FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_marked_table_is_what_was_measured(path):
    found = list(tables.MARKED.finditer(path.read_text(encoding="utf-8")))
    assert found
    for one in found:
        assert one[0] == tables.anew(one), one["what"]


def test_the_lesson_on_people_shows_what_was_measured():
    book = nbformat.read(ROOT / "notebooks" / "course" / "6_faces_voices_honesty.ipynb", as_version=4)
    found = [one for cell in book.cells for one in tables.MARKED.finditer(cell.source)]
    assert len(found) == 2
    for one in found:
        assert one[0].rstrip() == tables.anew(one).rstrip(), one["what"]


def test_a_table_says_mean_and_spread():
    text = tables.markdown("photo_digits method=clean defence=none", "trained on, seeds, final")
    assert text.splitlines()[0] == "| trained on | seeds | final |"
    assert text.splitlines()[2].startswith("| clean | 3 | 0.9")
    assert " to " in text


def test_what_is_said_about_photos_is_what_was_measured():
    def runs(name, **wanted):
        found = tables.table.summary(tables.read(name))
        for column, value in wanted.items():
            found = found[found[column] == value]
        return found

    def most(**wanted):
        return runs("faces_judged", **wanted).groupby("defence")["peak"].mean().max()

    clean = most(method="clean")
    usual, strong = (most(method="robust-targeted", epsilon=epsilon) for epsilon in (8, 15))
    some = runs("faces", method="targeted", defence="none", epsilon=15, protected_fraction=0.75)["final"].mean()
    six = runs("faces_six", method="robust-targeted").groupby("defence")["peak"].mean()
    readme, page = (
        " ".join((ROOT / name).read_text(encoding="utf-8").split()) for name in ("README.md", "docs/photos.md")
    )
    assert f"still named {usual:.2f} from copies at ε = 8 and {strong:.2f} at ε = 15 ({clean:.2f} from" in readme
    assert f"One clean photo in four brought a recogniser back to {some:.2f}" in readme
    assert (
        f"still named {100 * usual:.0f} of 100 photos rightly at the usual strength (ε = 8), and {100 * strong:.0f} of"
        in page
    )
    assert f"the noise is nearly useless: {100 * some:.0f} of 100" in page
    app = " ".join((ROOT / "workbench/apps/photos/page.html").read_text(encoding="utf-8").split())
    assert f"named {100 * usual:.0f} of 100 photos at strength 8, and {100 * strong:.0f} at 15" in app
    faces = pd.read_csv(tables.RESULTS / "faces_where.csv").groupby(["learner_sees", "noise_on"])["protected"].max()
    whole, face = faces["the face", "whole"], faces["the face", "faces"]
    assert f"cuts it out named {100 * whole:.0f} at 15, and {100 * face:.0f} where only" in app
    assert f"who cuts it out names {whole:.2f} at ε = 15, and {face:.2f} with `--where faces`" in readme
    asked = pd.read_csv(tables.RESULTS / "existing_recogniser.csv").set_index(["method", "epsilon", "handling"])
    known = asked.loc[("robust-targeted", 15, "as they are")]
    numbers = [round(known[name] * known["asked"]) for name in ("known_copies", "known_originals")]
    assert f"names {numbers[0]} of {known['asked']:.0f} copies at ε = 15, of the originals {numbers[1]}" in readme
    assert {"none", "adamw", "adversarial-4", "resize-half"} <= set(six[six == 1].index)  # who names all of six people
