"""A judgement, or a class's board of them, in words and as a page for a browser."""

from pathlib import Path
from typing import Any

from workbench.judging import board
from workbench.judging.score import Score
from workbench.judging.stage import FIGURE
from workbench.records import run_folder
from workbench.sweep import report

COLUMNS = (
    "learner",
    "tier",
    "clean data",
    "published data",
    "lowest",
    "highest",
    "at the end",
    "seeds",
    "network",
    "recipe",
)
SHOWN = ["learner", "tier", "ceiling", "protected", "low", "high", "final", "seeds", "network", "recipe"]


def in_lines(score: Score) -> str:
    """The table of learners for a terminal."""
    table = score.learners[["learner", "tier", "protected", "ceiling", "final"]].copy()
    table.insert(0, "", ["*" if bound else "" for bound in score.learners["binding"]])
    numbers = dict.fromkeys(("protected", "ceiling", "final"), "{:.3f}".format)
    head = "peak accuracy on clean test data, learning from what is published and from clean data (*: binds)"
    return f"{head}:\n{table.to_string(index=False, formatters=numbers)}"


def page(out: Path, score: Score) -> Path:
    """Write out/report.html of a judgement; return its path."""
    record = run_folder.read(out)
    helped = score.with_help
    facts = {
        "worst": score.worst, "clean best": score.clean_best, "chance": score.chance, "retained": score.retained,
        "binding learner": score.binding, **{f"{name}, with help": value for name, value in helped.items()},
        "device": record.device, "commit": record.git, "ended": record.ended,
        "data fingerprint": record.data_fingerprint, "seconds": sum(record.seconds.values()),
        "parameters": record.config, "versions": record.versions,
    }  # fmt: skip
    return report.write(
        out,
        title="Can this data still be learnt from?",
        text=[score.sentence, "Worst is what the best learner got: a noise is as good as its worst case."],
        figures={FIGURE: report.saved(out / "figures" / f"{FIGURE}.png")},
        rows=score.rows,
        jobs=[dict(zip(COLUMNS, row, strict=True)) for row in score.learners[SHOWN].itertuples(index=False)],
        facts=facts,
    )


def board_in_lines(found: board.Board) -> str:
    """The board for a terminal."""
    if found.table.empty:
        return f"Nothing can be said: no learner learnt from the clean data either (guessing is {found.chance:.2f})."
    shown = found.table[["place", "name", "worst", "final", "binding", "ceiling", "retained", "largest"]]
    formats = dict.fromkeys(("worst", "final", "ceiling", "retained"), "{:.3f}".format)
    head = f"what the best learner gets from each noise, peak (worst) and final; guessing is {found.chance:.2f}"
    return f"{head}:\n{shown.to_string(index=False, formatters=formats)}"


def board_page(out: Path, found: board.Board) -> Path:
    """Write out/report.html of a board; return its path."""
    record = run_folder.read(out)
    ranked: Any = found.table.to_dict("records")
    jobs = [{"job": row["name"], "state": "judged", "error": "", **row} for row in ranked]
    return report.write(
        out,
        title="Whose noise is hardest to learn from?",
        text=["A noise is as good as its worst case: what the best learner got from it.", *found.sentences],
        figures={board.FIGURE: report.saved(out / "figures" / f"{board.FIGURE}.png")},
        rows=found.rows,
        jobs=[*jobs, *({"job": file, "state": "skipped", "error": why} for file, why in found.skipped)],
        facts={"parameters": record.config, "versions": record.versions, "device": record.device, "commit": record.git},
    )
