"""Put the notebooks, the experiments and the commit into a wheel; everything else stands in pyproject.toml."""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
TAKEN = {"notebooks": "**/*.ipynb", "experiments": "*.yml"}


class WithNotebooks(build_py):
    """The usual step, then workbench/shipped in what becomes the wheel; an editable install finds them in its clone."""

    def run(self) -> None:
        """Copy what is taken and name the commit."""
        if self.editable_mode:
            super().run()
            return
        package = Path(self.build_lib) / "workbench"
        shutil.rmtree(package, ignore_errors=True)  # an earlier build may have left what is gone from the sources
        super().run()
        shipped = package / "shipped"
        for folder, pattern in TAKEN.items():
            for source in sorted((ROOT / folder).glob(pattern)):
                if ".ipynb_checkpoints" not in source.parts:
                    copy = shipped / source.relative_to(ROOT)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, copy)
        (shipped / "COMMIT").write_text(commit(), encoding="utf-8")


def commit() -> str:
    """The commit of this repository, whatever others GIT_DIR and the like name, with "+changes" when files differ; ""
    where it is none.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own["GIT_CEILING_DIRECTORIES"] = str(ROOT.parent)

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    if not (ROOT / ".git").exists():
        return ""
    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


setup(cmdclass={"build_py": WithNotebooks})
