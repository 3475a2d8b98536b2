"""The search schedules against each other, in one run: what each costs and what victims learn all the same.

    make bench     # photo-digits, one seed; sample-wise em alone takes a million image passes: allow an hour
    python experiments/bench/schedules.py --data folder:PATH --seeds 3 --out bench.csv

Every schedule meets the same images, surrogate and seed in this process; one victim is of the surrogate's architecture,
one of another, because a schedule that only fools its own surrogate does not count. With --out every row is kept as
soon as it is measured, and the same command goes on where it was stopped. Seconds are of this machine and its load:
read the ratios, and the processor's seconds where the load was not even.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from measuring import peak_memory, provenance

from workbench import noise
from workbench.config import KINDS, DataConfig, NoiseConfig, VictimConfig, WorkbenchError
from workbench.data import sources
from workbench.data.dataset import DataPair
from workbench.noise.perturbation import Perturbation
from workbench.victim import exposure, recipes, train

SCHEDULES: dict[str, dict[str, Any]] = {
    "em": {"method": "em"},
    "em-joint": {"method": "em-joint"},
    "em-joint, from bands": {"method": "em-joint", "begin": "bands"},
    "bands": {"method": "bands"},
    "em-joint, nothing shared": {"method": "em-joint", "shared_step": 0.0},
    "linear": {"method": "linear"},
    "random": {"method": "random"},
}
ONE_KIND = {"bands": "classwise", "em-joint, nothing shared": "samplewise"}  # the other kind is the same
# Where em ends when its stop test does not end it: sample-wise about the 200 epochs the 2021 search costs on CIFAR-10.
EM_ROUNDS = {"samplewise": 10, "classwise": 100}
COST = ["passes", "seconds", "processor_seconds", "peak_mib"]


def main() -> int:
    """Run the grid and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="photo-digits")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=None, help="most rounds of em (default: 10, class-wise 100)")
    parser.add_argument("--surrogate", default="convnet-w16")
    parser.add_argument("--victims", nargs="+", default=["convnet-w16", "resnet9-w8"])
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--out", type=Path, help="also keep the rows in this CSV file, and go on from it")
    arguments = parser.parse_args()
    try:
        table = measure(arguments)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(compare(table).to_string())
    return 0


def measure(arguments: argparse.Namespace) -> pd.DataFrame:
    """A row for every seed, schedule, kind and victim."""
    out: Path | None = arguments.out
    rows = pd.read_csv(out, keep_default_na=False).to_dict("records") if out and out.is_file() else []
    have = {(row["seed"], row["schedule"], row["kind"]) for row in rows}
    asked = [("clean", "none"), *((name, kind) for name in arguments.schedules for kind in arguments.kinds)]
    for seed in range(arguments.seeds):
        pair = None
        for name, kind in asked:
            if (seed, name, kind) in have or ONE_KIND.get(name, kind) != kind:
                continue
            pair = pair or sources.load(DataConfig(data=arguments.data, seed=seed))
            found, cost = search(arguments, pair, seed, name, kind)
            rows += [row | cost for row in learn(arguments, pair, seed, name, kind, found)]
            if out:
                pd.DataFrame(rows).to_csv(out, index=False)
                provenance(out.with_suffix(".json"), vars(arguments))
    return pd.DataFrame(rows)


def search(
    arguments: argparse.Namespace, pair: DataPair, seed: int, name: str, kind: str
) -> tuple[Perturbation | None, dict[str, Any]]:
    """The schedule's noise and its cost."""
    if name == "clean":
        return None, dict.fromkeys(COST, 0)
    limit = {"rounds": arguments.rounds or EM_ROUNDS[kind]} if name == "em" else {}
    settings = {**SCHEDULES[name], **limit, "kind": kind, "surrogate": arguments.surrogate}
    config = noise.resolved(NoiseConfig.of(data=arguments.data, seed=seed, **settings), pair.name)
    with peak_memory() as memory:
        begun, busy = time.perf_counter(), time.process_time()
        found, facts = noise.make(config, pair.train)
        seconds, processor = time.perf_counter() - begun, time.process_time() - busy
    cost = [facts.get("image_passes", 0), round(seconds, 2), round(processor, 2), memory.mib]
    return found, dict(zip(COST, cost, strict=True)) | {"surrogate_error": facts.get("surrogate_error")}


def learn(
    arguments: argparse.Namespace, pair: DataPair, seed: int, name: str, kind: str, found: Perturbation | None
) -> list[dict[str, Any]]:
    """Train every victim under the fixed recipe; peak and final accuracy on clean test images."""
    rows = []
    for architecture in arguments.victims:
        asked = VictimConfig(data=arguments.data, seed=seed, victim=architecture, epochs=arguments.epochs)
        config = train.resolved(asked, recipes.named(pair.name))
        exposed = exposure.expose(pair.train, found, config)
        curve = train.train(config, pair, *exposed, label=f"{architecture}, {name} {kind}")
        test = [point["value"] for point in curve if (point["split"], point["metric"]) == ("test", "accuracy")]
        row = {"schedule": name, "kind": kind, "victim": architecture, "seed": seed}
        rows.append(row | {"peak": max(test), "final": test[-1]})
    return rows


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds, with the cost of each schedule as a ratio to em of the same kind, and the final accuracies'
    difference to em's.
    """
    grouped = table.groupby(["kind", "schedule", "victim"], sort=False)
    mean = grouped[[*COST, "peak", "final"]].mean()
    mean["final_low"], mean["final_high"] = grouped["final"].min(), grouped["final"].max()
    flat = mean.reset_index()
    reference = flat[flat["schedule"] == "em"].set_index(["kind", "victim"])
    for column in ("passes", "seconds", "processor_seconds"):
        ratios = [
            value / reference[column].get((kind, learner), float("nan"))
            for (kind, _, learner), value in mean[column].items()
        ]
        mean[f"{column}_of_em"] = ratios
    mean["final_above_em"] = [
        value - reference["final"].get((kind, learner), float("nan"))
        for (kind, _, learner), value in mean["final"].items()
    ]
    return mean.round(3)


if __name__ == "__main__":
    sys.exit(main())
