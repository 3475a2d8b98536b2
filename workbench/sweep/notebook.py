"""Run a notebook by papermill with checked parameters, and keep our own record of whether it succeeded.

papermill warns about an unknown parameter and goes on, pastes parameter names into code, and marks the cells of a dead
kernel as completed; so names and types are checked here first, and success is what run.json says.
"""

import ast
import hashlib
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from workbench import registry
from workbench.config import ConfigError, DataError, check_choice
from workbench.files import untrusted
from workbench.files.atomic import check_no_link, write_atomically
from workbench.files.places import PLACES, home
from workbench.progress import saying_to
from workbench.records import run_folder, study_file
from workbench.sweep import formats, kernels

OUTPUT = "notebook.ipynb"
LAID_OUT = {"metadata": {"papermill?": {str: object}}, "cells?": [{"metadata?": {"papermill?": {str: object}}}]}
MOST_BYTES = 128 * 2**20  # of a notebook, with pictures among its outputs
MOST_CODE = 10_000  # characters of a cell of parameters, or of one value
UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)  # what reading Python's literals raises


class KernelDied(DataError):
    """The kernel of a notebook was killed, most often for want of memory; another try may succeed."""


def run(
    notebook: Path,
    out: Path,
    values: Mapping[str, Any],
    *,
    resume: bool = False,
    store: Path | None = None,
    log: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    reuse: bool = False,
    wait: bool = False,
) -> None:
    """Execute `notebook` into out/notebook.ipynb with `values` (texts, or values of the right type) as parameters.

    The parameters `out` and `store`, where the notebook has them, are set to the folders. log: where the kernel's
    output goes (None: to the terminal); environment, cwd: variables and folder for the kernel (progress is by lines,
    since bars flood papermill); reuse, wait: as run_folder.opened takes them, reuse for the notebook's stages too.
    Raises ConfigError for a parameter that is unknown or of the wrong type, before anything starts, KernelDied, and
    DataError, naming the cell, when one fails.
    """
    config = identity(notebook, values)
    open_run = run_folder.opened(out, "run", config, resume=resume, reuse=reuse, wait=wait)
    with saying_to(log), open_run as opened:
        if opened.complete:
            return
        check_no_link(out / OUTPUT)
        declared = parameters(notebook)
        wanted = {name: value for name, value in config.items() if value != declared.get(name, value)}
        places = {"out": out, "store": store}
        # The kernel takes relative ones from home().
        shown = {name: str(place if home() == Path() else place.resolve()) for name, place in places.items() if place}
        wanted |= {name: place for name, place in shown.items() if name in declared}
        variables = {"WORKBENCH_PROGRESS": "lines", **({run_folder.REUSE: "1"} if reuse else {}), **(environment or {})}
        with opened.stage("notebook"), kernels.ours(variables, cwd or Path.cwd(), opened.record) as kind:
            _execute(notebook, out / OUTPUT, wanted, log, kind)
        opened.note(stages={name: stage["seconds"] for name, stage in _stages(out).items()})


def identity(notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a run of `notebook` with `values` is known by: its code and all its parameters but the places."""
    declared = parameters(notebook)
    wanted = {name: _typed(name, value, declared) for name, value in values.items()}
    for name in PLACES:
        if name in wanted:
            raise ConfigError(f"parameter {name}: the program sets it, use --out")
    own = registry.of_files()  # what is one's own may be used in any cell
    named = {"notebook": notebook.name, "source": source_hash(notebook), **declared, **wanted}
    named |= {"sources": own} if own else {}
    return {name: value for name, value in named.items() if name not in PLACES}


def _stages(out: Path) -> dict[str, dict[str, Any]]:
    return dict(study_file.read(out)["stages"]) if (out / study_file.FACTS).is_file() else {}


def told(notebook: Path) -> str:
    """All that the notebook tells its reader, as Markdown."""
    return "\n\n".join(cell.source for cell in _cells(notebook) if cell.cell_type == "markdown")


def source_hash(notebook: Path) -> str:
    """A hash of the notebook's code: an edited notebook is another run."""
    cells = _cells(notebook)
    code = "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def _cells(notebook: Path) -> list[Any]:
    try:
        changed = notebook.stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"{notebook} cannot be read as a notebook ({error.strerror})") from error
    return _read_cells(notebook, changed)


