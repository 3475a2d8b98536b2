"""What a run or a sweep comes to: one page for a browser or a printer; of a sweep also one table and the figures.

The page is one file that loads nothing, runs nothing and escapes whatever files or people named.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image

from workbench import figures as drawing
from workbench.figures.tables import NOTHING
from workbench.files.atomic import make, write_atomically
from workbench.records import run_folder, study_file
from workbench.records import table as results
from workbench.sweep import notebook as notebooks
from workbench.sweep.experiment import Sweep

SENTENCES, JUDGED = 12, "leaderboard"  # on a page; the figure of those whose sentences are the judge's
FILE_NAME, TEMPLATE = "report.html", "report.html.j2"
HEADINGS = {
    "noise": "The noise", "sheet": "The noise", "curves": "Accuracy, epoch by epoch", "bars": "Peak and final accuracy",
    "budget": "Accuracy by perturbation budget", "fractions": "Accuracy by share of data with noise",
    "transfer": "Noise made against one network, met by others", "confusion": "Which class is taken for which",
    "panel": "What breaks it", "learners": "What every learner gets", "leaderboard": "Methods against learners",
    "looks": "How visible the noise is", "people": "Photos of people, scene by scene",
}  # fmt: skip
JOB_COLUMNS = ("job", "state", "error")  # shown first, in this order; whatever else a job says follows


class Picture(NamedTuple):
    """A figure for the page: its PNG and its alternative text."""

    png: bytes
    words: str


def saved(path: Path) -> Picture:
    """Read a figure back as figures.save wrote it; without words where somebody else wrote it."""
    return Picture(path.read_bytes(), str(Image.open(path).info.get("Description", "")))


def of_run(out: Path) -> Path | None:
    """Write out/report.html of a notebook's complete run: sentences, the figures that it saved, table, provenance.

    Return its path; None, and nothing is written, where the notebook left no table.
    """
    if not (out / study_file.FACTS).is_file():
        return None
    record, study, rows = run_folder.read(out), study_file.read(out), results.read(out)
    told = notebooks.told(out / notebooks.OUTPUT)
    title, aim = re.search(r"^# (.+)", told, re.M), re.search(r"^\*\*Aim\.\*\* (.+?)\n\n", told, re.M | re.S)
    drawn = sorted((out / "figures").glob("*.png"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    facts = {"notebook": record.config["notebook"], "ended": record.ended, **_provenance(study["stages"])}
    others = ("notebook", "source", "sources")
    facts["parameters"] = {name: value for name, value in record.config.items() if name not in others}
    return write(
        out,
        title=title[1] if title else record.config["notebook"],
        text=[
            *([_plain(aim[1])] if aim else []),
            _set(out, record.config),
            *_sentences(
                rows, dict.fromkeys(rows["data"], study["chance"]), judged=JUDGED in {one.stem for one in drawn}
            ),
        ],
        figures={path.stem: saved(path) for path in drawn},
        rows=rows,
        jobs=[],
        facts=facts,
    )


def _plain(markdown: str) -> str:
    return re.sub("[*`]", "", " ".join(markdown.split()))


def _set(out: Path, config: Mapping[str, Any]) -> str:
    """Say which parameters of a run are not as in its notebook."""
    usual = notebooks.parameters(out / notebooks.OUTPUT)
    other = [
        f"{name} {config[name]} instead of {usual[name]}"
        for name in usual
        if config.get(name, usual[name]) != usual[name]
    ]
    return f"Set for this run: {'; '.join(other)}." if other else "All parameters are as the notebook has them."


def gather(sweep: Sweep, errors: Mapping[str, str]) -> dict[str, Any]:
    """Write the table, the figures and the report of all complete jobs; return the facts for the sweep's record."""
    complete = [job for job in sweep.jobs if sweep.done(job)]
    listed = []
    for job in sweep.jobs:
        record = sweep.record(job)
        said: dict[str, Any] = {"name": job.name, "key": job.key, "state": record.state if record else "not started"}
        said["seconds"] = record.seconds.get("notebook") if record else None
        listed.append(said | {"error": errors.get(job.name, "")})
    facts: dict[str, Any] = {"jobs": listed, "seeds": sorted({job.values["seed"] for job in sweep.jobs})}
    if not complete:
        return facts
    studies = [study_file.read(sweep.folder(job)) for job in complete]
    tables = [results.read(sweep.folder(job)) for job in complete]
    chances = {name: one["chance"] for one, part in zip(studies, tables, strict=True) for name in part["data"].unique()}
    rows = results.merged(tables)
    results.write(rows, sweep.out)
    stages = {name: stage for study in studies for name, stage in study["stages"].items()}
    drawn = {
        name: drawing.save(drawing.FIGURES[name](rows, studies[0]["chance"]), sweep.out / "figures", name)[0]
        for name in sweep.experiment.figures
    }
    write(
        sweep.out,
        title=sweep.experiment.title,
        text=[sweep.experiment.text, *_sentences(rows, chances, judged=JUDGED in sweep.experiment.figures)],
        figures={name: saved(path) for name, path in drawn.items()},
        rows=rows,
        jobs=listed,
        facts=facts_for_people(sweep, stages),
    )
    return {**facts, "stages": stages}


