"""What is chosen, to see or to hear: a viewer of photos and a player of recordings, of which one at a time is seen."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from workbench.apps.photos.controls import ONLY
from workbench.apps.photos.report import Verdict
from workbench.apps.photos.viewer import Viewer
from workbench.apps.recordings.kinds import RECORDINGS, Kind
from workbench.apps.recordings.player import Player


class Looking:
    """Both; `box` and `brief` hold the widgets of both. original, copy, where: as a Viewer takes them."""

    def __init__(
        self,
        original: Callable[[str], bytes],
        copy: Callable[[str], tuple[bytes, Verdict] | None],
        where: Callable[[], str],
    ):
        self.viewer, self.player = Viewer(original, copy, where), Player(original, copy)
        self.box, self.brief = (
            _either(photos, sounds)
            for photos, sounds in ((self.viewer.box, self.player.box), (self.viewer.brief, self.player.brief))
        )

    def offer(self, kind: Kind, names: Sequence[str]) -> None:
        """Give these files of a kind to choose from."""
        self.viewer.offer([] if kind is RECORDINGS else names)
        self.player.offer(names if kind is RECORDINGS else [])

    def draw(self, kind: Kind, budget: int) -> None:
        """Show the chosen file, with its copy or else a preview within this budget."""
        (self.player if kind is RECORDINGS else self.viewer).draw(budget)


def _either(photos: widgets.Widget, sounds: widgets.Widget) -> widgets.Widget:
    """Put both at one place; photos.css hides that of the other kind."""
    for what, widget in (("photo", photos), ("recording", sounds)):
        widget.add_class(ONLY[what])
    return widgets.VBox([photos, sounds])
