"""Copies with noise of people's photos: what job.py needs to know of a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.apps.photos import job
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.sources import Gathered, Source, gather
from workbench.apps.photos.where import FACELESS, Finder, cut, placed
from workbench.apps.photos.work import Work
from workbench.apps.photos.working_set import WorkingSet, scale_noise, search_settings, with_noise
from workbench.apps.photos.write_copy import SUFFIXES, check_fits, write
from workbench.config import NoiseConfig, ProtectConfig
from workbench.data.dataset import Dataset
from workbench.export.entry import shown
from workbench.files import names
from workbench.files.pictures import decode
from workbench.models.existing import Box
from workbench.noise.perturbation import Perturbation

COPY_SHARE = 0.3  # of a picture's raw size: hardly any lossless copy of a photograph is smaller


def protect(source: Path, output: Path, config: ProtectConfig, people: Mapping[str, str] | None = None) -> Report:
    """Write copies with noise of the photos in `source`, as job.run does."""
    return job.run(Photos(config), source, output, people)


class Photos(Work):
    """People's photos. `boxes`, the parts that get noise, and `working` go together with the usable ones."""

    what, usable = "photo", "image"
    alone = "if several people are on them, see `workbench group` first"
    least: Mapping[str, Any] = {"linf": (int, None), "psnr": (float, None), "ssim": (float, None)}

    def __init__(self, config: ProtectConfig):
        self.config: ProtectConfig = config
        self.finder, self.working = Finder(config.where), WorkingSet()
        self.boxes: list[Box | None] = []

    def gather(self, root: Path) -> Gathered:
        """Find all photos."""
        return gather(root)

    def take(self, source: Source, content: bytes) -> int:
        """Keep a small copy. Raises Refused."""
        photo = decode(content, source.name)
        check_fits(photo, self.config.format)
        box = self.finder.box(photo.pixels)
        self.working.add(source.name, source.person, cut(photo.pixels, box))
        self.boxes.append(box)
        return int(COPY_SHARE * photo.pixels.nbytes)

    def persons(self) -> Sequence[str]:
        """List the people."""
        return self.working.persons()

    def targets(self, found: Sequence[str]) -> list[str]:
        """Name the copies: the photos' names with the suffix of the copies' format."""
        return names.target_names(found, SUFFIXES[self.config.format])

    def data(self) -> Dataset:
        """Give the small copies, and the company."""
        return self.working.data()

    def settings(self, data: Dataset) -> NoiseConfig:
        """Settle the search."""
        return search_settings(self.config, data)

    def copy(self, turn: int, source: Source, content: bytes, noise: Perturbation, target: Path, aside: Path) -> Any:
        """Bring the noise (int8 N×1×SIDE×SIDE) to the photo's size, add it and write the picture."""
        photo, box = decode(content, source.name), self.boxes[turn]
        height, width = photo.pixels.shape[:2]
        left, top, right, bottom = box or (0, 0, width, height)
        enlarged = scale_noise(noise.delta[turn, 0], bottom - top, right - left, self.config.epsilon)
        pixels = with_noise(photo, placed(enlarged, box, height, width))
        written = write(photo, pixels, target, aside, self.config.epsilon, self.config.format)
        return {
            "sha256": written.sha256,
            **shown(written.quality),
            "notes": [*photo.notes, *([FACELESS] if self.config.where == "faces" and box is None else [])],
            **({"box": list(box)} if box else {}),
        }

    def facts(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Say of JPEGs the largest change of any, in pixel values of 255."""
        largest = max((entry["linf"] for entry in entries), default=0)
        return {"bound": largest} if self.config.format == "jpeg" else {}

    def verdict(self, name: str, entry: Mapping[str, Any]) -> Verdict:
        """Give the verdict of a copy from its entry."""
        measured = {what: entry[what] for what in ("file", "linf", "psnr", "ssim")}
        return Verdict(name, notes=tuple(entry["notes"]), **measured)

    def report(self, verdicts: list[Verdict], seconds: float, earlier: int) -> Report:
        """Give the report of the whole job."""
        lossy = self.config.format == "jpeg"
        return Report(verdicts, self.config.epsilon, self.config.method, seconds, len(self.persons()), lossy, earlier)
