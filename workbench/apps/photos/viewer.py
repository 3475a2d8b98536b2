"""One photo at a time: original, copy and difference, with a window that two sliders move, and the numbers."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image, ImageDraw

from workbench.apps import html
from workbench.apps.photos.chooser import NARROW, Chooser
from workbench.apps.photos.report import Verdict
from workbench.apps.photos.where import Finder, cut, placed
from workbench.apps.photos.working_set import SIDE as GRAIN
from workbench.apps.photos.working_set import scale_noise
from workbench.config import WorkbenchError
from workbench.files.pictures import decode
from workbench.models.existing import Box

TIMES = 8  # how much the difference is magnified
SIDE = 256  # CSS pixels of a picture, and photo pixels of the window
SAMPLE = 512  # photo pixels a side of the part on which a preview is measured, and of a picture in the same place
BESIDE, FLICKER, EDGE = "side by side", "in one place, by turns", "in one place, with an edge to move"


class Viewer:
    """The pictures' widgets. original, copy: give a photo's bytes, and its copy's with the verdict, if there is one;
    where: says which part of a photo will be changed (ProtectConfig).
    """

    def __init__(
        self,
        original: Callable[[str], bytes],
        copy: Callable[[str], tuple[bytes, Verdict] | None],
        where: Callable[[], str] = lambda: "whole",
    ):
        self._original, self._copy, self._where = original, copy, where
        self._boxes: dict[tuple[str, str], Box | None] = {}  # finding a face takes a second
        self._epsilon = 0
        self._cache: tuple[str, np.ndarray] | None = None  # one decoded photo: a large one takes a while
        self._pair: tuple[Any, ...] | None = None
        self._begun: tuple[str, Box | None] | None = None  # the photo and face that the window was put on
        self._placing = False
        self.chooser = Chooser("Photo")
        self.photo = self.chooser.choice
        self.across = widgets.FloatSlider(value=0.5, min=0, max=1, step=0.02, description="Left to right", **NARROW)
        self.down = widgets.FloatSlider(value=0.5, min=0, max=1, step=0.02, description="Top to bottom", **NARROW)
        for slider in (self.across, self.down):
            slider.readout = False
        self.how = widgets.Dropdown(options=[BESIDE, FLICKER, EDGE], description="Compare", **NARROW)
        self.edge = widgets.FloatSlider(value=0.5, min=0, max=1, step=0.02, description="Edge", **NARROW)
        self.edge.readout = False
        self.picture, self.text = widgets.HTML(), widgets.HTML()
        self.brief = widgets.HTML()  # the same words again, to stand below the slider of the strength
        self.place = widgets.VBox([widgets.HTML("<h3>Move the frame</h3>"), self.across, self.down])
        self.box = widgets.VBox([self.chooser.box, self.text, self.how, self.edge, self.picture, self.place])
        for control in (self.photo, self.how, self.edge, self.across, self.down):
            control.observe(lambda _: None if self._placing else self.draw(self._epsilon), "value")

    def offer(self, names: Sequence[str]) -> None:
        """Give these photos to choose from."""
        self._cache = self._pair = self._begun = None
        self._boxes.clear()
        self.chooser.offer(names)

    def draw(self, epsilon: int) -> None:
        """Show the chosen photo, with its copy or else a preview at this strength."""
        self._epsilon, name = epsilon, self.photo.value
        if name is None:
            self.picture.value = self.text.value = self.brief.value = ""
            return
        try:
            original, copy, said, title = self._views(name, epsilon)
        except (WorkbenchError, OSError) as error:
            self.brief.value = ""
            self.picture.value, self.text.value = "", html.said(f"{name} cannot be shown: it {error}", urgent=True)
            self.place.layout.display = "none"
            return
        self.text.value, self.brief.value = html.said(said), html.plain(f"{name}: {said}")
        place, how = (self.across.value, self.down.value), self.how.value
        if how == BESIDE:
            self.picture.value = sheet(original, copy, name, title, place)
        else:
            edge = self.edge.value if how == EDGE else None
            self.picture.value = in_one_place(original, copy, name, title, place, edge)
        self.edge.layout.display = None if how == EDGE else "none"
        movable = max(original.shape[:2]) > (SIDE if how == BESIDE else SAMPLE)
        self.place.layout.display = None if movable else "none"

    def _views(self, name: str, epsilon: int) -> tuple[np.ndarray, np.ndarray, str, str]:
        original = self._decoded(name)
        found = self._copy(name)
        box = self._box(name, original)
        self._begin(name, box, original)
        key = (name, epsilon, found is not None, box)
        if self._pair is None or self._pair[0] != key:
            self._pair = (key, *self._second(original, found, epsilon, box))
        return original, *self._pair[1:]

    def _begin(self, name: str, box: Box | None, original: np.ndarray) -> None:
        """Put the window on the face of a photo that is new here, where one is known; else on its middle."""
        if self._begun == (name, box):
            return
        self._begun, self._placing = (name, box), True
        try:
            self.across.value, self.down.value = centred(box, original)
        finally:
            self._placing = False

    def _second(
        self, original: np.ndarray, found: tuple[bytes, Verdict] | None, epsilon: int, box: Box | None
    ) -> tuple[np.ndarray, str, str]:
        """Give the picture beside the original, what is said about it, and its title."""
        if found is None:
            copy = size_only(original, epsilon, box)
            middle = [cut(pixels, box) for pixels in (original, copy)]
            middle = [window(pixels, (0.5, 0.5), SAMPLE) for pixels in middle]  # enough to tell, and quick
            said = "This is a preview of the size and grain of the change. The real change is made to fit your photos. "
            return copy, said + html.measured(*middle), "preview of the size only"
        content, verdict = found
        copy = decode(content, verdict.file or verdict.name).pixels
        linf, psnr, ssim = verdict.linf or 0, verdict.psnr, verdict.ssim  # None: nothing changed; too small for SSIM
        measured = html.visibility(linf, math.inf if psnr is None else psnr, math.nan if ssim is None else ssim)
        return copy, f"Measured on the finished file: {measured}", "changed copy"

    def _box(self, name: str, original: np.ndarray) -> Box | None:
        where = self._where()
        if (name, where) not in self._boxes:
            self._boxes[name, where] = Finder(where).box(original)
        return self._boxes[name, where]

    def _decoded(self, name: str) -> np.ndarray:
        if self._cache is None or self._cache[0] != name:
            self._cache = name, decode(self._original(name), name).pixels
        return self._cache[1]


def size_only(original: np.ndarray, epsilon: int, box: Box | None = None) -> np.ndarray:
    """Change a photo, or a part of it, by this size without aim, always alike, as coarse as the search's noise is."""
    height, width = original.shape[:2]
    left, top, right, bottom = box or (0, 0, width, height)
    signs = np.random.default_rng(0).integers(0, 2, (GRAIN, GRAIN)) * 2 - 1
    noise = placed(
        scale_noise(torch.from_numpy(epsilon * signs), bottom - top, right - left, epsilon), box, height, width
    )
    return np.clip(original + noise[:, :, None].astype(np.int16), 0, 255).astype(np.uint8)


