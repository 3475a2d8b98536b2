"""The application's widgets and where they stand. What they do is panel.py's business."""

import os
from pathlib import Path

import ipywidgets as widgets

from workbench.apps.photos import private_folder, views
from workbench.apps.photos.uploads import ACCEPTED, LIMIT, MEGABYTE

WEAKEST, STRONGEST, USUAL = 2, 15, 8
IN_LAB = 10  # MB; JupyterLab's server lets no larger message through, without a word
_NARROW = {"width": "auto", "min_width": "140px", "align_self": "flex-start"}
WIDE = {"width": "100%", "max_width": "560px"}


class Controls:
    """All of the page but the pictures. brief: the words about the chosen photo, to stand below the strength."""

    def __init__(self, brief: widgets.Widget) -> None:
        megabytes = LIMIT // MEGABYTE if os.environ.get(private_folder.PLACE) else IN_LAB
        self.person = _text("Whose photos? (optional)", "for example Anna")
        self.upload = widgets.FileUpload(
            description="Choose photos or a zip file",
            accept=",".join(ACCEPTED),
            multiple=True,
            icon="",
            button_style="primary",
            layout=_NARROW,
        )
        self.upload.add_class("photos-upload")  # which hides the number of files that the widget adds to its name
        self.path = _text("Or the path of a folder", "for example Pictures")
        self.use = _button("Use this folder")
        self.clear = _button("Start again")
        self.strength = widgets.IntSlider(
            value=USUAL,
            min=WEAKEST,
            max=STRONGEST,
            description="Strength",
            style={"description_width": "80px"},
            layout=WIDE,
        )
        self.make, self.cancel = _button("Make the copies", "primary"), _button("Cancel")
        self.done, self.test_done = _bar("Copies"), _bar("Test")
        self.target = _text("Or copy into a new folder", "for example Pictures/changed")
        self.save = _button("Copy")
        self.test, self.cancel_test = _button("Test it"), _button("Cancel")
        self.listing, self.chosen, self.made, self.saved, self.spoken, self.tested = (widgets.HTML() for _ in range(6))
        self.link, self.stale = widgets.HTML(), widgets.HTML()
        self._choose_text = (
            f"Up to {megabytes} MB in all; for more, give the path of their folder below. "
            "Photos of several people? Add them one person after the other, each with a name."
        )
        self._sections(brief)
        self.busy(False)

    def _sections(self, brief: widgets.Widget) -> None:
        row = {"align_items": "center", "flex_flow": "row wrap"}
        self.choose = widgets.VBox(
            [
                widgets.HTML(views.heading("1. Choose photos", self._choose_text)),
                self.person,
                self.upload,
                widgets.HBox([self.path, self.use], layout=row),
                self.chosen,
                self.listing,
                self.clear,
            ]
        )
        strong = (
            "A higher strength is easier to see. Measured on the faces of 40 people: a recogniser named 96% of new "
            "photos rightly after learning from the originals, 84% from copies at strength 8, 42% at strength 15."
        )
        self.work = widgets.VBox(
            [
                widgets.HTML(views.heading("2. Choose a strength", strong)),
                self.strength,
                brief,
                widgets.HTML(views.heading("3. Make the copies", "Keep this page open until they are finished.")),
                widgets.HBox([self.make, self.cancel]),
                self.done,
                self.made,
            ]
        )
        kept = (
            "All copies are PNG files, which keep every change exactly, so they are larger than the originals. "
            "The zip file also holds manifest.json, a list of what was measured. "
            "Nothing stays here when this page is closed."
        )
        self.results = widgets.VBox(
            [
                widgets.HTML(views.heading("5. Save the copies", kept)),
                self.stale,
                self.link,
                widgets.HBox([self.target, self.save], layout=row),
                self.saved,
                widgets.HTML(
                    views.heading(
                        "6. Does it work?",
                        "The test trains small programs on this computer, on your photos and on the copies, and tells "
                        "how well each knows new photos. It takes some minutes.",
                    )
                ),
                widgets.HBox([self.test, self.cancel_test]),
                self.test_done,
                self.spoken,
                self.tested,
            ]
        )

    def page(self, pictures: widgets.Widget) -> widgets.Widget:
        """Everything, in reading order; the pictures stand between making and saving."""
        self.look = widgets.VBox([widgets.HTML(views.heading("4. Look at them")), pictures])
        box = widgets.VBox([widgets.HTML(views.STYLE + views.PROMISE), self.choose, self.work, self.look, self.results])
        box.add_class("photos-app")
        self.show(chosen=False, made=False, fresh=False)
        return box

    def show(self, *, chosen: bool, made: bool, fresh: bool) -> None:
        """Show only the sections that make sense. fresh: the copies belong to the strength that is chosen now."""
        for part, wanted in (
            (self.work, chosen),
            (getattr(self, "look", None), chosen),
            (self.clear, chosen),
            (self.results, made),
        ):
            if part is not None:
                part.layout.display = None if wanted else "none"
        old = "These are the copies you made before you moved the strength. Make them again for the new one."
        self.stale.value = views.line(old) if made and not fresh else ""

    def busy(self, working: bool) -> None:
        """Nothing may be started or changed while work is under way."""
        for control in (self.upload, self.use, self.clear, self.make, self.test, self.strength):
            control.disabled = working
        for control in (self.cancel, self.cancel_test):
            control.disabled = not working

    def start(self, bar: widgets.FloatProgress) -> None:
        """Show one of the two bars, empty."""
        bar.value, bar.layout.display = 0.0, None
        self.busy(True)

    def offer(self, archive: Path, address: str | None) -> None:
        """Show the download link."""
        self.link.value = views.download(archive, address)

    def forget_results(self) -> None:
        """Nothing that was said about earlier copies stays on the page."""
        self.link.value = self.saved.value = self.spoken.value = self.tested.value = ""
        self.test_done.layout.display = "none"

    def say_chosen(self, text: str, *, urgent: bool = False) -> None:
        """Say something about the choice of photos."""
        self.chosen.value = views.line(text, urgent=urgent)

    def say_made(self, text: str, *, urgent: bool = False) -> None:
        """Say something about the copies being made."""
        self.made.value = views.line(text, urgent=urgent)

    def say_saved(self, text: str, *, urgent: bool = False) -> None:
        """Say something about saving."""
        self.saved.value = views.line(text, urgent=urgent)

    def say_tested(self, text: str, *, urgent: bool = False) -> None:
        """Say something about the self-test."""
        self.spoken.value = views.line(text, urgent=urgent)


def _text(name: str, example: str) -> widgets.Text:
    return widgets.Text(
        description=name, placeholder=example, style={"description_width": "200px"}, layout=WIDE, continuous_update=True
    )


def _button(name: str, style: str = "") -> widgets.Button:
    return widgets.Button(description=name, button_style=style, layout=_NARROW)


def _bar(name: str) -> widgets.FloatProgress:
    return widgets.FloatProgress(
        value=0.0,
        min=0.0,
        max=1.0,
        description=name,
        style={"description_width": "80px"},
        layout={**WIDE, "display": "none"},
    )
