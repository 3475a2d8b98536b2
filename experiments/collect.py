"""Merge the tables of complete runs into one small, dated result table with its provenance.

    python experiments/collect.py NAME RUN [RUN ...]

writes experiments/results/NAME.csv (the tidy rows of all runs) and NAME.json (device, versions, commit, seconds and
data fingerprint of each; of noise runs, which have no table, only these). Only complete runs are taken.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from workbench import results, runs
from workbench.config import WorkbenchError

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Merge, write, say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    try:
        tables = [results.read(folder) for folder in arguments.runs if (folder / results.FILE_NAME).exists()]
        records = {folder.name: provenance(folder) for folder in arguments.runs}
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    rows = pd.concat(tables, ignore_index=True).round(5)
    runs.write_atomically(RESULTS / f"{arguments.name}.csv", rows.to_csv(index=False))
    runs.write_atomically(RESULTS / f"{arguments.name}.json", json.dumps(records, indent=1) + "\n")
    print(results.summary(rows).to_string(index=False))
    return 0


def provenance(folder: Path) -> dict:
    """What a run's record says of where its numbers come from, and the same of the runs inside it."""
    record = runs.read(folder)
    inside = {path.parent.name: provenance(path.parent) for path in sorted(folder.glob(f"*/{runs.RECORD}"))}
    return {name: record[name] for name in runs.PROVENANCE if name in record} | ({"stages": inside} if inside else {})


if __name__ == "__main__":
    sys.exit(main())
