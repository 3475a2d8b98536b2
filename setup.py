"""Put the notebooks, the experiments and the commit into a wheel; everything else stands in pyproject.toml."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # which builders leave out
from workbench import installation  # noqa: E402 (needs nothing but Python)

TAKEN = {"notebooks": "**/*.ipynb", "experiments": "*.yml", "experiments/results": "photo_digits.csv"}


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
        (shipped / "COMMIT").write_text(installation.commit() or "", encoding="utf-8")


setup(cmdclass={"build_py": WithNotebooks})
