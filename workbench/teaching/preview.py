"""What a learner with a countermeasure gets to see, before anything is trained on it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from workbench.config import ConfigError, WorkbenchError
from workbench.data.space import IMAGE
from workbench.files.untrusted import first_line
from workbench.study import Made, Study
from workbench.victim import composed

WHOLE = "images are whole numbers (uint8): count with x.float(), and end with .round().to(torch.uint8)"


def seen(study: Study, made: Made, defence: str, which: Sequence[int]) -> dict[str, np.ndarray]:
    """What the defence makes of the published training images `which`, by class and index: uint8 H×W×C.

    It goes through its hooks train_set, inputs and batch. Raises ConfigError, in one line, for whatever its code
    raises or gives back that is no image of the same shape, and where samples are no pictures.
    """
    if study.pair.space != IMAGE:
        raise ConfigError(f"{study.pair.name} is {study.pair.space.name} data, of which there are no pictures")
    try:
        pixels = _through(study, made, defence, list(which))
    except WorkbenchError as error:
        raise ConfigError(f"{error}; {WHOLE}" if "float" in str(error) else str(error)) from None
    except Exception as error:  # whatever a beginner's code may raise
        more = f"; {WHOLE}" if "dtype" in str(error) else ""
        raise ConfigError(f"defence {defence} stops with {type(error).__name__}: {first_line(error)}{more}") from None
    return dict(zip(study.pictures(list(which)), pixels.permute(0, 2, 3, 1).numpy(), strict=True))


def _through(study: Study, made: Made, name: str, which: list[int]) -> Tensor:
    data = replace(study.pair.train, samples=made.noise.apply(study.pair.train))
    carries = torch.ones(len(data), dtype=torch.bool)
    learner = composed.prepared(name, data, carries)
    changed = learner.train_set(data, carries)
    if changed.names != data.names:
        raise ConfigError(f"defence {name}: train_set kept {len(changed):,} of {len(data):,} images, or moved some")
    return learner.batch(learner.inputs(changed.samples[which]), torch.Generator().manual_seed(0))
