"""The search schedules against each other, in one run: image passes, seconds and what a victim learns all the same.

    make bench     # photo-digits, one seed; sample-wise em alone takes a million image passes: allow an hour
    python experiments/bench/schedules.py --data folder:PATH --seeds 3 --victims convnet-w16 resnet9-w8

Every schedule meets the same images, surrogate and seed in this process; the last victim should be of another
architecture than the surrogate. Seconds are of this machine: read the ratios.
"""

import argparse
import sys
import time

import pandas as pd

from workbench import images, noise, victim
from workbench.config import KINDS, DataConfig, NoiseConfig, VictimConfig, WorkbenchError
from workbench.images import DataPair

SCHEDULES = {
    "em": {"method": "em"},
    "em-joint": {"method": "em-joint"},
    "em-joint, nothing shared": {"method": "em-joint", "shared_step": 0.0},
    "random": {"method": "random"},
}


def main() -> int:
    """Run the grid and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="photo-digits")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=None, help="most rounds of em")
    parser.add_argument("--surrogate", default="convnet-w16")
    parser.add_argument("--victims", nargs="+", default=["convnet-w16", "resnet9-w8"])
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--out", help="also write the table to this CSV file")
    arguments = parser.parse_args()
    try:
        rows = [row for seed in range(arguments.seeds) for row in one_seed(arguments, seed)]
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    table = pd.DataFrame(rows)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(compare(table).to_string())
    return 0


def one_seed(arguments: argparse.Namespace, seed: int) -> list[dict]:
    """All schedules on one seed's data: a row a schedule, kind and victim."""
    pair = images.load(DataConfig(data=arguments.data, seed=seed))
    rows = [row | {"passes": 0, "seconds": 0.0} for row in learn(arguments, pair, seed, "clean", "none", None)]
    for name in arguments.schedules:
        for kind in KINDS:
            if "nothing shared" in name and kind == "classwise":
                continue
            limit = {"rounds": arguments.rounds} if name == "em" else {}
            settings = {**SCHEDULES[name], **limit, "kind": kind, "surrogate": arguments.surrogate}
            config = noise.resolved(NoiseConfig(data=arguments.data, seed=seed, **settings), pair.name)
            begun = time.perf_counter()
            found, facts = noise.search(config, pair.train)
            cost = {"passes": facts.get("image_passes", 0), "seconds": time.perf_counter() - begun}
            rows += [row | cost for row in learn(arguments, pair, seed, name, kind, found)]
    return rows


def learn(arguments: argparse.Namespace, pair: DataPair, seed: int, name: str, kind: str, found: object) -> list[dict]:
    """Train every victim under the fixed recipe; peak and final accuracy on clean test images."""
    rows = []
    for architecture in arguments.victims:
        asked = VictimConfig(data=arguments.data, seed=seed, victim=architecture, epochs=arguments.epochs)
        curve = victim.train(victim.resolved(asked, pair.name), pair, found, label=f"{architecture}, {name} {kind}")
        test = [point["value"] for point in curve if (point["split"], point["metric"]) == ("test", "accuracy")]
        row = {"schedule": name, "kind": kind, "victim": architecture, "seed": seed}
        rows.append(row | {"peak": max(test), "final": test[-1]})
    return rows


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds, with the cost of each schedule as a ratio to em of the same kind."""
    mean = table.groupby(["kind", "schedule", "victim"], sort=False)[["passes", "seconds", "peak", "final"]].mean()
    spread = table.groupby(["kind", "schedule", "victim"], sort=False)["final"]
    mean["final_low"], mean["final_high"] = spread.min(), spread.max()
    for column in ("passes", "seconds"):
        flat = mean.reset_index()
        reference = flat[flat["schedule"] == "em"].groupby("kind")[column].first().to_dict()
        ratio = [value / reference.get(kind, float("nan")) for (kind, _, _), value in mean[column].items()]
        mean[f"{column}_of_em"] = ratio
    return mean.round(3)


if __name__ == "__main__":
    sys.exit(main())
