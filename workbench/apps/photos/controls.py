"""The application's widgets and where they stand. What they do is panel.py's business."""

import os
from pathlib import Path

import ipywidgets as widgets

from workbench.apps import html
from workbench.apps.background import Say
from workbench.apps.photos import private_folder, views
from workbench.apps.photos.uploads import ACCEPTED, LIMIT, MEGABYTE
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import ProtectConfig
from workbench.models import existing

WEAKEST, STRONGEST, USUAL = 2, 15, 8
QUIETEST, LOUDEST = -40, -10  # dB under a recording's own peak
IN_LAB = 10  # MB; JupyterLab's server lets no larger message through, without a word
FORMS = (
    ("PNG: exactly this change, large files", "png"),
    ("JPEG: for services that take nothing else; changes more", "jpeg"),
)
LOSES = "photos-chosen"  # a class of the page while there is something that leaving it would lose: photos.js
SOUNDS = "photos-sounds"  # a class of the page while recordings are chosen; what is for one kind alone: photos.css
ONLY = {"photo": "photos-of-photos", "recording": "photos-of-sounds"}
_NARROW = {"width": "auto", "min_width": "140px", "align_self": "flex-start"}
_ROW = {"align_items": "center", "flex_flow": "row wrap"}
_NAMED = {"description_width": "80px"}
WIDE = {"width": "100%", "max_width": "560px"}


