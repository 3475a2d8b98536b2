"""Photos people posted, and people met later: recognition after `workbench protect`, measured on the exported files.

    python experiments/bench/recognition.py PEOPLE --out runs/recognition

PEOPLE holds train/ (photos to be protected) and test/ (clean photos met later), one folder a person. For every method
and budget the photos are protected as a person would do it; recognisers are trained on the files as they are, after
JPEG at quality 75 and after halving and enlarging the files, and tested on test/. The clean twin gets the same. Rows
are added to OUT/results.csv as they are found; the same command goes on.

    python experiments/bench/recognition.py PEOPLE --out runs/alone --alone 8

The first 8 people protect their photos, each alone (in company of drawn others), everybody else posts clean ones; the
accuracy is that on the clean photos of these 8.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from workbench import device
from workbench.apps.photos.protect import protect
from workbench.apps.photos.working_set import RECOGNISER, SIDE
from workbench.config import DataConfig, ProtectConfig, VictimConfig, WorkbenchError, key
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.export.write import to_tensor
from workbench.files.pictures import read_exact
from workbench.records import run_folder
from workbench.records import table as results
from workbench.victim import defence, exposure, recipes, train

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
    parser.add_argument("--alone", type=int, default=0, metavar="N", help="only the first N people protect, each alone")
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
    pair = sources.load(DataConfig(data=f"folder:{arguments.people}"))
    identity = {"people": pair.train.fingerprint, "alone": arguments.alone, **RECIPE}
    test = pair.test
    if arguments.alone:
        test = test.subset((test.labels < arguments.alone).nonzero()[:, 0])
    with run_folder.opened(
        out, "recognition", identity, resume=True, again=True, data_fingerprint=pair.train.fingerprint
    ) as run:
        run.note(device=device.describe(device.pick("auto")))
        plans = [("clean", 0)] + [(method, epsilon) for epsilon in arguments.epsilons for method in arguments.methods]
        for method, epsilon in plans:
            published = pair.train
            if method != "clean":
                with run.stage(f"protect {method} {epsilon}"):
                    config = ProtectConfig(method=method, epsilon=epsilon)
                    published = copied(pair.train, arguments, out / f"{method}-{epsilon}", config)
            share = float((published.samples != pair.train.samples).flatten(1).any(1).float().mean())
            for way in arguments.ways:
                for architecture in arguments.victims:
                    for seed in arguments.seeds:
                        one(out, published, test, share, method, epsilon, way, architecture, seed)


def copied(train: Dataset, arguments: argparse.Namespace, copies: Path, config: ProtectConfig) -> Dataset:
    """The training photos as published: everybody's copies, or those of the first people, each protected alone."""
    originals = arguments.people / "train"
    if not arguments.alone:
        protect(originals, copies, config)
        return replace(train, samples=sources.read_folder(copies).samples)
    published = train.samples.clone()
    for label, person in enumerate(train.classes[: arguments.alone]):
        protect(originals / person, copies / person, config)
        mine = (train.labels == label).nonzero()[:, 0].tolist()
        for turn in mine:
            file = copies / person / Path(train.names[turn]).with_suffix(".png").name
            published[turn] = to_tensor(read_exact(file))
    return replace(train, samples=published)


def one(
    out: Path,
    published: Dataset,
    test: Dataset,
    share: float,
    method: str,
    epsilon: int,
    way: str,
    architecture: str,
    seed: int,
) -> None:
    """Train and test one recogniser, unless its rows are there. share: of the published photos that carry noise."""
    identity = results.Identity(
        key({"method": method, "epsilon": epsilon, "way": way, "victim": architecture, "seed": seed, **RECIPE}),
        "folder",
        method,
        kind="none" if method == "clean" else "samplewise",
        epsilon=epsilon,
        victim=architecture,
        defence=way,
        protected_fraction=round(share, 4),
        seed=seed,
    )
    known = results.read(out) if (out / results.FILE_NAME).exists() else None
    if known is not None and (known["run"] == identity.run).any():
        return
    sets = []
    for part in (published, test):
        changed = part.samples if way == "none" else at_full_size(way, part.samples)
        sets.append(replace(part, samples=changed).scaled(SIDE))
    asked = train.resolved(VictimConfig(victim=architecture, seed=seed, **RECIPE), recipes.named("folder"))
    exposed = exposure.expose(sets[0], None, asked)  # the noise is in the files already
    label = f"{method} {epsilon}, {way}, seed {seed}, epoch"
    curve = train.train(asked, DataPair(*sets, "folder"), *exposed, label=label)
    rows = results.table(identity, curve)
    results.write(rows if known is None else pd.concat([known, rows], ignore_index=True), out)


def at_full_size(way: str, photos: torch.Tensor) -> torch.Tensor:
    """What is done to the files themselves, uint8 N×C×H×W; grey photos pass through JPEG as grey colour."""
    colour = photos.expand(-1, 3, -1, -1) if photos.shape[1] == 1 else photos
    return defence.named(way).inputs(colour)[:, : photos.shape[1]]


if __name__ == "__main__":
    sys.exit(main())
