"""The campaign of faults, small: it causes some, and nothing is lost or wrong."""

import csv
import runpy
import sys
from pathlib import Path

import pytest
from forked import call

SCRIPT = Path(__file__).resolve().parent.parent / "experiments" / "bench" / "faults.py"
PATIENCE = 240  # seconds for what takes a calm processor a twentieth of that


def test_a_small_campaign_causes_faults_that_all_are_survived(tmp_path):
    words = [
        "--points",
        "2",
        "--others",
        "0",
        "--works",
        "noise",
        "--sweeps",
        "0",
        "--out",
        str(tmp_path / "table.csv"),
    ]

    def script() -> None:
        sys.argv[:] = [str(SCRIPT), *words]
        sys.path.insert(0, str(SCRIPT.parent))
        runpy.run_path(str(SCRIPT), run_name="__main__")

    ended = call(script, tmp_path / "said")
    ended.join(PATIENCE)
    if ended.is_alive():
        ended.kill()
        pytest.skip("the machine is too busy for a campaign")
    assert ended.exitcode == 0, (tmp_path / "said").read_text()
    *rows, total = csv.DictReader((tmp_path / "table.csv").open())
    assert {row["fault"] for row in rows} == {"SIGKILL at any moment", "SIGKILL within a change"}
    assert int(total["caused"]) >= 2
    assert total["survived"] == total["caused"]
    assert (total["lost"], total["wrong"]) == ("0", "0")
    assert (tmp_path / "table.json").exists()
