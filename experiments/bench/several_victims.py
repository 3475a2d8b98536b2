"""Several victims at once on one device: one after another, in processes, or as one batch of networks.

    python experiments/bench/several_victims.py --victims 2 --steps 60
    python experiments/bench/several_victims.py --device cuda --victims 8 --network resnet18 --ways turns batched

Every way takes as many training steps (forward, backward, SGD with momentum) of as many networks on the same batches of
random images. `turns`: one process with all threads trains them one after another; `processes`: each in a process of
its share of the threads; `batched`: torch.func.vmap over the stacked weights, in one process with all threads.
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
import torch.multiprocessing as processes
from measuring import provenance
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from workbench import device, models
from workbench.data.batches import network_input

RATE, MOMENTUM, CLASSES = 0.01, 0.9, 10


def network(name: str, seed: int, on: torch.device) -> nn.Module:
    """A network for 32×32 colour images, whose batch statistics are not kept: vmap cannot write them in place."""
    made = models.build(name, channels=3, classes=CLASSES, side=32, seed=seed).to(on)
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
            layer.num_batches_tracked = None
    return made.train()


def batch(size: int, on: torch.device) -> tuple[Tensor, Tensor]:
    """Images and labels."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (size, 3, 32, 32), generator=draw, dtype=torch.uint8)
    return network_input(images).to(on), torch.randint(CLASSES, (size,), generator=draw).to(on)


def in_turns(asked: argparse.Namespace, on: torch.device, count: int) -> Callable[[], None]:
    """One after another, each all its steps."""
    nets = [network(asked.network, seed, on) for seed in range(count)]
    ways = [torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM) for net in nets]
    x, y = batch(asked.batch_size, on)

    def step() -> None:
        for net, way in zip(nets, ways, strict=True):
            way.zero_grad()
            functional.cross_entropy(net(x), y).backward()
            way.step()

    return step


def batched(asked: argparse.Namespace, on: torch.device, count: int) -> Callable[[], None]:
    """All in one: every weight gets a leading dimension."""
    nets = [network(asked.network, seed, on) for seed in range(count)]
    weights, _ = stack_module_state(nets)  # type: ignore[arg-type]
    speed = {name: torch.zeros_like(value) for name, value in weights.items()}
    x, y = batch(asked.batch_size, on)

    def loss(weights: dict[str, Tensor]) -> Tensor:
        return functional.cross_entropy(functional_call(nets[0], weights, (x,)), y)

    gradients = vmap(grad(loss))

    def step() -> None:
        found = gradients({name: value.detach() for name, value in weights.items()})
        with torch.no_grad():
            for name, value in weights.items():
                speed[name].mul_(MOMENTUM).add_(found[name])
                value.sub_(RATE * speed[name])

    return step


def timed(step: Callable[[], None], steps: int, on: torch.device) -> float:
    """Seconds of so many steps, after three to warm up."""
    for _ in range(3):
        step()
    if on.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    if on.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _one(asked: argparse.Namespace, threads: int, ready: Any, told: Any) -> None:
    on = device.pick(asked.device)
    torch.set_num_threads(threads)
    step = in_turns(asked, on, 1)
    step()
    ready.wait()
    told.put(timed(step, asked.steps, on))


def in_processes(asked: argparse.Namespace) -> float:
    """Seconds until the last of as many processes as there are victims is done, their start left out."""
    context = processes.get_context("spawn")
    ready, told = context.Barrier(asked.victims), context.Queue()
    threads = max(1, torch.get_num_threads() // asked.victims)
    started = [context.Process(target=_one, args=(asked, threads, ready, told)) for _ in range(asked.victims)]
    for one in started:
        one.start()
    seconds = [told.get() for _ in started]
    for one in started:
        one.join()
    return max(seconds)


def main() -> int:
    """Take turns and print images a second, and the ratio to one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="convnet-w16")
    parser.add_argument("--victims", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--ways", nargs="+", default=["turns", "processes", "batched"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    asked = parser.parse_args()
    on = device.pick(asked.device)
    rows: list[dict[str, Any]] = []
    for turn in range(asked.turns):
        for way in asked.ways if turn % 2 else asked.ways[::-1]:
            if way == "processes":
                seconds = in_processes(asked)
            else:
                seconds = timed({"turns": in_turns, "batched": batched}[way](asked, on, asked.victims), asked.steps, on)
            rows.append(
                {
                    "turn": turn,
                    "way": way,
                    "images_per_second": asked.victims * asked.batch_size * asked.steps / seconds,
                }
            )
    table = pd.DataFrame(rows)
    if asked.out:
        table.round(1).to_csv(asked.out, index=False)
        provenance(asked.out.with_suffix(".json"), vars(asked))
    print(table.groupby("way")["images_per_second"].agg(["min", "median", "max"]).round(0).to_string())
    pairs = table.pivot(index="turn", columns="way", values="images_per_second")
    for way in asked.ways[1:]:
        ratios = sorted(pairs[way] / pairs[asked.ways[0]])
        print(f"{way} / {asked.ways[0]}: median {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
