"""Build the book: lay the pages out as they lie in the project, write the reference, run Sphinx.

    python docs/book/build.py [--run [NAME ...]] [--out DIR] [--runs DIR] [--without-api]

Notebooks are executed with --run only; without it they stand with the outputs of runs that are there. Every warning of
Sphinx is an error.
"""

import argparse
import shutil
import sys
from pathlib import Path

import contents
import executed
import pages
import reference
import running
import slides

from workbench.config import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Build the site; return Sphinx's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "book", help="folder of the site (default: %(default)s)"
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where executed notebooks are looked for")
    parser.add_argument("--without-api", action="store_true", help="leave the pages of all modules out")
    parser.add_argument(
        "--run", nargs="*", metavar="NAME",
        help="first run notebooks that have no complete run, one after the other: course, answers, notebooks, "
        "course/1_unlearnable_picture (default: all, 85 minutes on two calm cores); stopped, it goes on from there",
    )  # fmt: skip
    asked = parser.parse_args()
    failed: list[str] = []
    if asked.run is not None:
        try:
            failed = running.run(running.wanted(asked.run), asked.runs)
        except ConfigError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            print("stopped; what is complete stays, and the same command goes on", file=sys.stderr)
            return 130
    source = asked.out / "source"
    pages.lay_out(source)
    executed.lay_out(source, asked.runs)
    reference.write(source / "docs" / "reference", api=not asked.without_api)
    contents.write(source, api=not asked.without_api)
    site = asked.out / "html"
    code = sphinx(source, site, api=not asked.without_api)
    shown = slides.write(source, site)
    print(f"{site / 'index.html'}, with slides of {len(shown)} lessons")
    for line in failed:
        print(f"failed, and stands without outputs: {line}", file=sys.stderr)
    return code or bool(failed)


def sphinx(source: Path, site: Path, *, api: bool) -> int:
    """Run Sphinx on the pages laid out in `source`."""
    from sphinx.cmd.build import main as build

    words = ["--fresh-env", "--quiet", "--fail-on-warning", "--conf-dir", str(ROOT / "docs")]
    shutil.rmtree(site, ignore_errors=True)
    return build([*words, *(["--tag", "api"] if api else []), str(source), str(site)])


if __name__ == "__main__":
    sys.exit(main())
