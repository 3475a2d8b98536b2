"""Photos or recordings? Which of the two a place holds, and who makes copies of them and tests these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.apps.photos import self_test as photos_test
from workbench.apps.photos.protect import protect as protect_photos
from workbench.apps.photos.sources import gather
from workbench.apps.recordings import protect, self_test
from workbench.config import DataError

PHOTO, SOUND = "photo", "recording"


def of(place: Path) -> str:
    """Say whether a place holds recordings or, as far as can be seen, photos. Raises DataError where it holds both."""
    photos, recordings = (len(found.sources) for found in (gather(place), gather(place, protect.kind)))
    if photos and recordings:
        raise DataError(
            f"{place} holds {photos:,} photos and {recordings:,} recordings: give --epsilon for the photos or "
            "--budget-db for the recordings, each with an OUTPUT of its own"
        )
    return SOUND if recordings else PHOTO


def work(*, sound: bool) -> tuple[Callable[..., Any], Callable[..., Any], str]:
    """Give who makes the copies, who tests them, and what one of them is called."""
    if sound:
        return protect.protect, self_test.self_test, SOUND
    return protect_photos, photos_test.self_test, PHOTO
