"""Where things lie: the folder that data and runs hang from, and the notebooks and experiments of this program."""

import difflib
import os
import tempfile
from pathlib import Path

from workbench.config import DataError
from workbench.files import atomic
from workbench.installation import PACKAGE, SHIPPED

HOME = "WORKBENCH_HOME"
FIRST = "00_explore.ipynb"
PLACES = ("out", "store")  # parameters of notebooks that say where, not what
SUFFIXES = {"notebooks": ".ipynb", "experiments": ".yml"}


def home() -> Path:
    """The folder of `data/` and `runs/`: $WORKBENCH_HOME, else the current one.

    JupyterLab starts kernels in the notebooks' folder, or in one within it: there it is the folder above, so that the
    command line and the notebooks find the same. Relative to the current folder where it is that one or above it.
    """
    if asked := os.environ.get(HOME):
        inside = Path.cwd().is_relative_to(Path(asked).resolve())
        return Path(os.path.relpath(asked)) if inside else Path(asked)
    above = (Path(), Path(".."))  # of the notebooks' folder, from there and from a folder in it
    return next((place / ".." for place in above if (place / FIRST).is_file()), Path())


def temporary() -> Path:
    """The folder for temporary files. Raises DataError where Python would silently take another than was named."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if asked := os.environ.get(name):
            try:
                tempfile.TemporaryFile(dir=asked).close()
            except OSError as error:
                line = f"{name} is {asked}, where no file can be made ({error.strerror}): name another folder"
                raise DataError(line) from error
            break
    return Path(tempfile.gettempdir())


def result(given: str | Path) -> Path:
    """The table of results that is meant: a CSV file or the folder of a run, from the current folder or from home();
    else one of this program's own results by its name. Raises DataError when there is none.
    """
    path = Path(given)
    ours = own("experiments") / "results" / f"{path.stem}.csv"
    for place in (path, home() / path, *([ours] if path.parent == Path() else [])):
        if place.is_file() or (place / "results.csv").is_file():
            return place if place.is_file() else place / "results.csv"
    raise DataError(f"there is no {path}: name a results.csv, or the folder of a complete run or sweep")


def own(folder: str) -> Path:
    """The folder `notebooks` or `experiments` of this program: inside a wheel, else beside the package in its clone."""
    return SHIPPED / folder if SHIPPED.is_dir() else PACKAGE.parent / folder


def find(given: str | Path, folder: str) -> Path:
    """The notebook or experiment that is meant: a file, else one of this program's own by its name.

    folder: "notebooks" or "experiments"; a name may come with this folder and with its suffix. Raises DataError, with
    the nearest there is, when there is none.
    """
    path, suffix = Path(given), SUFFIXES[folder]
    if path.is_file():
        return path
    ours = {file.stem: file for file in _all(folder)}
    for file in ours.values():
        inside = file.relative_to(own(folder)).with_suffix("")
        if path.parent / path.name.removesuffix(suffix) in (Path(file.stem), inside, folder / inside):
            return file
    here = [str(file) for file in sorted(path.parent.glob(f"*{suffix}"))] if path.parent.is_dir() else []
    nearest = difflib.get_close_matches(str(path), here or list(ours), n=1, cutoff=0.0)
    raise DataError(f"there is no {path}" + (f": did you mean {nearest[0]}?" if nearest else ""))


def _all(folder: str) -> list[Path]:
    """This program's own notebooks or experiments, in folders of that folder too; not what JupyterLab keeps of them."""
    found = sorted(own(folder).rglob(f"*{SUFFIXES[folder]}"))
    return [file for file in found if ".ipynb_checkpoints" not in file.parts]


def copy_notebooks() -> Path:
    """Put this program's notebooks into home()/notebooks, where they are not yet; return that folder."""
    folder = home() / "notebooks"
    for source in _all("notebooks"):
        copy = folder / source.relative_to(own("notebooks"))
        if not os.path.lexists(copy):
            atomic.make(copy.parent)
            with atomic.replacing(copy) as file:
                file.write(source.read_bytes())
    return folder
