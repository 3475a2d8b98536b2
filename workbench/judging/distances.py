"""How far copies are from their originals, for folders without classes, of which nothing else can be said."""

import math
import statistics
from pathlib import Path
from typing import NamedTuple

import torch

from workbench.config import DataError
from workbench.data.measures import Quality, measure
from workbench.files import tree
from workbench.files.pictures import Photo
from workbench.judging.pairs import LINES, check_both, pair
from workbench.judging.small import equal, opened, scaled
from workbench.progress import Progress

NO_CLASSES = (
    "Without classes nothing can be learnt or judged, only measured: give one folder a class to have learning judged."
)


class Distances(NamedTuple):
    """How far copies are from their originals, each at its original's size.

    pairs: measured; linf: the largest change in pixel values of 255; psnr: dB, over the pairs that differ; ssim: over
    the pairs that have one (11 pixels a side or more). mean and worst; None where no pair has it. said: sentences.
    """

    pairs: int
    linf_mean: float
    linf_worst: int
    psnr_mean: float | None
    psnr_worst: float | None
    ssim_mean: float | None
    ssim_worst: float | None
    said: tuple[str, ...]

    def in_words(self) -> str:
        """The numbers as lines, then the sentences."""
        lines = [f"{self.pairs:,} pairs, changed by at most {self.linf_worst} of 255, {self.linf_mean:.1f} on average"]
        if self.psnr_mean is not None:
            lines.append(f"PSNR: {self.psnr_mean:.1f} dB on average, {self.psnr_worst:.1f} dB at worst")
        if self.ssim_mean is not None:
            lines.append(f"SSIM: {self.ssim_mean:.3f} on average, {self.ssim_worst:.3f} at worst")
        return "\n".join([*lines, *self.said])


def distances(original: Path, protected: Path) -> Distances:
    """Measure the copies of a folder against its originals, paired by name, however the folders are arranged.

    A copy of another size is scaled to its original's first. Raises DataError for folders that do not belong together
    or hold a file that cannot be read.
    """
    check_both(original, protected)
    names: list[list[str]] = []
    said = [NO_CLASSES]
    for root in (original, protected):
        found = tree.walk(root)
        names.append(tree.images(found.files, tree.PHOTOS))
        links = [one for one in found.left if one.reason in tree.SAID]
        if not names[-1]:
            why = f"; {links[0].name!a} {tree.SAID[links[0].reason]}" if links else ": give a folder of pictures"
            raise DataError(f"{root} holds no images ({', '.join(sorted(tree.PHOTOS))}){why}")
        said += [f"{len(links):,} left out in {root}, {links[0].name!a} first: {links[0].reason}."] if links else []
    pairs = pair(names[0], names[1], (original, protected))
    measured, same, resized = [], 0, 0
    progress = Progress("measuring", len(pairs.originals), lines=LINES)
    for name, copy in zip(pairs.originals, pairs.copies, strict=True):
        photos = opened(original / name), opened(protected / copy)
        measured.append(_measured(*photos))
        same += equal(*photos)
        resized += photos[0].pixels.shape[:2] != photos[1].pixels.shape[:2]
        progress.advance()
    if resized:
        scaling = "scaled to their originals' sizes before measuring, which counts as change"
        said.append(f"{resized:,} of {len(measured):,} copies are of another size and were {scaling}.")
    if same:
        all_of = "All" if same == len(measured) else f"{same:,} of"
        said.append(f"{all_of} {len(measured):,} copies decode to exactly the pixels of their originals.")
    return _summary(measured, (*said, *pairs.said))


def _measured(before: Photo, after: Photo) -> Quality:
    height, width = before.pixels.shape[:2]
    original, copy = torch.from_numpy(before.pixels).permute(2, 0, 1), scaled(after.pixels, height, width)
    channels = max(len(original), len(copy))
    return measure(original.expand(channels, -1, -1)[None], copy.expand(channels, -1, -1)[None])[0]


def _summary(measured: list[Quality], said: tuple[str, ...]) -> Distances:
    linf = [quality.linf for quality in measured]
    psnr = [quality.psnr for quality in measured if math.isfinite(quality.psnr)]
    ssim = [quality.ssim for quality in measured if math.isfinite(quality.ssim)]
    means = [statistics.fmean(values) if values else None for values in (psnr, ssim)]
    worst = [min(values) if values else None for values in (psnr, ssim)]
    return Distances(
        len(measured), statistics.fmean(linf), max(linf), means[0], worst[0], means[1], worst[1], tuple(said)
    )
