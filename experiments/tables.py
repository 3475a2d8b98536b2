"""Write the tables of README.md, of docs/ and of experiments/results/ anew from the result files.

    python experiments/tables.py [--check]

A table stands between two comments, of which the first says what it holds:

    <!-- table: photo_digits epsilon=8 victim=convnet-w16 | trained on, defence, seeds, peak, final -->
    <!-- end of table -->

CSV file of experiments/results, the rows' columns to keep, and the columns to show. Accuracies are means over seeds
(lowest to highest) on clean test images. `scores:` instead of `table:` takes the table of a leaderboard and shows the
score of every noise (chance=SHARE last where guessing is not 0.1); its column "published" is the worst case of learners
alone in published.json. `learners:` shows the peak of every learner, one column per noise, clean data first. `tried:`
shows the peaks of trials, one row each; `visible:` the table of experiments/visibility.py; `plain:` some columns of a
table as they stand.
--check writes nothing and exits with 1 when a table is not what it should be.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.figures import name_of, peak
from workbench.figures import scores as score_table
from workbench.judging.learners import known
from workbench.records import table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "design.md", ROOT / "docs" / "photos.md")
FILES = (*PAGES, RESULTS / "README.md", RESULTS / "what_was_tried.md")
MARKED = re.compile(
    r"(<!-- (?P<kind>[a-z]+): (?P<what>[^|\n]+)\|(?P<shown>[^\n]+) -->\n).*?(<!-- end of table -->)",
    re.DOTALL,
)
CHANCE = 0.1  # of the data sets of all leaderboards so far
HEADS = {"defence": "learner's countermeasure", "share": "share with noise"}
BY = ["data", "method", "kind", "epsilon", "victim", "defence", "protected_fraction"]


def main() -> int:
    """Write or check every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check, stale = parser.parse_args().check, []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        fresh = MARKED.sub(anew, text)
        if fresh != text:
            stale.append(path)
            if not check:
                path.write_text(fresh, encoding="utf-8")
    print(
        "\n".join(f"{path.relative_to(ROOT)}: {'stale' if check else 'written'}" for path in stale) or "all as measured"
    )
    return int(bool(stale) and check)


def anew(found: re.Match[str]) -> str:
    """A marked table with its lines as they follow from the result file."""
    makers = {"table": markdown, "scores": scores, "learners": learners, "tried": tried}
    makers |= {"visible": visible, "plain": plain}
    return found[1] + makers[found["kind"]](found["what"], found["shown"]) + found[5]


def scores(what: str, shown: str) -> str:
    """The scores of a leaderboard as Markdown, the smallest worst case first, clean data last."""
    what, _, chance = what.partition(" chance=")
    ranked = score_table(read(what), float(chance or CHANCE))
    columns = [column.strip() for column in shown.split(",")]
    published = json.loads((ROOT / "experiments" / "published.json").read_text(encoding="utf-8"))
    lines = []
    for _, row in ranked.iterrows():
        several = f" ({row['low']:.2f} to {row['high']:.2f})" if row["seeds"] > 1 else ""
        cells = {
            "data": row["data"], "ε": row["epsilon"],
            "noise": name_of(row["method"], row["kind"]), "worst": f"{row['worst']:.2f}{several}",
            "binds": row["binding"], "its ceiling": f"{row['ceiling']:.2f}", "clean best": f"{row['clean_best']:.2f}",
            "retained": f"{row['retained']:.2f}", "seeds": row["seeds"], "learners": row["learners"],
            "published": worst_published(published, row["method"]),
        }  # fmt: skip
        lines.append([cells[column] for column in columns])
    return as_markdown(columns, lines)


