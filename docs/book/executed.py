"""Lay the notebooks out: with outputs where a run of today's notebook is at hand, and say of which run they are."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from fitting import picture

from workbench.config import DataError
from workbench.files.places import PLACES
from workbench.records import run_folder, study_file
from workbench.records.record import Record
from workbench.sweep import notebook as notebooks

ROOT = Path(__file__).resolve().parents[2]
NO_SLIDE = "no-slide"  # the tag of a cell that the book adds for its pages alone
SHOWN = ("notebooks/course/*.ipynb", "docs/answers/*.ipynb", "notebooks/[0-9]*.ipynb")
WHERE = ("*/run.json", "*/*/run.json", "*/*/*/run.json")  # of runs below the folder of all runs
INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
WIDE, FULL = 1140, "full-width"  # pixels that a figure has in the text's column; the theme's tag of wider cells
SETTINGS = ("notebook", "source", "seed")  # of a run's configuration, what is said in other words or not at all
PASSING = re.compile(r"^(workbench: .*|.*\(\d+ s, ETA \d+ s\))$")  # what is worth reading only while a notebook runs


def all_notebooks() -> list[Path]:
    """The notebooks of the book: the lessons, their answers, the others."""
    return [path for pattern in SHOWN for path in sorted(ROOT.glob(pattern))]


def lay_out(source: Path, runs: Path) -> None:
    """Write every notebook into `source`, with the outputs of the newest run of it below `runs`."""
    found = list(_runs(runs))
    for path in all_notebooks():
        name = path.relative_to(ROOT)
        book, said = nbformat.read(path, as_version=4), _without(name)
        usual = notebooks.parameters(path)
        for folder, record in sorted(found, key=lambda one: (one[1].current, one[1].ended or ""), reverse=True):
            if _is_of(record, path) and (shown := _with_outputs(book, usual, folder)):
                book, said = shown, _with(record, usual, folder)
                break
        after = next(place for place, cell in enumerate(book.cells, 1) if cell.cell_type == "markdown")
        added = [nbformat.v4.new_markdown_cell(said)]
        if name.parent.name == "course":
            link = f'<a href="../../slides/{name.stem}.html">This lesson as slides</a>'
            added.append(nbformat.v4.new_markdown_cell(link, metadata={"tags": [NO_SLIDE]}))
        book.cells[after:after] = added
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(book, source / name)
    shutil.rmtree(source / ".ipynb_checkpoints", ignore_errors=True)


def _runs(runs: Path) -> Iterator[tuple[Path, Record]]:
    """The complete runs of notebooks in the folders of `runs`, and in their folders."""
    for path in sorted(one for pattern in WHERE for one in runs.glob(pattern)):
        try:
            record = run_folder.read(path.parent)
        except DataError:
            continue
        if record.command == "run" and (path.parent / notebooks.OUTPUT).is_file():
            yield path.parent, record


def _is_of(record: Record, path: Path) -> bool:
    """Whether a run is of this very notebook: same name, same code."""
    said = record.config
    return said.get("notebook") == path.name and said.get("source") == notebooks.source_hash(path)


def _with_outputs(book: nbformat.NotebookNode, usual: dict[str, Any], folder: Path) -> nbformat.NotebookNode | None:
    """Today's notebook, whose text may be newer, with the outputs of a run of its code; None where cells differ."""
    executed = nbformat.read(folder / notebooks.OUTPUT, as_version=4)
    given = executed.metadata.get("papermill", {}).get("parameters", {})
    places = {given[name]: usual[name] or name for name in PLACES if given.get(name)}
    ran = [cell for cell in executed.cells if cell.cell_type == "code"]
    ran = [cell for cell in ran if INJECTED not in cell.metadata.get("tags", ())]
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in ran]:
        return None
    for cell, done in zip(code, ran, strict=True):
        cell.outputs = [kept for output in done.outputs if (kept := _lasting(output, places))]
        sizes = [picture(output.get("data", {}).get("text/html", "")) for output in cell.outputs]
        if any(size and size[0] > WIDE for size in sizes):
            cell.metadata["tags"] = [*cell.metadata.get("tags", ()), FULL]
    return book


def _lasting(output: nbformat.NotebookNode, places: dict[str, str]) -> nbformat.NotebookNode | None:
    """An output without lines of progress; None where nothing is left. places: folders by what the page calls them."""

    def named(text: str) -> str:
        for place, name in places.items():
            text = text.replace(place, name)
        return text

    if output.output_type != "stream":
        for kind in ("text/html", "text/plain"):
            if kind in output.get("data", {}):
                output.data[kind] = named(output.data[kind])
        return output
    text = "".join(line for line in output.text.splitlines(keepends=True) if not PASSING.match(line.rstrip("\n")))
    return nbformat.v4.new_output("stream", name=output.name, text=named(text)) if text.strip() else None


def _with(record: Record, usual: dict[str, Any], folder: Path) -> str:
    told = {name: value for name, value in record.config.items() if name not in SETTINGS and name not in PLACES}
    other = [f"{name} = {value!r}" for name, value in told.items() if value != usual.get(name)]
    commit = (record.git or "unknown").partition("+")
    stages = _stages(folder)
    earlier = any(str(stage["ended"]) < (record.started or "") for stage in stages if stage.get("ended"))
    beside = " beside what was read back from earlier runs" if earlier else ""
    facts = [
        f"finished {(record.ended or '')[:16].replace('T', ' ')} UTC",
        f"{record.seconds['notebook']:.0f} seconds{beside}" if "notebook" in record.seconds else "",
        *sorted({str(stage["device"]) for stage in stages if stage.get("device")}),
        f"commit {commit[0][:12]}{' with changes' if commit[2] else ''}",
        f"code {record.code}" if record.code else "",
        f"seed {record.config['seed']}" if "seed" in record.config else "",
        f"with other parameters than below: {', '.join(other)}" if other else "with the parameters below",
    ]
    later = "" if record.current else " The program's code has changed since."
    return f"*The outputs are of one run: {', '.join(filter(None, facts))}.{later}*"


def _stages(folder: Path) -> list[dict[str, Any]]:
    """What was searched and trained for a run, as its study tells it."""
    try:
        return list(study_file.read(folder)["stages"].values())
    except DataError:
        return []  # a notebook without a study


def _without(name: Path) -> str:
    return (
        "*No outputs: no run of this notebook was at hand when the book was made. To run it and make the book*\n"
        f'*anew:*\n\n```sh\nmake book ARGS="--run {name.parent.name}/{name.stem}"\n```'
    )
