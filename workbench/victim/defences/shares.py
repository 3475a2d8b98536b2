"""A seeded share of the samples of every class."""

import torch
from torch import Tensor


def of_each_class(labels: Tensor, percent: int, draw: torch.Generator) -> Tensor:
    """Draw `percent` of each class that has samples, one at least: bool N, which samples are in the share."""
    order = torch.randperm(len(labels), generator=draw)
    share = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        mine = order[labels[order] == label]
        share[mine[: max(1, len(mine) * percent // 100)]] = True
    return share
