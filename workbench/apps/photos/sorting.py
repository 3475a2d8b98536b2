"""The part of the page for an album without names: who is on which photo, sorted by a recogniser, corrected by hand."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from workbench.apps import html
from workbench.apps.photos.chooser import NARROW
from workbench.apps.photos.grouping import Grouped, faces, in_order
from workbench.models import existing

_BUTTON = {"width": "auto", "min_width": "140px", "align_self": "flex-start"}
ASKING = (
    "Without names all these photos count as one person's. If several people are on them, the program can sort them by "
    "the largest face on each, here on this computer."
)


class Sorting:
    """The widgets, and `people`: the person on every photo by its name, None while nothing is sorted.

    changed: is called when somebody has corrected it.
    """

    def __init__(self, changed: Callable[[], None]):
        self.people: dict[str, str] | None = None
        self._groups: list[Grouped] = []
        self._changed = changed
        self.start = widgets.Button(description="Sort them by person", layout=_BUTTON)
        self.what = widgets.Dropdown(description="Wrong? Choose", **NARROW)
        self.who = widgets.Combobox(description="This is", placeholder="any name", ensure_option=False, **NARROW)
        self.change = widgets.Button(description="Change", layout=_BUTTON)
        self.said, self.shown = widgets.HTML(), widgets.HTML()
        self._result = widgets.VBox([self.shown, self.what, self.who, self.change])
        self._asked = widgets.VBox([widgets.HTML(html.plain(ASKING)), self.start])
        self.box = widgets.VBox([self._asked, self.said, self._result])
        self.change.on_click(lambda _: self._correct())
        self.offer(possible=False)

    def say(self, line: str, *, urgent: bool = False) -> None:
        """Show a line about the sorting."""
        self.said.value = html.said(line, urgent=urgent)

    def offer(self, *, possible: bool) -> None:
        """Forget what was sorted, and offer to sort where that is possible and the recogniser is installed."""
        self.people, self._groups, self.said.value, self.shown.value = None, [], "", ""
        self._result.layout.display = "none"
        self._asked.layout.display = None if possible and not existing.lacking() else "none"

    def take(self, groups: Sequence[Grouped]) -> str:
        """Show these groups to be corrected, and return what to say."""
        self._groups = list(groups)
        self.people = {one.name: one.person for one in groups}
        self._show()
        self._result.layout.display = None
        found = len({one.person for one in groups if one.face is not None})
        faceless = sum(one.face is None for one in groups)
        return f"People found: {found}, photos without a face: {faceless}. It makes mistakes: look, and correct it."

    def _show(self) -> None:
        assert self.people is not None
        self._groups = in_order(Grouped(one.name, self.people[one.name], one.face) for one in self._groups)
        self.shown.value = (
            '<div class="photos-list photos-people" tabindex="0" role="region" aria-label="Who is on which photo">'
            + (faces(self._groups, 3) + "</div>")
        )
        counted = Counter(self.people.values())
        everybody: list[tuple[str, Any]] = [(f"all photos of {who} ({n})", (who,)) for who, n in counted.items()]
        self.what.options = [*everybody, *((one.name, one.name) for one in self._groups)]
        self.who.options = tuple(counted)

    def _correct(self) -> None:
        who, what = self.who.value.strip(), self.what.value
        if self.people is None or not who:
            return self.say("Write who it is first.", urgent=True)
        meant = [name for name, person in self.people.items() if name == what or (person,) == what]
        self.people = self.people | dict.fromkeys(meant, who)  # a new one: copies remember the one they were made by
        self._show()
        self.who.value = ""
        self.say(f"Changed: {len(meant)} of {len(self.people)} photos are of {who} now.")
        self._changed()
