"""The campaign of faults, small: it causes some, and nothing is lost or wrong."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "experiments" / "bench" / "faults.py"
PATIENCE = 240  # seconds for what takes a calm processor a twentieth of that


def test_a_small_campaign_causes_faults_that_all_are_survived(tmp_path):
    words = [
        "--points",
        "4",
        "--others",
        "0",
        "--works",
        "noise",
        "--sweeps",
        "0",
        "--out",
        str(tmp_path / "table.csv"),
    ]
    try:
        ended = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.skip("the machine is too busy for a campaign")
    assert ended.returncode == 0, ended.stderr
    *rows, total = csv.DictReader((tmp_path / "table.csv").open())
    assert {row["fault"] for row in rows} == {"SIGKILL at any moment", "SIGKILL within a change"}
    assert int(total["caused"]) >= 4
    assert total["survived"] == total["caused"]
    assert (total["lost"], total["wrong"]) == ("0", "0")
    assert (tmp_path / "table.json").exists()
