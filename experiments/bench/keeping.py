"""What checkpoints cost a search: the default sample-wise search with a folder for them against one without, by turns.

    python experiments/bench/keeping.py --data photo-digits --turns 3

Both must find the same noise. The seconds spent in writing are measured too, within the turns that write: on a busy
machine they say more than the difference of two long times.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from measuring import provenance

from workbench import noise
from workbench.config import DataConfig, NoiseConfig
from workbench.data import sources
from workbench.data.dataset import DataPair
from workbench.records import checkpoint

WAYS = ("without", "with")


def searched(config: NoiseConfig, pair: DataPair, way: str) -> tuple[torch.Tensor, dict[str, Any]]:
    """The noise of one search, and its costs."""
    spent: list[tuple[float, float]] = []
    original = checkpoint.save

    def timed(*given: Any) -> None:
        begun, busy = time.perf_counter(), time.process_time()
        original(*given)
        spent.append((time.perf_counter() - begun, time.process_time() - busy))

    checkpoint.save = timed
    try:
        with tempfile.TemporaryDirectory() as folder:
            begun, busy = time.perf_counter(), time.process_time()
            found, _ = noise.make(config, pair.train, folder=Path(folder) if way == "with" else None)
            costs = {"seconds": time.perf_counter() - begun, "processor_seconds": time.process_time() - busy}
            megabytes = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    finally:
        checkpoint.save = original
    writing = {"writing": sum(wall for wall, _ in spent), "processor_writing": sum(busy for _, busy in spent)}
    return found.delta, {**costs, **writing, "checkpoints": len(spent), "megabytes": round(megabytes, 1)}


def main() -> int:
    """Take turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="photo-digits")
    parser.add_argument("--surrogate", default=NoiseConfig().surrogate)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    data = DataConfig(data=arguments.data, device=arguments.device)
    pair = sources.load(data)
    asked = NoiseConfig(data=arguments.data, surrogate=arguments.surrogate, device=arguments.device)
    config = noise.resolved(asked, pair.name)
    for way in WAYS:
        searched(replace(config, rounds=1), pair, way)  # warms up
    rows: list[dict[str, Any]] = []
    deltas: list[torch.Tensor] = []
    for turn in range(arguments.turns):
        for way in WAYS if turn % 2 else reversed(WAYS):
            delta, costs = searched(config, pair, way)
            deltas.append(delta)
            rows.append({"turn": turn, "way": way, **costs})
            print({name: round(value, 2) if isinstance(value, float) else value for name, value in rows[-1].items()})
    if any(not torch.equal(delta, deltas[0]) for delta in deltas):
        print("the searches do not find the same noise", file=sys.stderr)
        return 1
    table = pd.DataFrame(rows)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
        provenance(arguments.out.with_suffix(".json"), vars(arguments))
    for column, writing in (("seconds", "writing"), ("processor_seconds", "processor_writing")):
        pairs = table.pivot(index="turn", columns="way", values=column)
        ratios = sorted(pairs["with"] / pairs["without"])
        mine = table[table["way"] == "with"]
        share = statistics.median(mine[writing] / mine[column])
        span = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
        print(f"with / without, {column}: median {statistics.median(ratios):.3f} ({span}); in writing {share:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
