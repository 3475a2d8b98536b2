"""Measure how visible noises are beside each other, and draw them.

    python experiments/visibility.py NAME --data SPEC NOISE [NOISE ...]

writes experiments/results/NAME.csv (one row per noise: PSNR in dB and SSIM of the training images, means over all;
share of the values that changed) and NAME.png: an image of each of the first classes, its noise, and what is published.
"""

import argparse
from pathlib import Path

import pandas as pd

from workbench import figures
from workbench.config import DataConfig
from workbench.data import sources
from workbench.data.measures import measure
from workbench.noise.perturbation import Perturbation

RESULTS = Path(__file__).parent / "results"
SHOWN = 4  # classes in the picture


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--data", required=True)
    parser.add_argument("noises", type=Path, nargs="+")
    arguments = parser.parse_args()
    data = sources.load(DataConfig(data=arguments.data)).train
    firsts = {name: int((data.labels == k).nonzero()[0]) for k, name in enumerate(data.classes[:SHOWN])}
    rows, pictures, largest = [], {}, 0
    for folder in arguments.noises:
        noise = Perturbation.load(folder)
        published = noise.apply(data)
        found = pd.DataFrame([vars(one) for one in measure(data.samples, published)])
        means = found[["psnr", "ssim", "changed"]].mean().round(4).to_dict()
        rows.append({"method": noise.method, "kind": noise.kind, "epsilon": noise.epsilon, **means})
        largest = max(largest, noise.epsilon)
        pictures[figures.name_of(noise.method, noise.kind)] = {
            name: published[at].permute(1, 2, 0).numpy() for name, at in firsts.items()
        }
    pd.DataFrame(rows).to_csv(RESULTS / f"{arguments.name}.csv", index=False, lineterminator="\n")
    originals = {name: data.samples[at].permute(1, 2, 0).numpy() for name, at in firsts.items()}
    sheet = figures.noise_sheet(originals, pictures, largest)
    (RESULTS / f"{arguments.name}.png").write_bytes(figures.png(sheet))


if __name__ == "__main__":
    main()
