"""A seeded split of samples into those to train on and those to test on."""

import torch
from torch import Tensor

from workbench.config import DataError

TEST_PART = 5  # without a test folder every fifth sample of a class, in a seeded order, is the test set


def split(labels: Tensor, classes: tuple[str, ...], seed: int) -> list[Tensor]:
    """Where the training and the test samples are, in a seeded split, 80/20 within every class."""
    generator = torch.Generator().manual_seed(seed)
    parts: dict[bool, list[Tensor]] = {True: [], False: []}
    for label, name in enumerate(classes):
        mine = (labels == label).nonzero()[:, 0]
        if len(mine) < 2:
            raise DataError(f"class {name!r} has one file only: two are needed to train and to test")
        mine = mine[torch.randperm(len(mine), generator=generator)]
        cut = max(1, len(mine) // TEST_PART)
        parts[True].append(mine[:cut])
        parts[False].append(mine[cut:])
    return [torch.cat(parts[is_test]).sort().values for is_test in (False, True)]