@lru_cache(maxsize=16)
def _read_cells(notebook: Path, changed: int) -> list[Any]:
    """The cells of a notebook that was changed then: a sweep asks for them once a job."""
    with formats.light():
        import nbformat

    with untrusted.reading(notebook, "a notebook", "give an .ipynb file"), warnings.catch_warnings():
        content = untrusted.read(notebook, MOST_BYTES)
        untrusted.parse(content, LAID_OUT)
        warnings.simplefilter("ignore")  # about cells without an id
        try:
            book = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
            nbformat.validate(book)
        except Exception as error:  # nbformat raises nearly every kind for JSON that is no notebook
            line = untrusted.one_line((str(error).splitlines() or [type(error).__name__])[0])
            raise DataError(f"cannot be read ({line})") from error
    return list(book.cells)


def parameters(notebook: Path) -> dict[str, Any]:
    """Names and defaults in the notebook's cell tagged `parameters`: plain `name = literal` lines."""
    cells = _cells(notebook)
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise DataError(f"{notebook} has {len(tagged)} cells tagged `parameters`: it needs exactly one")
    try:
        return dict(_assignments(ast.parse(_short(tagged[0]))))
    except UNREADABLE as error:
        line = untrusted.one_line(error)
        raise DataError(f"{notebook}: its parameters must be plain `name = value` lines ({line})") from error


def _short(code: str) -> str:
    if len(code) > MOST_CODE:
        raise ValueError(f"more than {MOST_CODE:,} characters")
    return code


def _assignments(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for statement in tree.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f"line {statement.lineno}")
        value = ast.literal_eval(statement.value)
        if fault := untrusted.not_plain(value):
            raise ValueError(f"line {statement.lineno}: {fault}")
        yield statement.targets[0].id, value


def _typed(name: str, given: Any, declared: Mapping[str, Any]) -> Any:
    """`given`, a text or a value, as a value of the parameter's own type; a list holds what the default's items are."""
    check_choice("parameter", untrusted.one_line(name, 40), declared)
    default, value = declared[name], given
    if isinstance(given, str) and not isinstance(default, str):
        with suppress(DataError, ValueError):  # whose type is then wrong
            value = untrusted.parse_yaml(_short(given).encode())
    if fault := untrusted.not_plain(value):
        raise ConfigError(f"parameter {name}: {fault}")
    if isinstance(default, list) and default and isinstance(value, list) and value:
        return [_as(type(default[0]), item, name, given, default) for item in value]
    return _as(type(default), value, name, given, default)


def _as(kind: type, value: Any, name: str, given: Any, default: Any) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        shown, example = untrusted.one_line(repr(given)), untrusted.one_line(repr(default))
        raise ConfigError(f"parameter {name} is {shown}: it must be of type {kind.__name__}, as in {example}")
    return value


def _execute(notebook: Path, output: Path, values: Mapping[str, Any], log: TextIO | None, kind: type) -> None:
    with formats.light():
        import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what it would say is in the errors below
    try:
        book = papermill.execute_notebook(
            _literal(notebook),
            _literal(output),
            parameters=dict(values),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            log_output=False,
            stdout_file=log or sys.stdout,
            stderr_file=log or sys.stderr,
            kernel_manager_class=kind,
        )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from error
        line = " ".join(f"{error.ename}: {error.evalue}".split())
        raise DataError(f"{notebook.name}, cell {error.cell_index + 1} failed: {line} (see {output})") from error
    except DeadKernelError as error:
        raise KernelDied(f"{notebook.name}: its kernel died, perhaps for want of memory; run it again") from error
    book.metadata.papermill["input_path"] = notebook.name  # not whose machine it was run on
    write_atomically(output, nbformat.writes(book) + "\n")
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    if any(cell.execution_count is None for cell in code if cell.source.strip()):
        raise DataError(f"{notebook.name}: not every cell was run (see {output})")


def _literal(path: Path) -> str:
    """A path of which papermill fills in nothing: it takes {name} for a parameter."""
    return str(path).replace("{", "{{").replace("}", "}}")
