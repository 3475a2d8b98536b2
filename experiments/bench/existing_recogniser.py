"""What a face recogniser that exists already makes of protected copies, by method and budget.

    python experiments/bench/existing_recogniser.py PEOPLE --out runs/existing

PEOPLE holds one folder of photos a person, of real faces. For every method and budget the photos are protected as a
person would do it, and the recogniser (extra `faces`) is asked about originals and copies after everything that
services do to photos. Writes OUT/existing_recogniser.csv; copies that are there already are asked about as they are.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from workbench.apps.photos import known
from workbench.apps.photos.protect import protect
from workbench.apps.photos.self_test import shots
from workbench.config import ProtectConfig, WorkbenchError
from workbench.files import atomic

NOISES = [f"{method}:{epsilon}" for epsilon in (8, 15) for method in ("random", "targeted", "robust-targeted")]


def main() -> int:
    """Protect, ask, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--noises", nargs="+", default=NOISES, metavar="METHOD:ε")
    arguments = parser.parse_args()
    try:
        table = pd.concat([asked(arguments.people, arguments.out, noise) for noise in arguments.noises])
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    atomic.write_atomically(arguments.out / "existing_recogniser.csv", table.round(4).to_csv(index=False))
    print(table.round(3).to_string(index=False))
    return 0


def asked(people: Path, out: Path, noise: str) -> pd.DataFrame:
    """Protect the photos by METHOD:ε and ask: the rows of known.compare, with method and epsilon before them."""
    method, _, epsilon = noise.partition(":")
    config = ProtectConfig(method=method, epsilon=int(epsilon))
    copies = out / f"copies-{method}-{epsilon}"
    protect(people, copies, config)
    wanted = {name: value for name, value in asdict(config).items() if name in ("method", "epsilon")}
    return known.compare(*shots(people, copies)).assign(**wanted)[[*wanted, *known.COLUMNS]]


if __name__ == "__main__":
    sys.exit(main())
