"""One photo at a time: original, copy and difference, with a window that two sliders move, and the numbers."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np

from workbench.apps.photos import compare, views
from workbench.apps.photos.report import Verdict
from workbench.config import WorkbenchError
from workbench.files.pictures import decode

NARROW = {"style": {"description_width": "130px"}, "layout": {"width": "100%", "max_width": "480px"}}


class Viewer:
    """The pictures' widgets. original, copy: give a photo's bytes, and its copy's with the verdict, if there is one."""

    def __init__(self, original: Callable[[str], bytes], copy: Callable[[str], tuple[bytes, Verdict] | None]):
        self._original, self._copy = original, copy
        self._epsilon = 0
        self._cache: tuple[str, np.ndarray] | None = None  # one decoded photo: a large one takes a while
        self._pair: tuple[Any, ...] | None = None
        self.photo = widgets.Dropdown(options=[], description="Photo", **NARROW)
        self.before = widgets.Button(description="Previous", layout={"width": "100px", "height": "32px"})
        self.after = widgets.Button(description="Next", layout={"width": "100px", "height": "32px"})
        self.across = widgets.FloatSlider(value=0.5, min=0, max=1, step=0.02, description="Left to right", **NARROW)
        self.down = widgets.FloatSlider(value=0.5, min=0, max=1, step=0.02, description="Top to bottom", **NARROW)
        for slider in (self.across, self.down):
            slider.readout = False
        self.picture, self.text = widgets.HTML(), widgets.HTML()
        self.brief = widgets.HTML()  # the same words again, to stand below the slider of the strength
        chooser = widgets.HBox([self.photo, self.before, self.after], layout={"flex_flow": "row wrap"})
        self.place = widgets.VBox([widgets.HTML("<h3>Move the frame</h3>"), self.across, self.down])
        self.box = widgets.VBox([chooser, self.text, self.picture, self.place])
        self.before.on_click(lambda _: self._step(-1))
        self.after.on_click(lambda _: self._step(1))
        for control in (self.photo, self.across, self.down):
            control.observe(lambda _: self.draw(self._epsilon), "value")

    def offer(self, names: Sequence[str]) -> None:
        """The photos to choose from."""
        self._cache = self._pair = None
        self.photo.options = list(names)
        self.photo.index = 0 if names else None

    def _step(self, by: int) -> None:
        names = list(self.photo.options)
        if self.photo.value in names:
            self.photo.value = names[(names.index(self.photo.value) + by) % len(names)]

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
            self.picture.value, self.text.value = "", views.line(f"{name} cannot be shown: it {error}", urgent=True)
            self.place.layout.display = "none"
            return
        self.text.value, self.brief.value = views.line(said), f"<p>{escape(name)}: {escape(said)}</p>"
        titles = ("original", title)
        self.picture.value = compare.sheet(original, copy, name, titles, self.across.value, self.down.value)
        movable = max(original.shape[:2]) > compare.SIDE
        self.place.layout.display = None if movable else "none"

    def _views(self, name: str, epsilon: int) -> tuple[np.ndarray, np.ndarray, str, str]:
        original = self._decoded(name)
        found = self._copy(name)
        key = (name, epsilon, found is not None)
        if self._pair is None or self._pair[0] != key:
            self._pair = (key, *self._second(original, found, epsilon))
        return original, *self._pair[1:]

    def _second(
        self, original: np.ndarray, found: tuple[bytes, Verdict] | None, epsilon: int
    ) -> tuple[np.ndarray, str, str]:
        """The picture beside the original, what is said about it, and its title."""
        if found is None:
            copy = compare.size_only(original, epsilon)
            numbers = compare.in_words(compare.numbers(compare.middle(original), compare.middle(copy)))
            said = "This is a preview of the size of the change only. The real change is made to fit your photos. "
            return copy, said + numbers, "preview of the size only"
        content, verdict = found
        copy = decode(content, verdict.file or verdict.name).pixels
        linf, psnr, ssim = verdict.linf or 0, verdict.psnr, verdict.ssim  # None: nothing changed; too small for SSIM
        measured = compare.Numbers(linf, math.inf if psnr is None else psnr, math.nan if ssim is None else ssim)
        return copy, f"Measured on the finished file: {compare.in_words(measured)}", "changed copy"

    def _decoded(self, name: str) -> np.ndarray:
        if self._cache is None or self._cache[0] != name:
            self._cache = name, decode(self._original(name), name).pixels
        return self._cache[1]
