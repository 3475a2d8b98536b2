"""Tables of what an existing recogniser makes of copies, as known.compare gives them."""

import pandas as pd

from workbench.apps.photos.handling import HANDLINGS


def asked_of(
    photos: int, known: int, *, others: bool = True, found: float = 1.0, grey: int | None = None
) -> pd.DataFrame:
    """All handlings alike: `known` copies named of so many photos, but `grey` when turned grey."""
    rows = []
    for how in HANDLINGS:
        named = grey if how == "turned grey" and grey is not None else known
        rows.append({
            "handling": how, "photos": photos, "asked": photos if others else 0, "persons": 2,
            "found_originals": found, "found_copies": found, "same": named / photos, "distance": 0.3,
            "known_originals": 1.0, "known_copies": named / photos, "learnt_copies": 0.5, "wrong_copies": 0.0,
        })  # fmt: skip
    return pd.DataFrame(rows)
