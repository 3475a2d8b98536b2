"""One recording at a time: original, copy and difference to hear, as waves and by their frequencies, with numbers."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import torch

from workbench import figures
from workbench.apps import html
from workbench.apps.photos.chooser import NARROW, Chooser
from workbench.apps.photos.report import Verdict
from workbench.apps.recordings.protect import MEASURED, opened
from workbench.apps.recordings.report import SoundVerdict, in_words
from workbench.budgets import ENVELOPE, FULL
from workbench.config import WorkbenchError
from workbench.data.recordings import DEEPEST, sixteen_bits
from workbench.data.sound_measures import measure
from workbench.data.space import AUDIO
from workbench.export.entry import shown
from workbench.export.sound_copies import limits, moved
from workbench.files import sound_waves
from workbench.files.sounds import Sound
from workbench.noise.tones import chord, chords

RAISED = 20  # dB that the difference is played louder: ten times
LONGEST = 10.0  # seconds that are played
MOST_BYTES = 1_000_000  # of each excerpt: three of them go to the page with every change


class Excerpt(NamedTuple):
    """What is played of a recording: original and copy, how far each value may move, and which frames these are.

    allowed: float64 frames×channels, in the file's own steps, as the whole recording's loudness has it.
    """

    original: Sound
    copy: Sound
    allowed: np.ndarray
    first: int
    total: int


class Player:
    """The widgets. original, copy: give a recording's bytes, and its copy's with the verdict, if there is one."""

    def __init__(self, original: Callable[[str], bytes], copy: Callable[[str], tuple[bytes, Verdict] | None]):
        self._original, self._copy = original, copy
        self._budget, self._placing = -1, False
        self._cache: tuple[str, Sound] | None = None  # one decoded recording: a long one takes a while
        self._finished: tuple[Verdict, Sound] | None = None  # and its copy
        self.chooser = Chooser("Recording")
        self.begin = widgets.FloatSlider(value=0, min=0, max=1, step=1, description="From second", **NARROW)
        self.begin.readout_format = "d"
        self.picture, self.text = widgets.HTML(), widgets.HTML()
        self.brief = widgets.HTML()  # the same words again, to stand below the slider of the strength
        self.box = widgets.VBox([self.chooser.box, self.text, self.begin, self.picture])
        for control in (self.chooser.choice, self.begin):
            control.observe(lambda _: None if self._placing else self.draw(self._budget), "value")

    def offer(self, names: Sequence[str]) -> None:
        """Give these recordings to choose from."""
        self._cache = self._finished = None
        self.picture.value = self.text.value = self.brief.value = ""
        self._placing = True  # whoever offers them says how they are drawn
        try:
            self.chooser.offer(names)
        finally:
            self._placing = False

    def draw(self, budget: int) -> None:
        """Show the chosen recording, with its copy or else a preview within this budget in dB."""
        self._budget, name = budget, self.chooser.choice.value
        if name is None:
            self.picture.value = self.text.value = self.brief.value = ""
            return
        try:
            part, said, title = self._parts(name, budget)
        except (WorkbenchError, OSError) as error:
            self.brief.value = self.picture.value = ""
            self.text.value = html.said(f"{name} cannot be played: it {error}", urgent=True)
            return
        self.text.value, self.brief.value = html.said(said), html.plain(f"{name}: {said}")
        self.picture.value = sheet(part, name, title, said)

    def _parts(self, name: str, budget: int) -> tuple[Excerpt, str, str]:
        if self._cache is None or self._cache[0] != name:
            self._cache = name, opened(self._original(name), name)
            self._place(self._cache[1])
        original, found = self._cache[1], self._copy(name)
        if found is None:
            part = excerpt(original, original, self.begin.value, budget)
            part = part._replace(copy=preview(part))
            numbers: dict[str, Any] = shown(
                measure(part.original.samples, part.copy.samples, original.rate, original.bits)
            )
            said = in_words(SoundVerdict(name, **{one: numbers[one] for one in MEASURED}))
            return part, f"This is a preview with a chord like those that copies get. {said}", "preview"
        content, verdict = found
        if self._finished is None or self._finished[0] != verdict:
            self._finished = verdict, opened(content, verdict.file or name)
        part = excerpt(original, self._finished[1], self.begin.value, budget)
        return part, f"Measured on the finished file: {in_words(verdict)}", "copy"

    def _place(self, sound: Sound) -> None:
        """Begin at the beginning of another recording; a short one is played whole."""
        self._placing = True
        try:
            later = math.ceil(sound.seconds - length(sound) / sound.rate)
            self.begin.value, self.begin.max = 0, max(1, later)
        finally:
            self._placing = False
        self.begin.layout.display = None if later > 0 else "none"


def length(sound: Sound) -> int:
    """How many frames of a recording are played at once."""
    return min(len(sound.samples), int(LONGEST * sound.rate), MOST_BYTES // (2 * min(2, sound.samples.shape[1])))


def excerpt(original: Sound, copy: Sound, begin: float, budget: int) -> Excerpt:
    """Cut the part that is played out of both. begin: in seconds; less where little is left."""
    many = length(original)
    first = max(0, min(round(begin * original.rate), len(original.samples) - many))
    before, after = (replace(one, samples=one.samples[first : first + many]) for one in (original, copy))
    allowed = np.zeros(before.samples.shape)
    for place, most in limits(original, budget, ENVELOPE):
        start, stop = max(place.start, first), min(place.stop, first + many)
        if start < stop:
            allowed[start - first : stop - first] = most[start - place.start : stop - place.start]
    return Excerpt(before, after, allowed, first, len(original.samples))


def preview(part: Excerpt) -> Sound:
    """Put the chord of one class on an excerpt, as loud as it may be."""
    original = part.original
    pitches = chords(1, original.rate, torch.Generator().manual_seed(0))[0].double()
    turns = torch.arange(len(original.samples), dtype=torch.float64) * (2 * math.pi / original.rate)
    share = (chord(pitches, turns).sign() * FULL).short().numpy()[:, None]
    most = part.allowed.astype(np.int64) if original.bits else part.allowed
    return replace(original, samples=moved(original, original.samples, share, most).astype(original.samples.dtype))


def difference(part: Excerpt) -> tuple[np.ndarray, bool]:
    """The change, RAISED dB louder, int16 frames×channels, and whether some of it had to be cut to the range."""
    before, after = (one.samples.astype(np.float64) for one in (part.original, part.copy))
    raised = np.rint((after - before) * steps(part.original) * 10 ** (RAISED / 20))
    return raised.clip(AUDIO.low, AUDIO.high).astype(np.int16), bool(np.abs(raised).max(initial=0) > AUDIO.high)


def sheet(part: Excerpt, name: str, title: str, said: str) -> str:
    """Show original, copy and difference to hear and see. title: what the copy is called; said: its numbers."""
    raised, cut = difference(part)
    rate, louder = part.original.rate, f"difference, played {RAISED} dB louder"
    clips = {"original": sixteen_bits(part.original), title: sixteen_bits(part.copy), louder: raised}
    players = html.side_by_side([audio(wave, rate, words, name) for words, wave in clips.items()])
    seconds, first = len(raised) / rate, part.first / rate
    notes = [f"Played: {seconds:.1f} s from second {first:.1f} on."] if len(raised) < part.total else []
    notes += ["The difference would be louder than a file can hold, and was cut."] if cut else []
    turned = {words: wave.T for words, wave in clips.items()}
    allowed = {"original": part.allowed.T * steps(part.original)}
    waves, powers = figures.waveform(turned, allowed, rate), figures.spectrograms(turned, rate)
    drawn = html.drawing(waves, f"{name}: {said}") + html.drawing(powers, f"{name}: {said}")
    return f"<h3>Listen</h3>{players}{''.join(map(html.plain, notes))}<h3>Look</h3>{drawn}"


def steps(sound: Sound) -> float:
    """How many steps of 16 bits one step of a file is, or of floating point the whole range."""
    return 2.0 ** (DEEPEST - sound.bits) if sound.bits else 2.0 ** (DEEPEST - 1)


def audio(wave: np.ndarray, rate: int, words: str, name: str) -> str:
    """Give a recording (int16 frames×channels) its own controls over its caption; the file lies inside the page."""
    file = io.BytesIO()
    heard = wave if wave.shape[1] <= 2 else np.rint(wave.mean(1, keepdims=True)).astype(np.int16)
    sound_waves.write(file, heard.astype(np.int32), DEEPEST, rate)
    address = html.inside("audio/wav", file.getvalue())
    return (
        f'<figure style="margin:0 16px 4px 0"><audio controls preload="metadata" src="{address}" '
        f'aria-label="{escape(words)}, {escape(name)}"></audio>'
        f'<figcaption style="margin:4px 0">{escape(words[0].upper() + words[1:])}</figcaption></figure>'
    )
