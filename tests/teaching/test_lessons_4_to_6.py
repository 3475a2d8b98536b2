"""Lessons 4 to 6 and their answers run to the end in the smallest size, with pictures, words and files."""

import re
from pathlib import Path

import nbformat
import pytest
from forked import ForkedKernel

from workbench.records import run_folder, table
from workbench.sweep import notebook

ROOT = Path(__file__).resolve().parents[2]
DIGITS = {"data": "photo-digits:60", "limit_test": 30, "network": "convnet-w2", "epochs": 1, "device": "cpu"}
PEOPLE = {"people": "synthetic-people:3", "side": 16, "voices": "spoken-digits:40", "limit_test": 20, "epochs": 1}
SMALLEST = {
    "4_break_it": DIGITS,
    "5_design_a_noise": DIGITS,
    "6_faces_voices_honesty": PEOPLE | {"voice_epochs": 1, "network": "convnet-w2", "device": "cpu"},
}


@pytest.mark.parametrize("folder", ["notebooks/course", "docs/answers"])
@pytest.mark.parametrize("name", SMALLEST)
def test_a_lesson_runs_to_its_end(name, folder, tmp_path, monkeypatch, learners_here):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", ForkedKernel)
    run = tmp_path / "run"
    notebook.run(ROOT / folder / f"{name}.ipynb", run, SMALLEST[name])
    assert run_folder.read(run).complete
    methods = set(table.read(run)["method"])
    assert "clean" in methods
    assert len(methods) > 1
    cells = nbformat.read(run / "notebook.ipynb", as_version=4).cells
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    assert not any("image/png" in data for data in shown)  # which would have no words
    outputs = [data["text/html"] for data in shown if "text/html" in data]
    pictures = [output for output in outputs if "<img" in output]
    assert len(pictures) >= len(list((run / "figures").glob("*.png"))) > 0
    assert all(re.search(r'alt="[^"]{40,}"', output) for output in pictures)
    if folder.startswith("notebooks"):
        assert sum("No guess yet" in output for output in outputs) >= 2
    if name.startswith("5"):
        assert (run / "board" / "board.csv").is_file()
        assert any("broken.safetensors is skipped" in output for output in outputs) == folder.startswith("notebooks")


@pytest.mark.parametrize("name", SMALLEST)
def test_an_answer_lies_apart_from_its_lesson(name):
    folders = ROOT / "notebooks" / "course", ROOT / "docs" / "answers"
    lesson, answer = (nbformat.read(where / f"{name}.ipynb", as_version=4) for where in folders)
    assert not {cell.source for cell in answer.cells if len(cell.source) > 200} & {cell.source for cell in lesson.cells}
    for grade in ("*Easy.*", "*Middle.*", "*Hard.*"):
        assert any(grade in cell.source for cell in lesson.cells)
    for part in ("**Aim.**", "What you need to know", "Predict", "## Explain", "## Summary", "## Further reading"):
        assert any(part in cell.source for cell in lesson.cells), part
