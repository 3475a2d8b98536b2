"""Lay the notebooks out: executed ones where a run of today's notebook is at hand, and say which run it was."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat

from workbench.config import DataError
from workbench.records import run_folder
from workbench.records.record import Record
from workbench.sweep import notebook as notebooks

ROOT = Path(__file__).resolve().parents[2]
NO_SLIDE = "no-slide"  # the tag of a cell that the book adds for its pages alone
SHOWN = ("notebooks/[0-9]*.ipynb", "notebooks/course/*.ipynb", "docs/answers/*.ipynb")


def lay_out(source: Path, runs: Path) -> None:
    """Write every notebook into `source`, with the outputs of the newest run of it below `runs`."""
    found = list(_runs(runs))
    for path in sorted(one for pattern in SHOWN for one in ROOT.glob(pattern)):
        name = path.relative_to(ROOT)
        fitting = [one for one in found if _is_of(one[1], path)]
        content = path
        said = _without(name)
        if fitting:
            folder, record = max(fitting, key=lambda one: one[1].ended or "")
            content, said = folder / notebooks.OUTPUT, _with(record)
        book = nbformat.read(content, as_version=4)
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
    for path in sorted([*runs.glob("*/run.json"), *runs.glob("*/*/run.json")]):
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


def _with(record: Record) -> str:
    commit = (record.git or "unknown").partition("+")
    set_to = ", ".join(f"{name} {value}" for name, value in record.config.items() if name not in ("notebook", "source"))
    return (
        f"*The outputs on this page are of one run: finished {record.ended}, commit {commit[0][:12]}"
        f"{' with changes' if commit[2] else ''}, with {set_to}.*"
    )


def _without(name: Path) -> str:
    return (
        f"*This page shows no outputs: no run of this notebook was at hand when the book was made. Get them with*\n\n"
        f"```sh\nworkbench run {name} --out runs/{name.stem}\n```"
    )
