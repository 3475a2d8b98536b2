"""Merge the tables of complete runs or sweeps into one small, dated result table with its provenance.

    python experiments/collect.py NAME RUN [RUN ...]

writes experiments/results/NAME.csv (the tidy rows of all runs; of sweeps only the accuracies),
NAME.json (device, versions, commit, seconds and data fingerprint of each; of noise runs, which have no table, only
these) and, of a sweep, its figures as NAME.png or NAME_FIGURE.png, of judgements (judge) the leaderboard. Only complete
runs are taken.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from workbench import figures
from workbench.config import WorkbenchError
from workbench.files import atomic
from workbench.records import run_folder, table

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Merge, write, say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    try:
        tables = [rows_of(folder) for folder in arguments.runs if (folder / table.FILE_NAME).exists()]
        records = {folder.name: provenance(folder) for folder in arguments.runs}
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    rows = table.merged(tables).round(5)
    atomic.write_atomically(RESULTS / f"{arguments.name}.csv", rows.to_csv(index=False))
    atomic.write_atomically(RESULTS / f"{arguments.name}.json", json.dumps(records, indent=1) + "\n")
    for folder in arguments.runs:
        copy_figures(folder, arguments.name)
    chances = [record["score"]["chance"] for record in records.values() if "score" in record]
    if chances:  # of judgements the leaderboard is drawn
        (RESULTS / f"{arguments.name}.png").write_bytes(figures.png(figures.leaderboard(rows, chances[0])))
    print(table.summary(rows).to_string(index=False))
    return 0


def rows_of(folder: Path) -> pd.DataFrame:
    """The rows of a run; of many trainings only accuracies, those on training images of the last epoch alone."""
    rows, record = table.read(folder), run_folder.read(folder)
    if limit := record.config.get("limit_train"):  # the same data to fewer images is other data
        rows["data"] += f", {limit:,} images"
    if record.command not in ("sweep", "recognition", "judge"):
        return rows
    kept = rows[(rows["metric"] != "loss") & ~rows["metric"].str.startswith("confusion/")]
    last = kept.groupby("run")["epoch"].transform("max")
    return kept[(kept["split"] != "train") | (kept["epoch"] == last)]


def provenance(folder: Path) -> dict[str, Any]:
    """What a run's record says of where its numbers come from, and the same of the stages behind it."""
    record = run_folder.read(folder)
    kept = record.provenance()
    if record.command == "sweep":
        jobs = {job["name"]: job["seconds"] for job in record.jobs}
        short = {name: {k: v for k, v in stage.items() if k != "versions"} for name, stage in record.stages.items()}
        return kept | {"config": record.config, "seeds": record.seeds, "job_seconds": jobs, "stages": short}
    if record.command == "judge":
        each = sorted((folder / "learners").glob(f"*/{run_folder.RECORD}"))
        spent = {path.parent.name: round(sum(run_folder.read(path.parent).seconds.values()), 1) for path in each}
        score = json.loads((folder / "score.json").read_text(encoding="utf-8"))
        return kept | {"config": record.config, "score": score, "learner_seconds": spent}
    inside = {path.parent.name: provenance(path.parent) for path in sorted(folder.glob(f"*/{run_folder.RECORD}"))}
    return kept | ({"stages": inside} if inside else {})


def copy_figures(folder: Path, name: str) -> None:
    """Copy a sweep's figures beside its table."""
    if run_folder.read(folder).command == "sweep":
        found = sorted((folder / "figures").glob("*.png"))
        for file in found:
            shutil.copyfile(file, RESULTS / (f"{name}.png" if len(found) == 1 else f"{name}_{file.stem}.png"))


if __name__ == "__main__":
    sys.exit(main())
