"""The tables of README.md and of the results' page follow from the result files."""

import importlib.util
from pathlib import Path

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


def test_a_table_says_mean_and_spread():
    text = tables.markdown("photo_digits method=clean defence=none", "trained on, seeds, final")
    assert text.splitlines()[0] == "| trained on | seeds | final |"
    assert text.splitlines()[2].startswith("| clean | 3 | 0.9")
    assert " to " in text


def test_what_is_said_about_photos_is_what_was_measured():
    def mean(name, **wanted):
        rows = tables.table.summary(
            tables.pd.read_csv(ROOT / "experiments" / "results" / f"{name}.csv", dtype={"run": str})
        )
        wanted = {"method": "targeted", "defence": "none", "victim": "convnet-w8", "protected_fraction": 1.0, **wanted}
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        return f"{rows['final'].mean():.2f}"

    clean = mean("faces_files", method="clean", protected_fraction=0.0)
    two = [mean("faces_files", epsilon=epsilon) for epsilon in (8, 15)]
    some = mean("faces", epsilon=15, protected_fraction=0.75)
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"took a recogniser from {clean} to {two[0]} (hard to see, ε = 8) or {two[1]} (visible, ε = 15)" in said
    assert f"One clean photo in four brought it back to {some}" in said
