"""Noise for more and more images: seconds, memory, and whether the cost stays linear in their number.

    python experiments/bench/scale.py --counts 10000 100000 1000000 --methods linear
    python experiments/bench/scale.py --counts 10000 100000 --methods em-joint

Every count is a process of its own, which makes photo-digits:N, searches sample-wise noise and saves it. Large images
and noise lie in mapped files, whose pages in memory the system may take back: `anonymous_mib` is what it may not.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
from measuring import peak_memory, provenance

from workbench import noise
from workbench.catalogue import METHODS
from workbench.config import DataConfig, NoiseConfig
from workbench.data import sources

LOOK = 0.05  # seconds between two looks at the anonymous memory


def main() -> int:
    """Measure every count and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--methods", nargs="+", default=["linear"], choices=list(METHODS))
    parser.add_argument("--rounds", type=int, help="rounds of the search (default: the method's)")
    parser.add_argument("--one", action="store_true", help="measure here, print JSON (what the program calls itself)")
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.methods[0], arguments.counts[0], arguments.rounds)))
        return 0
    rows = []
    for method in arguments.methods:
        for count in arguments.counts:
            print(f"{method}, {count:,} images", file=sys.stderr, flush=True)
            words = [sys.executable, __file__, "--one", "--methods", method, "--counts", str(count)]
            words += ["--rounds", str(arguments.rounds)] if arguments.rounds else []
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            if arguments.out:
                pd.DataFrame(rows).to_csv(arguments.out, index=False)
                provenance(arguments.out.with_suffix(".json"), vars(arguments))
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    for method, mine in table.groupby("method", sort=False):
        if len(mine) > 1:
            first, last = mine.iloc[0], mine.iloc[-1]
            times = math.log(last["images"] / first["images"])
            for column in ("make_seconds", "search_seconds", "processor_seconds"):
                print(f"{method}: {column} grow as N^{math.log(last[column] / first[column]) / times:.3f}")
    return 0


def one(method: str, count: int, rounds: int | None) -> dict[str, float | int | str]:
    """Make, search, save: what it took."""
    with peak_memory() as peak, Anonymous() as anonymous, tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        pair = sources.load(DataConfig(data=f"photo-digits:{count}"))
        made, busy = time.perf_counter(), time.process_time()
        asked = NoiseConfig.of(data=f"photo-digits:{count}", method=method, rounds=rounds)
        found, facts = noise.make(noise.resolved(asked, pair.name), pair.train, folder=Path(folder))
        searched, used = time.perf_counter(), time.process_time()
        size = found.save(Path(folder)).stat().st_size
        saved = time.perf_counter()
    return {
        "method": method,
        "images": count,
        "make_seconds": round(made - begun, 2),
        "search_seconds": round(searched - made, 2),
        "processor_seconds": round(used - busy, 2),
        "save_seconds": round(saved - searched, 2),
        "image_passes": facts["image_passes"],
        "noise_mib": round(size / 2**20, 1),
        "resident_mib": peak.mib,
        "anonymous_mib": anonymous.mib,
    }


class Anonymous:
    """The most anonymous memory of this process in a block, MiB, by looking often; 0 where there is no /proc."""

    def __init__(self) -> None:
        self.mib, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Anonymous":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        status = Path("/proc/self/status")
        while not self._over.wait(LOOK) and status.exists():
            kib = int(status.read_text().split("RssAnon:")[1].split()[0])
            self.mib = max(self.mib, round(kib / 1024, 1))


if __name__ == "__main__":
    sys.exit(main())
