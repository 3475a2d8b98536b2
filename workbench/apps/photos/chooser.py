"""One of several files at a time: a list to choose from, and buttons to the previous and the next."""

from collections.abc import Sequence

import ipywidgets as widgets

NARROW = {"style": {"description_width": "130px"}, "layout": {"width": "100%", "max_width": "480px"}}
_SMALL = {"width": "100px", "height": "32px"}


class Chooser:
    """The widgets. what: one file's name for people, "Photo"."""

    def __init__(self, what: str):
        self.choice = widgets.Dropdown(options=[], description=what, **NARROW)
        self.before = widgets.Button(description="Previous", layout=_SMALL)
        self.after = widgets.Button(description="Next", layout=_SMALL)
        self.box = widgets.HBox([self.choice, self.before, self.after], layout={"flex_flow": "row wrap"})
        self.before.on_click(lambda _: self._step(-1))
        self.after.on_click(lambda _: self._step(1))

    def offer(self, names: Sequence[str]) -> None:
        """Give these files to choose from."""
        self.choice.options = list(names)
        self.choice.index = 0 if names else None

    def _step(self, by: int) -> None:
        names = list(self.choice.options)
        if self.choice.value in names:
            self.choice.value = names[(names.index(self.choice.value) + by) % len(names)]
