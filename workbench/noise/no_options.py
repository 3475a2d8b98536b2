"""What a method that has nothing to set has for its options."""

from dataclasses import dataclass
from typing import Any

from workbench.config import NoiseConfig


@dataclass(frozen=True)
class Options:
    """This method has no options."""

    @classmethod
    def defaults(cls, asked: NoiseConfig, data: str) -> dict[str, Any]:
        """Nothing."""
        return {}
