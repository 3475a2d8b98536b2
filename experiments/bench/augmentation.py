"""Augmentation and JPEG by whole batches against torchvision's image by image, turn by turn: images a second.

    python experiments/bench/augmentation.py --turns 5
    python experiments/bench/augmentation.py --device cuda --sides 32 224

One thread on a CPU; both ways meet the same uint8 images of photo-digits, which lie on the device, and give uint8
images back there. What torchvision does one by one it does on the CPU, as the defences once did.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from measuring import provenance
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from workbench import device
from workbench.config import DataConfig
from workbench.data import codec, sources
from workbench.victim.composed import named
from workbench.victim.defences import operations

Change = Callable[[Tensor], Tensor]
QUALITY = 30  # of JPEG
BATCH = 128  # images; of large ones fewer, so that a batch has no more than 2^22 values


def ways(side: int, draw: torch.Generator) -> dict[str, tuple[Change, Change]]:
    """What is measured: image by image, and by whole batches."""
    crop = v2.Compose([v2.RandomResizedCrop((side, side), scale=(0.4, 1.0)), v2.RandomHorizontalFlip()])
    ones: dict[str, Callable[[Tensor], Tensor] | nn.Module] = {
        "crop-flip": crop,
        "cutout": v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0)),
        "randaugment": v2.RandAugment(),
        "TrivialAugment": v2.TrivialAugmentWide(),
        f"jpeg-{QUALITY}": lambda image: functional.jpeg(image, quality=QUALITY),
    }

    def each(change: Callable[[Tensor], Tensor]) -> Change:
        return lambda x: torch.stack([change(image) for image in x.cpu()]).to(x.device)

    def drawn(name: str) -> Change:
        return lambda x: named(name).batch(x, draw)

    batches: dict[str, Change] = {name: drawn(name) for name in ("crop-flip", "cutout", "randaugment")}
    batches["TrivialAugment"] = lambda x: operations.trivial(x, draw)
    batches[f"jpeg-{QUALITY}"] = lambda x: codec.compress(x.float(), QUALITY).to(torch.uint8)
    return {name: (each(ones[name]), batches[name]) for name in ones}


def timed(change: Change, x: Tensor, least: float) -> dict[str, float]:
    """Repeat for so many seconds; images a second by the clock and by the processor."""
    wait = torch.cuda.synchronize if x.is_cuda else torch.mps.synchronize if x.device.type == "mps" else lambda: None
    change(x)  # warms up
    wait()
    begun, busy, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < least:
        change(x)
        wait()
        count += len(x)
    return {"by_clock": count / (time.perf_counter() - begun), "by_processor": count / (time.process_time() - busy)}


def main() -> int:
    """Take turns and print images a second, with the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 224], help="pixels")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each way in each turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    on = device.pick(arguments.device)
    torch.set_num_threads(1)
    images = sources.load(DataConfig(data="photo-digits:600", device=arguments.device)).train.samples
    draw = torch.Generator(device=on).manual_seed(0)
    rows: list[dict[str, Any]] = []
    for side in arguments.sides:
        x = images[: min(BATCH, 2**22 // (3 * side * side))]
        x = functional.resize(x, [side, side], antialias=True).to(on)
        for name, both in ways(side, draw).items():
            for turn in range(arguments.turns):
                for way in (0, 1) if turn % 2 else (1, 0):
                    facts = {"side": side, "change": name, "turn": turn, "way": ("one by one", "by batches")[way]}
                    rows.append(facts | timed(both[way], x, arguments.seconds))
    table = pd.DataFrame(rows)
    if arguments.out:
        table.round(0).to_csv(arguments.out, index=False)
        provenance(arguments.out.with_suffix(".json"), vars(arguments))
    column = "by_processor" if on.type == "cpu" else "by_clock"
    for (side, name), mine in table.groupby(["side", "change"], sort=False):
        pairs = mine.pivot(index="turn", columns="way", values=column)
        ratios = sorted(pairs["by batches"] / pairs["one by one"])
        before, after = pairs["one by one"].median(), pairs["by batches"].median()
        span = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{side:4} {name:15} one by one {before:9,.0f}, by batches {after:9,.0f} images/s; ratio {span}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
