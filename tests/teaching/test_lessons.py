"""Every lesson and its answers run to the end without a person, in the smallest size."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from forked import ForkedKernel

from workbench.cli import main
from workbench.records import run_folder, table
from workbench.sweep import notebook

ROOT = Path(__file__).parents[2]
NAMES = ("1_unlearnable_picture", "2_min_min_by_hand", "3_what_noise_looks_like")
LESSONS = [ROOT / "notebooks" / "course" / f"{name}.ipynb" for name in NAMES]
ANSWERS = [ROOT / "docs" / "answers" / path.name for path in LESSONS]
SMALL = {"data": "photo-digits:60", "limit_train": 0, "limit_test": 30, "network": "convnet-w2", "epochs": 1}
SECTIONS = ("**Aim.**", "need to know", "Predict", "## Do", "Exercises", "*Easy.*", "*Middle.*", "*Hard.*", "Summary",
            "Further reading", "What this does not show")  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Where the lessons' stages lie: what one has made the others read back."""
    return tmp_path_factory.mktemp("store")


def outputs(run: Path) -> str:
    cells = nbformat.read(run / "notebook.ipynb", as_version=4).cells
    return "\n".join(json.dumps(cell.get("outputs", "")) for cell in cells)


@pytest.mark.parametrize("path", [*LESSONS, *ANSWERS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_runs_to_the_end_without_a_person(path, store, tmp_path, monkeypatch):
    monkeypatch.setattr("jupyter_client.provisioning.local_provisioner.launch_kernel", ForkedKernel)
    passes = {"passes": 1} if path.stem.startswith("2_") else {}
    notebook.run(path, tmp_path / "run", {**SMALL, **passes}, store=store)
    run = tmp_path / "run"
    assert run_folder.read(run).state == "complete"
    shown, rows = outputs(run), table.read(run)
    noisy = rows[rows["metric"] == "accuracy"]
    assert {"none", "grayscale"} <= set(noisy["defence"]) or path in ANSWERS
    assert {"clean"} < set(noisy["method"])
    assert '"image/png":' not in shown  # which would have no words
    assert shown.count("<img ") == len(re.findall(r'alt=\\"[^"\\]{40,}', shown)) > 0
    if path in LESSONS:
        assert "random" in set(noisy["method"])
        assert "You made no guess" in shown
    if path.stem.startswith("2_"):
        by_hand = {name for name in rows["method"] if name.startswith(("by-hand", "given-steps"))}
        assert by_hand == ({"given-steps"} if path in LESSONS else {"by-hand-1"})
        said = "".join(part.split('"text/html"')[0] for part in shown.split('"text/plain"')[1:])
        assert said.count("there is still a gap") == (3 if path in LESSONS else 0)
        assert said.count(": right. The cells below use yours.") == (3 if path in ANSWERS else 0)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_all_its_parts(path):
    told = notebook.told(path)
    assert [part for part in SECTIONS if part not in told] == []


def test_the_command_line_refuses_a_wrong_parameter_of_a_lesson(tmp_path, capsys):
    for name in NAMES:
        assert main(["run", name, "--out", str(tmp_path / "run"), "-p", "network", "convnet"]) == 2
        assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