def bounds(pixels: np.ndarray, place: tuple[float, float], side: int = SIDE) -> tuple[int, int, int, int]:
    """Give left, top, width, height of a window of at most `side` pixels; place: shares across and down, 0 to 1."""
    height, width = min(side, pixels.shape[0]), min(side, pixels.shape[1])
    return round(place[0] * (pixels.shape[1] - width)), round(place[1] * (pixels.shape[0] - height)), width, height


def centred(box: Box | None, pixels: np.ndarray) -> tuple[float, float]:
    """Give the place (see bounds) of the window whose middle is the box's, as near as it can be; None: the photo's."""
    if box is None:
        return 0.5, 0.5
    middles = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    rooms = (max(1, length - SIDE) for length in (pixels.shape[1], pixels.shape[0]))
    across, down = (min(1.0, max(0.0, (at - SIDE / 2) / room)) for at, room in zip(middles, rooms, strict=True))
    return across, down


def window(pixels: np.ndarray, place: tuple[float, float], side: int = SIDE) -> np.ndarray:
    """Cut the window out of a photo."""
    left, top, width, height = bounds(pixels, place, side)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def sheet(original: np.ndarray, copy: np.ndarray, name: str, title: str, place: tuple[float, float]) -> str:
    """Show original, copy and change side by side, and below them the window. title: what stands under the copy."""
    titles = ("original", title, f"the change, magnified {TIMES} times; grey is no change")
    parts = [window(pixels, place) for pixels in (original, copy)]
    framed = parts[0].shape != original.shape
    enlarged = max(1, SIDE // max(parts[0].shape[:2]))
    how = f"each pixel {enlarged} times as large" if enlarged > 1 else "pixel by pixel"
    parts.append(html.magnified(parts[0], parts[1], TIMES))
    shown = f"<h3>Close up: {how}{', inside the frame' if framed else ''}</h3>"
    shown += _row(parts, titles, f"close up, {name}", enlarged * max(parts[0].shape[:2]))
    if not framed:
        return shown
    first = _small(original)
    wholes = [_framed(first, original, place), _small(copy), _small(html.magnified(original, copy, TIMES))]
    return _row(wholes, titles, name, min(SIDE, max(first.shape[:2]))) + shown


def in_one_place(
    original: np.ndarray, copy: np.ndarray, name: str, title: str, place: tuple[float, float], edge: float | None
) -> str:
    """Show a window of SAMPLE pixels, pixel by pixel: original and copy by turns, or the one left of an edge and the
    other right of it. edge: the share of the width that is the original's (None: by turns).
    """
    before, after = (window(pixels, place, SAMPLE) for pixels in (original, copy))
    side = max(before.shape[:2])
    if edge is None:
        named = ((before, "original"), (after, title))
        shown = "".join(html.picture(part, f"This is the {words}", f"{name}: {words}", side) for part, words in named)
        turns = f'<div class="photos-scroll"><div class="photos-turns" aria-live="off">{shown}</div></div>'
        return f"<h3>By turns: original, {escape(title)}</h3>{turns}"
    both, at = after.copy(), round(edge * after.shape[1])
    both[:, :at] = before[:, :at]
    both[::2, at : at + 1], both[1::2, at : at + 1] = 0, 255  # to be seen on any photo
    words = f"{name}: original left of the edge, {title} right of it"
    shown = html.picture(both, "", words, side)
    return f'<h3>Original left, {escape(title)} right</h3><div class="photos-scroll">{shown}</div>'


def _row(images: Sequence[np.ndarray], titles: Sequence[str], name: str, side: int) -> str:
    named = zip(images, titles, strict=True)
    return html.side_by_side([
        html.picture(image, title[0].upper() + title[1:], f"{name}: {title}", side) for image, title in named
    ])  # fmt: skip


def _small(pixels: np.ndarray) -> np.ndarray:
    """Bring a photo to at most twice SIDE a side. Pixels are picked, not averaged: that would hide the change."""
    share = min(1.0, 2 * SIDE / max(pixels.shape[:2]))
    if share == 1:
        return pixels
    height, width = (max(1, round(share * length)) for length in pixels.shape[:2])
    picked = Image.fromarray(pixels.squeeze()).resize((width, height), Image.Resampling.NEAREST)
    return np.atleast_3d(np.asarray(picked))


def _framed(small: np.ndarray, pixels: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """Draw the window's place as a frame of black and white, to be seen on any photo."""
    share = small.shape[1] / pixels.shape[1]
    left, top, width, height = (round(share * value) for value in bounds(pixels, place))
    drawn = Image.fromarray(small.squeeze()).convert("RGB")
    pen = ImageDraw.Draw(drawn)
    for inset, colour in ((0, "black"), (2, "white"), (4, "black")):
        box = (left + inset, top + inset, left + width - 1 - inset, top + height - 1 - inset)
        if box[0] < box[2] and box[1] < box[3]:
            pen.rectangle(box, outline=colour, width=2)
    return np.asarray(drawn)