def _sentences(rows: pd.DataFrame, chances: Mapping[str, float], judged: bool = False) -> list[str]:
    """What guessing is and what was found, in words; of very much only what the figure does not say itself."""
    if judged:
        return [
            said for name, chance in chances.items() for said in drawing.verdicts(rows[rows["data"] == name], chance)
        ]
    if not (rows["metric"] == "accuracy").any():
        return []
    found = drawing.honest_sentences(rows, chances)
    if len(found) > SENTENCES:
        found = [sentence for sentence in found if sentence.startswith(NOTHING)][:SENTENCES]
    shown = [f"{chance:.2f}{f' on {name}' if len(chances) > 1 else ''}" for name, chance in chances.items()]
    return [f"Guessing is {', '.join(shown)}.", *found]


def facts_for_people(sweep: Sweep, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Where the numbers of a sweep come from: its parameters, what differed between jobs left out, and provenance."""
    first = sweep.jobs[0]
    same = {name: value for name, value in first.values.items() if all(j.values[name] == value for j in sweep.jobs)}
    facts: dict[str, Any] = {"experiment": sweep.experiment.name, "size": sweep.size}
    facts["notebook"] = sweep.experiment.notebook.name
    return {**facts, "parameters": same, **_provenance(stages)}


def _provenance(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in ("device", "git", "data_fingerprint"):
        facts[name] = "; ".join(dict.fromkeys(str(stage[name]) for stage in stages.values() if name in stage))
    facts["seconds of all stages"] = f"{sum(sum(stage['seconds'].values()) for stage in stages.values()):.0f}"
    return {**facts, "versions": next(iter(stages.values()), {}).get("versions", {})}


@dataclass(frozen=True)
class Table:
    """A table of the page: every cell is text already, but not yet escaped."""

    caption: str
    columns: list[str]
    rows: list[list[str]]


def write(
    folder: Path,
    *,
    title: str,
    text: Sequence[str],
    figures: Mapping[str, Picture],
    rows: pd.DataFrame,
    jobs: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> Path:
    """Write folder/report.html, atomically; the same bytes for the same arguments. Return its path.

    text: plain sentences, one paragraph per sentence. figures: by name. rows: the tidy table that the figures were
    drawn from. jobs: what each run was and became, with state and error. facts: where the numbers come
    from (parameters, versions, device, data fingerprint, commit, seconds); a mapping among them gets its own table.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("workbench", "sweep"), autoescape=True, undefined=StrictUndefined)
    single = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    groups = {name: value for name, value in facts.items() if isinstance(value, Mapping)}
    tables = [_facts("Facts", single), *(_facts(name, group) for name, group in groups.items())]
    tables += [_jobs(jobs)] if jobs else []
    sentences = [text] if isinstance(text, str) else text
    html = pages.get_template(TEMPLATE).render(
        title=title, text=sentences, sections=_sections(figures, rows), tables=tables
    )
    make(folder)
    path = folder / FILE_NAME
    # A file's name need not be text, and then its error line holds what UTF-8 cannot.
    write_atomically(path, html.encode("utf-8", "replace").decode("utf-8"))
    return path


def _sections(figures: Mapping[str, Picture], rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One section per figure, with the table it was drawn from; numbers of an earlier figure are not printed again."""
    found: list[dict[str, Any]] = []
    for name, figure in figures.items():
        of = f": {name.removeprefix('learners-')}" if name.startswith("learners-") else ""
        heading = HEADINGS.get("learners" if of else name, name.replace("-", " ").replace("_", " ").capitalize()) + of
        table = _numbers(name, heading, rows) if name in drawing.FIGURES else None
        same = next((one["name"] for one in found if table and one["table"] and one["table"].rows == table.rows), None)
        picture = base64.b64encode(figure.png).decode("ascii")
        found.append({"name": heading, "png": picture, "alt": figure.words, "table": table, "same": same})
    return found


def _numbers(name: str, heading: str, rows: pd.DataFrame) -> Table:
    if name == "confusion" and rows["metric"].str.startswith("confusion/").any():
        shown = drawing.confusion_table(rows)
        return _table("Shares of each true class on clean test data, mean over seeds", shown)
    caption = "Accuracy on clean test data (peak, final) and on the training data (train): mean (lowest to highest)"
    shown = drawing.table(rows).rename(columns=lambda name: name.replace("_", " "))
    return _table(f"{heading}: {caption[0].lower()}{caption[1:]}", shown)


def _table(caption: str, shown: pd.DataFrame) -> Table:
    cells = [[_text(value) for value in row] for row in shown.itertuples(index=False)]
    return Table(caption, [str(column) for column in shown.columns], cells)


def _facts(caption: str, facts: Mapping[str, Any]) -> Table:
    return Table(
        caption.capitalize(), ["name", "value"], [[_text(name).replace("_", " "), _text(facts[name])] for name in facts]
    )


def _jobs(jobs: Sequence[Mapping[str, Any]]) -> Table:
    others = [name for job in jobs for name in job if name not in JOB_COLUMNS]
    columns = [name for name in JOB_COLUMNS if name != "job" or any("job" in job for job in jobs)]
    columns += dict.fromkeys(others)
    cells = [[_text(job.get(name, "")) for name in columns] for job in jobs]
    return Table("Jobs", columns, cells)


def _text(value: Any) -> str:
    """A value as people read it: an error's first line, a number without its noise, nothing for None."""
    if value is None or value != value:  # NaN: not measured
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
    return (str(value).splitlines() or [""])[0]