def learners(what: str, shown: str) -> str:
    """The peak of every learner as Markdown, one column per noise and budget. shown: what a learner is called in the
    head; where that is "trained", all is said in words.
    """
    rows = read(what)
    rows = rows[(rows["metric"] == "accuracy") & (rows["split"] != "train")]
    keys = ["method", "kind", "epsilon", "defence", "seed", "run"]
    peaks = rows.groupby(keys, sort=False)[["epoch", "split", "metric", "value"]].apply(peak).reset_index(name="peak")
    noises = peaks[keys[:3]].drop_duplicates().sort_values("method", key=lambda one: one != "clean", kind="stable")
    several = noises["epsilon"].nunique() > 2  # clean data's is 0
    if words := shown.strip() == "trained":
        names = [f"on copies, ε = {one[2]}" if one[2] else "on the originals" for one in noises.values]
    else:
        names = [name_of(*one[:2]) + (f", ε = {one[2]}" if several and one[2] else "") for one in noises.values]
    lines = []
    for learner, part in peaks.groupby("defence", sort=False):
        cells = [part[(part[keys[:3]] == one).all(axis=1)]["peak"] for one in noises.values]
        said = known()[learner].words if words else learner
        lines.append([said, *(spread(one) if len(one) else "" for one in cells)])
    return as_markdown([shown.strip(), *names], lines)


def tried(what: str, shown: str) -> str:
    """The peaks of trials as Markdown, one row per trial, with the worst. shown: the learners, by commas."""
    rows = read(what)
    peaks = rows.pivot(index="trial", columns="learner", values="peak").reindex(rows["trial"].drop_duplicates())
    names = [name.strip() for name in shown.split(",")]
    lines = []
    for trial, row in peaks.iterrows():
        cells = ["" if pd.isna(row[name]) else f"{row[name]:.3f}" for name in names]
        lines.append([trial, *cells, f"{row.max():.3f} ({row.idxmax()})"])
    return as_markdown(["trial", *names, "worst of all tried"], lines)


def visible(what: str, shown: str) -> str:
    """How visible noises are, as Markdown, the least visible first. shown: what the means are called."""
    lines = []
    for _, row in read(what).sort_values("ssim", ascending=False).iterrows():
        name = name_of(row["method"], row["kind"])
        lines.append([f"{name}, {row['epsilon']}", f"{row['psnr']:.1f} dB", f"{row['ssim']:.3f}"])
    return as_markdown(["noise, ε", f"PSNR ({shown.strip()})", "SSIM"], lines)


def plain(what: str, shown: str) -> str:
    """Columns of a table as Markdown. shown: these, by commas."""
    columns = [column.strip() for column in shown.split(",")]
    return as_markdown(columns, read(what)[columns].values)


def worst_published(published: dict[str, Any], method: str) -> str:
    """The most that a learner alone got from the method's kin in papers, of clean, as shares; an em dash for none."""
    name = published["kin"].get(method)
    found = [
        (one["accuracy"][name][learner], one["clean"])
        for one in published["sources"]
        if name in one["accuracy"]
        for learner in one["alone"]
    ]
    return f"{name} {max(found)[0] / 100:.2f} of {max(found)[1] / 100:.2f}" if found else "—"


def read(what: str) -> pd.DataFrame:
    """The rows of a result file that meet all conditions: "CSV column=value,value …"; ~ is a space of a value."""
    name, *conditions = what.split()
    rows = pd.read_csv(RESULTS / f"{name}.csv", dtype={"run": str})
    for condition in conditions:
        column, _, values = condition.partition("=")
        rows = rows[rows[column].astype(str).isin(values.replace("~", " ").split(","))]
    return rows


def markdown(what: str, shown: str) -> str:
    """One table as Markdown. what: "CSV column=value …" (several values by commas); shown: its columns, by commas."""
    runs = table.summary(read(what))
    runs = runs.sort_values("defence", key=lambda column: column != "none", kind="stable")
    columns = [column.strip() for column in shown.split(",")]
    lines = []
    for values, group in runs.groupby(BY, sort=False):
        cells = dict(zip(BY, values, strict=True)) | {name: spread(group[name]) for name in ("peak", "final", "train")}
        cells |= {"trained on": name_of(str(cells["method"]), str(cells["kind"])), "seeds": group["seed"].nunique()}
        cells["share"] = f"{cells['protected_fraction']:.0%}"
        lines.append([cells[column] for column in columns])
    return as_markdown([HEADS.get(column, column) for column in columns], lines)


def as_markdown(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table's lines."""
    lines = [*("| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)), ""]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def spread(values: pd.Series) -> str:
    """Mean (lowest to highest)."""
    low, high = values.min(), values.max()
    return f"{values.mean():.3f}" + (f" ({low:.3f} to {high:.3f})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