class Controls:
    """All of the page but the pictures. brief: the words about the chosen file, to stand below the strength; sorting:
    whose photos they are, to stand below their list.
    """

    def __init__(self, brief: widgets.Widget, sorting: widgets.Widget) -> None:
        self.person = _text("Whose are they? (optional)", "for example Anna")
        upload = {"accept": ",".join(ACCEPTED), "multiple": True, "icon": "", "button_style": "primary"}
        self.upload = widgets.FileUpload(
            description="Choose photos, recordings or a zip file", layout=_NARROW, **upload
        )
        self.upload.add_class("photos-upload")  # which hides the number of files that the widget adds to its name
        self.path = _text("Or the path of a folder", "for example Pictures")
        self.use, self.clear = _button("Use this folder"), _button("Start again")
        self.strength = widgets.IntSlider(
            value=USUAL, min=WEAKEST, max=STRONGEST, description="Strength", style=_NAMED, layout=WIDE
        )
        self.loudness = widgets.IntSlider(
            value=RecordingsConfig.epsilon, min=QUIETEST, max=LOUDEST, description="Loudness", style=_NAMED, layout=WIDE
        )
        hidden = {"display": "none"} if existing.lacking() else {}  # without the program that finds faces
        only = "Change only the part around the largest face; the rest of a photo stays as it is"
        self.faces = widgets.Checkbox(description=only, indent=False, layout={**WIDE, **hidden})
        self.form = widgets.Dropdown(options=FORMS, description="Files", style=_NAMED, layout=WIDE)
        self.make, self.cancel = _button("Make the copies", "primary"), _button("Cancel")
        self.looked, self.done, self.test_done = _bar("Looking"), _bar("Copies"), _bar("Test")
        self.target = _text("Or copy into a new folder", "for example Pictures/changed")
        self.save = _button("Copy")
        self.test, self.cancel_test = _button("Test it"), _button("Cancel")
        self.listing, self.chosen, self.made, self.saved, self.spoken, self.tested = (widgets.HTML() for _ in range(6))
        self.link, self.stale, self.look = widgets.HTML(), widgets.HTML(), widgets.VBox()
        self.say_chosen, self.say_made = _teller(self.chosen), _teller(self.made)
        self.say_saved, self.say_tested = _teller(self.saved), _teller(self.spoken)
        self._page = widgets.VBox()
        self._page.add_class("photos-app")
        self._lay_out(brief, sorting)
        self.busy(False)

    def _lay_out(self, brief: widgets.Widget, sorting: widgets.Widget) -> None:
        megabytes = LIMIT // MEGABYTE if os.environ.get(private_folder.PLACE) else IN_LAB
        parts = [widgets.HTML(part) for part in views.page(megabytes)]
        self.promise, choose, strength, make, self._look, test, save = parts
        path, target = (widgets.HBox(pair, layout=_ROW) for pair in ((self.path, self.use), (self.target, self.save)))
        work, tried = widgets.HBox([self.make, self.cancel]), widgets.HBox([self.test, self.cancel_test])
        chosen = [self.chosen, self.looked, self.listing, sorting, self.clear]
        self.choose = widgets.VBox([choose, self.person, self.upload, path, *chosen])
        self.work = widgets.VBox(
            [strength, self.strength, self.loudness, self.faces, brief, make, self.form, work, self.done, self.made]
        )
        for what, apart in (("photo", (self.strength, self.faces, self.form)), ("recording", (self.loudness,))):
            for one in apart:
                one.add_class(ONLY[what])
        proved = [self.stale, test, tried, self.test_done, self.spoken, self.tested]
        self.results = widgets.VBox([*proved, save, self.link, target, self.saved])

    @property
    def where(self) -> str:
        """Which part of each photo is changed."""
        return "faces" if self.faces.value else "whole"

    def config(self, method: str, *, sound: bool) -> ProtectConfig | RecordingsConfig:
        """Give what is chosen for photos, or for recordings. method: of the search for photos."""
        if sound:
            return RecordingsConfig(epsilon=int(self.loudness.value))
        strength, form = int(self.strength.value), str(self.form.value)
        return ProtectConfig(method=method, epsilon=strength, where=self.where, format=form)

    def page(self, pictures: widgets.Widget) -> widgets.Widget:
        """Give everything in reading order; pictures and players stand between making and saving."""
        self.look.children = (self._look, pictures)
        self._page.children = (self.promise, self.choose, self.work, self.look, self.results)
        self.show("photo", chosen=False, made=False, fresh=False)
        return self._page

    def show(self, what: str, *, chosen: bool, made: bool, fresh: bool) -> None:
        """Show only what makes sense for photos or recordings. fresh: the copies belong to what is chosen now."""
        (self._page.add_class if what == "recording" else self._page.remove_class)(SOUNDS)
        for part, wanted in ((self.work, chosen), (self.look, chosen), (self.clear, chosen), (self.results, made)):
            part.layout.display = None if wanted else "none"
        (self._page.add_class if chosen else self._page.remove_class)(LOSES)
        old = "These are the copies you made before you chose something else, and what was found about them. Make them "
        old += "again for that."
        self.stale.value = html.said(old) if made and not fresh else ""

    def busy(self, working: bool) -> None:
        """Let nothing be started or changed while work is under way."""
        chosen_by = (self.upload, self.use, self.clear, self.strength, self.loudness, self.faces, self.form)
        for control in chosen_by:  # not the buttons that start work: one just pressed keeps the focus
            control.disabled = working
        for control in (self.cancel, self.cancel_test):
            control.disabled = not working

    def offer(self, archive: Path, address: str | None) -> None:
        """Show the download link."""
        self.link.value = views.download(archive, address)

    def forget_results(self) -> None:
        """Take away all that was said about earlier copies."""
        self.link.value = self.saved.value = ""
        self.forget_test()

    def forget_test(self) -> None:
        """Take away what the test said."""
        self.spoken.value = self.tested.value = ""
        self.test_done.layout.display = "none"


def _teller(place: widgets.HTML) -> Say:
    """Give a function that shows its line at this place."""

    def say(line: str, *, urgent: bool = False) -> None:
        place.value = html.said(line, urgent=urgent)

    return say


def _text(name: str, example: str) -> widgets.Text:
    wide = {"description_width": "200px"}
    return widgets.Text(description=name, placeholder=example, style=wide, layout=WIDE, continuous_update=True)


def _button(name: str, style: str = "") -> widgets.Button:
    return widgets.Button(description=name, button_style=style, layout=_NARROW)


def _bar(name: str) -> widgets.FloatProgress:
    hidden = {**WIDE, "display": "none"}
    return widgets.FloatProgress(value=0.0, min=0.0, max=1.0, description=name, style=_NAMED, layout=hidden)
