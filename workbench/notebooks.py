"""Run a notebook by papermill with checked parameters, and keep our own record of whether it succeeded.

papermill warns about an unknown parameter and goes on, pastes parameter names into code, and marks the cells of a dead
kernel as completed; so names and types are checked here first, and success is what run.json says.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench import runs
from workbench.config import ConfigError, DataError, check_choice

OUTPUT = "notebook.ipynb"


def find(name: str) -> Path:
    """A notebook of this project. Raises DataError when the program runs without its repository."""
    path = Path(__file__).resolve().parent.parent / "notebooks" / name
    if not path.is_file():
        raise DataError(f"{path.name} is not beside the program: run it from a clone of the repository")
    return path


def run(notebook: Path, out: Path, values: Mapping[str, str], *, resume: bool = False) -> None:
    """Execute `notebook` into out/notebook.ipynb with `values` (texts) for its parameters.

    A parameter `out`, when the notebook has one, is set to the folder. Raises ConfigError for a parameter that is
    unknown or of the wrong type, before anything starts, and DataError, naming the cell, when a cell fails.
    """
    declared = parameters(notebook)
    wanted = {name: _typed(name, text, declared) for name, text in values.items()}
    if "out" in wanted:
        raise ConfigError("parameter out: use --out")
    config = {"notebook": notebook.name, "source": source_hash(notebook), **declared, **wanted}
    config.pop("out", None)
    with runs.opened(out, "run", config, resume=resume) as opened:
        if opened.complete:
            print(f"{out} holds this run already, complete: nothing to do", flush=True)
            return
        if "out" in declared:
            wanted["out"] = str(out)
        with opened.stage("notebook"):
            _execute(notebook, out / OUTPUT, wanted)
        opened.note(stages=stage_seconds(out))


def stage_seconds(out: Path) -> dict[str, dict[str, float]]:
    """The seconds of every run that the notebook left below `out`, by the run's folder."""
    found = {}
    for record in sorted(out.glob(f"*/{runs.RECORD}")):
        found[record.parent.name] = runs.read(record.parent)["seconds"]
    return found


def source_hash(notebook: Path) -> str:
    """A hash of the notebook's code: an edited notebook is another run."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    code = "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def parameters(notebook: Path) -> dict[str, Any]:
    """Names and defaults in the notebook's cell tagged `parameters`: plain `name = literal` lines."""
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise DataError(f"{notebook} cannot be read as a notebook ({str(error).splitlines()[0]})") from error
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise DataError(f"{notebook} has {len(tagged)} cells tagged `parameters`: it needs exactly one")
    try:
        return dict(_assignments(ast.parse(tagged[0])))
    except (SyntaxError, ValueError) as error:
        raise DataError(f"{notebook}: its parameters must be plain `name = value` lines ({error})") from error


def _assignments(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for statement in tree.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f"line {statement.lineno}")
        yield statement.targets[0].id, ast.literal_eval(statement.value)


def _typed(name: str, text: str, declared: Mapping[str, Any]) -> Any:
    """The text as a value of the parameter's own type."""
    check_choice("parameter", name, declared)
    default = declared[name]
    if isinstance(default, str):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise ConfigError(f"parameter {name} is {text!r}: it must be of type {type(default).__name__}, as {default!r}")
    return value


def _execute(notebook: Path, output: Path, values: Mapping[str, Any]) -> None:
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        with _lines_not_bars():
            papermill.execute_notebook(
                notebook,
                output,
                parameters=dict(values),
                progress_bar=False,
                log_output=False,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                kernel_manager_class=_local_kernels(),
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from error
        line = f"{error.ename}: {error.evalue}".splitlines()[0]
        raise DataError(f"{notebook.name}, cell {error.cell_index + 1} failed: {line} (see {output})") from error
    except DeadKernelError as error:
        raise DataError(f"{notebook.name}: its kernel died, perhaps for want of memory; run it again") from error
    code = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    if any(cell.execution_count is None for cell in code if cell.source.strip()):
        raise DataError(f"{notebook.name}: not every cell was run (see {output})")


def _local_kernels() -> type:
    """Kernels that talk over files of this machine (IPC): no ports to clash or to listen on."""
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import Unicode

    return type("LocalKernelManager", (AsyncKernelManager,), {"transport": Unicode("ipc")})


@contextmanager
def _lines_not_bars() -> Iterator[None]:
    """Kernels started inside show progress by lines: bars flood papermill."""
    before = {name: os.environ.get(name) for name in ("WORKBENCH_PROGRESS", "PYTHONWARNINGS")}
    os.environ["WORKBENCH_PROGRESS"] = "lines"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
