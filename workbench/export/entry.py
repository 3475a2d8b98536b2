"""How a measured quality stands in a manifest."""

import math
from dataclasses import asdict
from typing import Any


def shown(quality: Any) -> dict[str, float | int | None]:
    """A quality, a dataclass of numbers, as JSON can hold it: rounded, null for what is infinite or not defined."""
    values = {name: round(value, 4) if math.isfinite(value) else value for name, value in asdict(quality).items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
