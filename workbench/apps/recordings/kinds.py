"""Photos or recordings? Which of the two a place holds, and who makes copies of them and tests these."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.apps.photos import self_test as photos_test
from workbench.apps.photos import sources
from workbench.apps.photos.protect import protect as protect_photos
from workbench.apps.photos.report import Report
from workbench.apps.photos.self_test import SelfTest
from workbench.apps.recordings import protect as recordings
from workbench.apps.recordings import self_test as recordings_test
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import DataError, ProtectConfig
from workbench.files.picture_kinds import Reader
from workbench.files.pictures import decode


@dataclass(frozen=True)
class Kind:
    """Files of one kind. what: one of them is called; of: says by its first bytes of what kind a file is, or raises
    Refused; look: decodes it, or raises Refused.
    """

    what: str
    of: Callable[[Reader], str]
    look: Callable[[bytes, str], Any]

    def gather(self, place: Path) -> sources.Gathered:
        """Find all files of this kind."""
        return sources.gather(place, self.of)


PHOTOS = Kind("photo", sources.picture, decode)
RECORDINGS = Kind("recording", recordings.kind, recordings.opened)


def of(place: Path) -> Kind:
    """Say whether a place holds recordings or, as far as can be seen, photos. Raises DataError where it holds both."""
    photos, sounds = (len(kind.gather(place).sources) for kind in (PHOTOS, RECORDINGS))
    if photos and sounds:
        raise DataError(
            f"{place} holds {photos:,} photos and {sounds:,} recordings: give --epsilon for the photos or "
            "--budget-db for the recordings, each with an OUTPUT of its own"
        )
    return RECORDINGS if sounds else PHOTOS


def protect(source: Path, output: Path, config: ProtectConfig | RecordingsConfig, people: Any = None) -> Report:
    """Write copies with noise of photos or recordings, as job.run does: the configuration says which."""
    if isinstance(config, RecordingsConfig):
        return recordings.protect(source, output, config, people)
    return protect_photos(source, output, config, people)


def self_test(source: Path, output: Path, config: ProtectConfig | RecordingsConfig, **more: Any) -> SelfTest:
    """Train recognisers on originals and copies; more: people, seeds and told, as both self-tests have them."""
    if isinstance(config, RecordingsConfig):
        return recordings_test.self_test(source, output, config, **more)
    return photos_test.self_test(source, output, config, **more)
