"""What Lightning costs: a victim trained by the Trainer against the same training in a bare loop, turn by turn.

    python experiments/bench/overhead.py --data photo-digits --epochs 2 --turns 5

Both meet the same batches, augmentation, network, schedule, clipping and test; their accuracies must be equal to the
last bit, which is checked. The processor's seconds are what a loaded machine does not spoil.
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
from torch import nn
from torch.nn import functional

from workbench import device, models
from workbench.config import DataConfig, VictimConfig
from workbench.data import sources
from workbench.data.augment import AUGMENTATIONS
from workbench.data.batches import Batches, Stream, generator, network_input
from workbench.data.dataset import DataPair
from workbench.victim import exposure, recipes, train
from workbench.victim.defence import Defence
from workbench.victim.module import TEST_BATCH, Victim
from workbench.victim.train import GRADIENT_CLIP


def bare(config: VictimConfig, pair: DataPair) -> float:
    """The training in a plain loop; returns the last epoch's accuracy on the test images."""
    device.pick(config.device)
    learnt, test = pair.train, pair.test
    network = models.build(
        config.victim, channels=learnt.samples.shape[1], classes=len(learnt.classes), side=learnt.side, seed=config.seed
    )
    optimiser = torch.optim.SGD(
        network.parameters(), lr=config.learning_rate, momentum=0.9, weight_decay=config.weight_decay
    )
    warmup = recipes.named(pair.name).warmup
    module = Victim(network, config, learnt, test, Defence(), warmup)  # for its schedule alone
    share = module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
    accuracy = 0.0
    for epoch in range(config.epochs or 1):
        network.train()
        draw = generator(torch.device("cpu"), config.seed, Stream.ORDER, epoch)
        for pixels, labels in Batches(
            learnt, config.batch_size or 1, draw, AUGMENTATIONS[config.augmentation or "none"]
        ):
            optimiser.zero_grad()
            functional.cross_entropy(network(network_input(pixels.float())), labels).backward()
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_CLIP)
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            right = sum(
                int((network(network_input(pixels)).argmax(1) == labels).sum())
                for pixels, labels in Batches(test, TEST_BATCH)
            )
        accuracy = right / len(test)
    return accuracy


def lightning(config: VictimConfig, pair: DataPair) -> float:
    """The training as the program does it; returns the last epoch's accuracy on the test images."""
    curve = train.train(config, pair, *exposure.expose(pair.train, None, config))
    return float([row["value"] for row in curve if (row["split"], row["metric"]) == ("test", "accuracy")][-1])


def main() -> int:
    """Take turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="photo-digits")
    parser.add_argument("--victim", default="convnet-w16")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    pair = sources.load(DataConfig(data=arguments.data, device="cpu"))
    asked = VictimConfig(data=arguments.data, victim=arguments.victim, epochs=arguments.epochs, device="cpu")
    config = train.resolved(asked, recipes.named(pair.name))
    rows: list[dict[str, Any]] = []
    for turn in range(arguments.turns + 1):
        for way in ((bare, lightning), (lightning, bare))[turn % 2]:
            row = timed(way, config, pair)
            if turn:  # the first turn warms both up
                rows.append({"turn": turn, "way": way.__name__, **row})
    table = pd.DataFrame(rows)
    if table["accuracy"].nunique() != 1:
        print(f"the two do not do the same: accuracies {sorted(table['accuracy'].unique())}", file=sys.stderr)
        return 1
    if arguments.out:
        table.to_csv(arguments.out, index=False)
        provenance(arguments.out.with_suffix(".json"), vars(arguments))
    print(table.groupby("way")[["seconds", "processor_seconds"]].agg(["min", "median", "max"]).round(2).to_string())
    for column in ("seconds", "processor_seconds"):
        pairs = table.pivot(index="turn", columns="way", values=column)
        ratios = sorted(pairs["lightning"] / pairs["bare"])
        print(
            f"Lightning / bare, {column}: median {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )
    return 0


def timed(way: Callable[[VictimConfig, DataPair], float], config: VictimConfig, pair: DataPair) -> dict[str, float]:
    """Accuracy and cost of one training."""
    begun, busy = time.perf_counter(), time.process_time()
    accuracy = way(config, pair)
    costs = {"seconds": time.perf_counter() - begun, "processor_seconds": time.process_time() - busy}
    return {"accuracy": accuracy, **costs}


if __name__ == "__main__":
    sys.exit(main())
