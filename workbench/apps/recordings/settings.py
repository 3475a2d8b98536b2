"""How people's own recordings are protected. No torch, or the command line would load it to show its help."""

from dataclasses import dataclass

from workbench.budgets import ENVELOPE, MASKED, QUIETEST, SHAPES
from workbench.config import DEVICES, check_range, check_values, documented, listed

LAID = tuple(shape for shape in SHAPES if shape != MASKED)  # noise of clips is laid over whole recordings unmasked


@dataclass(frozen=True)
class RecordingsConfig:
    """What is chosen. epsilon: the budget in dB under a recording's own peak, called so in every manifest and table."""

    method: str = documented("tones", "how the noise is made: `workbench methods` lists them")
    epsilon: int = documented(-20, "perturbation budget: dB under a recording's own peak")
    shape: str = documented(ENVELOPE, f"of the budget: {listed(LAID)}", choices=LAID)
    seed: int = documented(0, "seed of everything random")
    device: str = documented("auto", listed(DEVICES), choices=DEVICES)

    def __post_init__(self) -> None:
        check_values(self)
        check_range(self, "epsilon", QUIETEST, -1)
        check_range(self, "seed", 0, 2**31 - 1)
