"""Copies with noise of people's recordings: what the job needs to know of a sound."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import noise
from workbench.apps.photos import job
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.sources import Gathered, Source, gather
from workbench.apps.photos.work import Work
from workbench.apps.photos.write_copy import put
from workbench.apps.recordings.clips import RATE, Clips, shares, spoken
from workbench.apps.recordings.report import QUIET, SoundReport, SoundVerdict
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import DataError, NoiseConfig
from workbench.data.dataset import Dataset
from workbench.data.sound_measures import measure
from workbench.data.space import AUDIO, SHORTEST
from workbench.export.entry import shown
from workbench.export.sound_copies import loud, protected, stems
from workbench.files import atomic, sound_kinds, sounds
from workbench.files.picture_kinds import Reader, whole
from workbench.files.untrusted import Refused
from workbench.noise.perturbation import Perturbation

START = 2**16  # bytes that tell what a recording is, where no tags stand before it
MOST = 100_000_000  # samples of all channels: twenty bytes of memory each while a copy is made
MEASURED = ("peak_db", "level_db", "level_db_a", "segmental_snr", "audible", "changed")
SURROGATE = "convnet-w8"


def protect(source: Path, output: Path, config: RecordingsConfig, people: Mapping[str, str] | None = None) -> Report:
    """Write copies with noise of the recordings in `source`, as job.run does."""
    return job.run(Recordings(config), source, output, people)


def kind(reader: Reader) -> str:
    """Say what kind of recording a file is by its first bytes. Raises Refused."""
    start = reader(START)
    if start.startswith(b"ID3"):  # tags, with a picture of any size
        start = whole(reader)
    return sound_kinds.check_kind(io.BytesIO(start))[0]


def opened(content: bytes, name: str) -> sounds.Sound:
    """Decode a recording of which a copy can be made. Raises Refused."""
    found = sounds.decode(io.BytesIO(content), name)
    if found.samples.size > MOST:
        raise Refused(f"holds {found.samples.size:,} samples, and at most {MOST:,} are taken here: cut it into parts")
    if found.rate < RATE:
        raise Refused(f"is at {found.rate:,} Hz, and {RATE:,} are needed: record it at a higher rate")
    if found.seconds < SHORTEST:
        raise Refused(f"lasts less than {SHORTEST:g} s: give longer ones")
    return found


class Recordings(Work):
    """People's recordings. `forms` and `clips` go together with the usable ones."""

    what = usable = "recording"
    alone = "if several people speak, give one folder per person"
    least: Mapping[str, Any] = dict.fromkeys(MEASURED, (float, None))
    at_once = 1  # an hour of it fills a gigabyte

    def __init__(self, config: RecordingsConfig):
        self.config: RecordingsConfig = config
        self.clips, self.forms = Clips(), list[str]()

    def gather(self, root: Path) -> Gathered:
        """Find all recordings."""
        return gather(root, kind)

    def take(self, source: Source, content: bytes) -> int:
        """Keep a few seconds. Raises Refused."""
        sound = opened(content, source.name)
        self.clips.add(source.person, sound, spoken(sound) if loud(sound, self.config.epsilon) else [])
        self.forms.append(sound.copy_form)
        return sound.samples.size * (sound.bits // 8 or sound.samples.itemsize)

    def persons(self) -> Sequence[str]:
        """List the people."""
        return sorted(set(self.clips.people))

    def targets(self, found: Sequence[str]) -> list[str]:
        """Name the copies: the recordings' names with the suffix of each copy's form."""
        return [f"{stem}.{form.lower()}" for stem, form in zip(stems(tuple(found)), self.forms, strict=True)]

    def data(self) -> Dataset:
        """Give the clips, and the company. Raises DataError where there are none."""
        if not self.clips.waves:
            raise DataError(f"all recordings are silent or too quiet for {self.config.epsilon} dB: allow more")
        return self.clips.data()

    def settings(self, data: Dataset) -> NoiseConfig:
        """Settle the search."""
        asked = self.config
        return noise.resolved(
            NoiseConfig(
                kind="samplewise", surrogate=SURROGATE, method=asked.method, epsilon=asked.epsilon, shape=asked.shape,
                seed=asked.seed, device=asked.device,
            ), data.source,
        )  # fmt: skip

    def copy(self, turn: int, source: Source, content: bytes, noise: Perturbation, target: Path, aside: Path) -> Any:
        """Lay the noise of the recording's clips over all of it and write the copy in its own form."""
        original = opened(content, source.name)
        seconds, copy = self.clips.seconds[turn], original
        if seconds:
            share = shares(noise.delta[self.clips.rows(turn), 0], seconds, original)
            copy = protected(original, share, self.config.epsilon, self.config.shape)
        atomic.make(target.parent)
        try:
            sounds.write(aside, copy)  # which has read the same back
            quality = measure(original.samples, copy.samples, original.rate, original.bits)
            digest = put(aside, target)
        finally:
            atomic.remove(aside)
        coded = [f"was {original.form}: the copy is FLAC, as it decodes"] if original.form in sounds.LOSSY else []
        left = [f"left out: {', '.join(original.left_out)}"] if original.left_out else []
        return {
            "sha256": digest,
            "bits": original.bits,
            "rate": original.rate,
            **({} if seconds else {"too_quiet": True}),
            **shown(quality),
            "notes": [*original.notes, *coded, *left, *([] if seconds else [QUIET])],
        }

    def facts(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Say that these are recordings, and how many were left as they are."""
        return {"space": AUDIO.name, "too_quiet": sum(entry.get("too_quiet", False) for entry in entries)}

    def verdict(self, name: str, entry: Mapping[str, Any]) -> Verdict:
        """Give the verdict of a copy from its entry."""
        measured = {what: entry[what] for what in ("file", *self.least)}
        return SoundVerdict(name, notes=tuple(entry["notes"]), **measured)

    def report(self, verdicts: list[Verdict], seconds: float, earlier: int) -> Report:
        """Give the report of the whole job."""
        asked, people = self.config, len(self.persons())
        return SoundReport(verdicts, asked.epsilon, asked.method, seconds, people, earlier=earlier, shape=asked.shape)
