"""Photos people posted, and people met later: recognition after `workbench protect`, measured on the exported files.

    python experiments/bench/recognition.py PEOPLE --out runs/recognition

PEOPLE holds train/ (photos to be protected) and test/ (clean photos met later), one folder a person. For every method
and budget the photos are protected as a person would do it; recognisers are trained on the files as they are, after
JPEG at quality 75 and after halving and enlarging the files, and tested on test/. The clean twin gets the same. Rows
are added to OUT/results.csv as they are found; the same command goes on.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from workbench import device, images, results, runs, victim
from workbench.config import DataConfig, ProtectConfig, VictimConfig, WorkbenchError, key
from workbench.defences import defend
from workbench.images import DataPair, ImageSet
from workbench.photos.protecting import protect
from workbench.photos.settings import RECOGNISER, SIDE

WAYS = ("none", "jpeg-75", "resize-half")
RECIPE = {"epochs": 40, "batch_size": 28, "learning_rate": 0.05}


def main() -> int:
    """Protect, train, test; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=["targeted", "em-joint", "random", "em", "em-max"])
    parser.add_argument("--epsilons", type=int, nargs="+", default=[15, 8])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--victims", nargs="+", default=[RECOGNISER])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    try:
        recognition(arguments)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    table = results.summary(results.read(arguments.out))
    grouped = table.groupby(["epsilon", "method", "victim", "defence"], sort=False)
    print(grouped["final"].agg(["count", "mean", "min", "max"]).join(grouped["peak"].mean()).round(3).to_string())
    return 0


def recognition(arguments: argparse.Namespace) -> None:
    """Fill OUT/results.csv and OUT/run.json."""
    out: Path = arguments.out
    pair = images.load(DataConfig(data=f"folder:{arguments.people}"))
    identity = {"people": pair.train.fingerprint(), **RECIPE}
    with runs.opened(out, "recognition", identity, resume=True, again=True) as run:
        run.note(device=device.describe(device.pick("auto")), data_fingerprint=pair.train.fingerprint())
        plans = [("clean", 0)] + [(method, epsilon) for epsilon in arguments.epsilons for method in arguments.methods]
        for method, epsilon in plans:
            published = pair.train
            if method != "clean":
                copies = out / f"{method}-{epsilon}"
                with run.stage(f"protect {method} {epsilon}"):
                    protect(arguments.people / "train", copies, ProtectConfig(method=method, epsilon=epsilon))
                published = replace(pair.train, images=images.read_folder(copies).images)
            for way in arguments.ways:
                for architecture in arguments.victims:
                    for seed in arguments.seeds:
                        one(out, published, pair.test, method, epsilon, way, architecture, seed)


def one(
    out: Path, published: ImageSet, test: ImageSet, method: str, epsilon: int, way: str, architecture: str, seed: int
) -> None:
    """Train and test one recogniser, unless its rows are there."""
    identity = {
        "run": key({"method": method, "epsilon": epsilon, "way": way, "victim": architecture, "seed": seed, **RECIPE}),
        "data": "folder",
        "method": method,
        "kind": "none" if method == "clean" else "samplewise",
        "epsilon": epsilon,
        "surrogate": "none",
        "victim": architecture,
        "defence": way,
        "protected_fraction": 0.0 if method == "clean" else 1.0,
        "seed": seed,
    }
    known = results.read(out) if (out / results.FILE_NAME).exists() else None
    if known is not None and (known["run"] == identity["run"]).any():
        return
    sets = []
    for part in (published, test):
        changed = part.images if way == "none" else at_full_size(way, part.images)
        sets.append(replace(part, images=changed).scaled(SIDE))
    asked = victim.resolved(VictimConfig(victim=architecture, seed=seed, **RECIPE), "folder")
    curve = victim.train(asked, DataPair("folder", *sets), label=f"{method} {epsilon}, {way}, seed {seed}, epoch")
    rows = results.table(identity, curve)
    results.write(rows if known is None else pd.concat([known, rows], ignore_index=True), out)


def at_full_size(way: str, photos: torch.Tensor) -> torch.Tensor:
    """What is done to the files themselves, uint8 N×C×H×W; grey photos pass through JPEG as grey colour."""
    colour = photos.expand(-1, 3, -1, -1) if photos.shape[1] == 1 else photos
    return defend(way, colour)[:, : photos.shape[1]]


if __name__ == "__main__":
    sys.exit(main())
