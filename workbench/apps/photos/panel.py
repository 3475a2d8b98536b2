"""The application's page: choose files, choose a strength, make the copies, look or listen, test them, save them.

Native widgets only, all of them reachable by keyboard. The attributes of Panel are the widgets; long work is done by
`job`, one piece at a time, while all controls stay alive.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from IPython.display import Javascript, display

from workbench.apps import html
from workbench.apps.background import BUSY, Job, Say
from workbench.apps.photos import private_folder, proof, steps, uploads, views
from workbench.apps.photos.controls import Controls
from workbench.apps.photos.grouping import group
from workbench.apps.photos.looking import Looking
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.self_test import SelfTest
from workbench.apps.photos.sorting import Sorting
from workbench.apps.recordings import kinds
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import ProtectConfig, WorkbenchError, key
from workbench.files import atomic
from workbench.progress import Step, watched

Words = Callable[[Step], tuple[str, float]]
Choice = tuple[
    int, ProtectConfig | RecordingsConfig, dict[str, str] | None
]  # the collection's version, settings, people


def show() -> None:
    """Show the page where somebody watches; a line of text where a program runs the notebook."""
    if private_folder.PLACE in os.environ or watched():
        try:
            display(Panel().page, Javascript(views.active()))
        except OSError as error:
            display(widgets.HTML(html.said(f"Error: there is no room for files ({error.strerror})", urgent=True)))
    else:
        print("This notebook is a page to work with by hand: `workbench app` opens it in the browser.")


class Panel:
    """The page over one private folder. method: of the search for photos; protect, self_test: the work itself."""

    method = ProtectConfig().method
    protect: Callable[..., Report] = staticmethod(kinds.protect)
    self_test: Callable[..., SelfTest] = staticmethod(kinds.self_test)

    def __init__(self, folder: Path | None = None):
        self.folder = folder or private_folder.private_folder()
        self.collection = uploads.Collection(self.folder / "originals")
        self.looking = Looking(self.collection.read, self._copy, lambda: self.controls.where)
        self.viewer, self.player = self.looking.viewer, self.looking.player
        self.sorting = Sorting(lambda: self._refresh())
        self.controls = Controls(self.looking.brief, self.sorting.box)
        self.job = Job(self.controls.say_made, self._ended)
        self.report: Report | None = None
        self._made: Choice | None = None  # what the copies were made of, and how
        self._said = ""  # about what is chosen, while its photos are looked at; looking gives way to other work
        self._connect()
        self._refresh()

    @property
    def page(self) -> widgets.Widget:
        """What is shown."""
        return self.controls.page(self.looking.box)

    @property
    def config(self) -> ProtectConfig | RecordingsConfig:
        """What is chosen."""
        return self.controls.config(self.method, sound=self.collection.kind is kinds.RECORDINGS)

    @property
    def _choice(self) -> Choice:
        return self.collection.version, self.config, self.sorting.people

    def _output(self, choice: Choice) -> Path:
        """Give the folder of the copies of a choice; unfinished work in it goes on."""
        version, config, people = choice
        return self.folder / f"copies-{key({**asdict(config), 'version': version, 'people': people})}"

    def _connect(self) -> None:
        controls = self.controls
        controls.upload.observe(self._received, "value")
        for control in (controls.strength, controls.loudness, controls.faces, controls.form):
            control.observe(lambda _: self._refresh(), "value")
        for button, action in (
            (controls.use, self._use),
            (controls.clear, self._clear),
            (self.sorting.start, self._sort),
            (controls.make, self._make),
            (controls.test, self._test),
            (controls.save, self._save),
            (controls.cancel, self.job.stop),
            (controls.cancel_test, self.job.stop),
        ):
            button.on_click(lambda _, action=action: action())

    def _choose(self, action: Callable[[], str]) -> None:
        """Do something to the collection, and say what came of it."""
        controls = self.controls
        self._stop_looking()
        if self.job.busy:
            return controls.say_chosen(BUSY, urgent=True)
        before = self.collection.version
        try:
            said, urgent = action(), False
        except WorkbenchError as error:
            said, urgent = f"Error: {error}", True
        except OSError as error:
            said, urgent = f"Error: the files cannot be kept here ({error.strerror})", True
        controls.say_chosen(said, urgent=urgent)
        if self.collection.version != before:
            self.report = self._made = None
            controls.say_made("")
            controls.done.layout.display = "none"
            controls.forget_results()
            controls.person.value = ""  # or the next person's photos would get the name of this one
            self.looking.offer(self.collection.kind, self.collection.names)
            self.sorting.offer(possible=self.collection.mixed)
            if self.collection.names:
                self._look(said)
        self._refresh()

    def _look(self, said: str) -> None:
        """Decode what is chosen, in the background: what is broken is said now, not when copies are made."""

        def work() -> str:
            if more := self.collection.check():
                self.looking.offer(self.collection.kind, self.collection.names)
            return said + more

        self._said, self.controls.looked.layout.display = said, None
        self.job.start(work, steps.looking, self.controls.looked, self.controls.say_chosen)

    def _stop_looking(self) -> None:
        if self._said:
            said = self._said
            self.job.stop()
            self.job.wait()
            self.controls.say_chosen(said)

    def _received(self, change: Mapping[str, Any]) -> None:
        files = change["new"]
        if not files:
            return
        self._choose(lambda: self.collection.receive(files, self.controls.person.value))
        self.controls.upload.value = ()  # not twice in memory, and the same file may be chosen again

    def _use(self) -> None:
        self._choose(lambda: self.collection.use(self.controls.path.value))

    def _clear(self) -> None:
        def clear() -> str:
            self.collection.clear()
            for folder in self.folder.glob("copies-*"):
                atomic.remove_folder(folder)
            atomic.remove(self.folder / uploads.ARCHIVE)
            return "All files are removed from here. Your originals are untouched."

        self._choose(clear)

    def _refresh(self) -> None:
        """Show the list, the sections that make sense now, and the chosen photo."""
        verdicts = {verdict.name: verdict for verdict in self.report.verdicts} if self.report else {}
        rows = [(name, *views.state(reason, verdicts.get(name))) for name, reason in self.collection.entries]
        self.controls.listing.value = views.listing(rows, self.collection.kind.what)
        fresh = self._made == self._choice
        self.controls.show(self.collection.kind.what, chosen=bool(rows), made=self._made is not None, fresh=fresh)
        self.looking.draw(self.collection.kind, self.config.epsilon)

    def _copy(self, name: str) -> tuple[bytes, Verdict] | None:
        """Give the finished copy as it is chosen now, if there is one."""
        if self.report is None or self._made != self._choice:
            return None
        for verdict in self.report.verdicts:
            if verdict.name == name and verdict.file is not None:
                return (self._output(self._made) / verdict.file).read_bytes(), verdict
        return None

    def _make(self) -> None:
        source, choice = self.collection.source, self._choice
        if source is None:
            return self.controls.say_made("Choose some files first.", urgent=True)
        output = self._output(choice)
        self.controls.forget_test()

        def work() -> str:
            report = self.protect(source, output, choice[1], choice[2])
            uploads.pack(output, self.folder / uploads.ARCHIVE)
            self.report, self._made = report, choice
            self.controls.forget_results()
            self.controls.offer(self.folder / uploads.ARCHIVE, uploads.address(self.folder))
            return views.report_line(report.verdicts)

        self._start(work, steps.making, self.controls.say_made, self.controls.done)

    def _test(self) -> None:
        source, made = self.collection.source, self._made
        if source is None or made is None:
            return
        output, config = self._output(made), made[1]

        def work() -> str:
            def first(found: SelfTest) -> None:
                self.controls.tested.value = views.tested(found) + views.early()

            found = self.self_test(source, output, config, people=made[2], told=first)
            self.controls.tested.value = views.tested(found) + views.keep(proof.page(found, output))
            return "The test is finished."

        self._start(
            work,
            steps.hearing if isinstance(config, RecordingsConfig) else steps.testing,
            self.controls.say_tested,
            self.controls.test_done,
        )

    def _sort(self) -> None:
        source = self.collection.source
        if source is not None:
            bar = self.controls.looked
            self._start(lambda: self.sorting.take(group(source)), steps.sorting, self.sorting.say, bar)

    def _start(self, work: Callable[[], str], words: Words, say: Say, bar: widgets.FloatProgress) -> None:
        self._stop_looking()
        if self.job.busy:
            return say(BUSY, urgent=True)
        bar.layout.display = None
        self.controls.busy(True)
        self.job.start(work, words, bar, say)

    def _ended(self) -> None:
        self._said, self.controls.looked.layout.display = "", "none"
        self.controls.busy(False)
        self._refresh()

    def _save(self) -> None:
        """Copy the finished copies into a folder of the person's choice."""
        try:
            said, urgent = uploads.copy_into(self.folder / uploads.ARCHIVE, self.controls.target.value), False
        except WorkbenchError as error:
            said, urgent = f"Error: {error}", True
        self.controls.say_saved(said, urgent=urgent)
