"""Write the tables of README.md, docs/design.md and experiments/results/README.md anew from the result files.

    python experiments/tables.py [--check]

A table stands between two comments, of which the first says what it holds:

    <!-- table: photo_digits epsilon=8 victim=convnet-w16 | trained on, defence, seeds, peak, final -->
    <!-- end of table -->

CSV file of experiments/results, the rows' columns to keep, and the columns to show. Accuracies are means over seeds
(lowest to highest) on clean test images. --check writes nothing and exits with 1 when a table is not what it should be.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

from workbench.figures import name_of
from workbench.records import table

ROOT = Path(__file__).resolve().parent.parent
FILES = (ROOT / "README.md", ROOT / "docs" / "design.md", ROOT / "experiments" / "results" / "README.md")
MARKED = re.compile(r"(<!-- table: ([^|\n]+)\|([^\n]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
HEADS = {"defence": "learner's countermeasure", "share": "share with noise"}
BY = ["data", "method", "kind", "epsilon", "victim", "defence", "protected_fraction"]


def main() -> int:
    """Write or check every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check, stale = parser.parse_args().check, []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        fresh = MARKED.sub(lambda found: found[1] + markdown(found[2], found[3]) + found[4], text)
        if fresh != text:
            stale.append(path)
            if not check:
                path.write_text(fresh, encoding="utf-8")
    print(
        "\n".join(f"{path.relative_to(ROOT)}: {'stale' if check else 'written'}" for path in stale) or "all as measured"
    )
    return int(bool(stale) and check)


def markdown(what: str, shown: str) -> str:
    """One table as Markdown. what: "CSV column=value …" (several values by commas); shown: its columns, by commas."""
    name, *conditions = what.split()
    runs = table.summary(pd.read_csv(ROOT / "experiments" / "results" / f"{name}.csv", dtype={"run": str}))
    for condition in conditions:
        column, _, values = condition.partition("=")
        runs = runs[runs[column].astype(str).isin(values.split(","))]
    runs = runs.sort_values("defence", key=lambda column: column != "none", kind="stable")
    columns = [column.strip() for column in shown.split(",")]
    lines = ["| " + " | ".join(HEADS.get(column, column) for column in columns) + " |", "|---" * len(columns) + "|"]
    for values, group in runs.groupby(BY, sort=False):
        cells = dict(zip(BY, values, strict=True)) | {name: spread(group[name]) for name in ("peak", "final", "train")}
        cells |= {"trained on": name_of(str(cells["method"]), str(cells["kind"])), "seeds": group["seed"].nunique()}
        cells["share"] = f"{cells['protected_fraction']:.0%}"
        lines.append("| " + " | ".join(str(cells[column]) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def spread(values: pd.Series) -> str:
    """Mean (lowest to highest)."""
    low, high = values.min(), values.max()
    return f"{values.mean():.3f}" + (f" ({low:.3f} to {high:.3f})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
