"""One recording of any kind: the integers that stand in its file, and the same file again with others in their place.

WAV is read and written here; FLAC, MP3, Ogg Vorbis and Opus need the package soundfile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from workbench.config import ConfigError, DataError
from workbench.files import atomic, sound_coded, sound_waves, untrusted
from workbench.files.sound_kinds import (
    AGAIN,
    LARGEST,
    LONGEST_SECONDS,
    SOUNDS,
    SUFFIXES,
    WAVES,
    Facts,
    Refused,
    check,
    check_finite,
    check_kind,
    is_sound,
    opened,
)

__all__ = ["LARGEST", "LONGEST_SECONDS", "SOUNDS", "Facts", "Refused", "Sound", "copy_name", "decode", "is_sound",
           "probe", "read", "write"]  # fmt: skip

LOSSY = ("MP3", "OGG", "OPUS")
MOST_PATH = 1000  # characters of a path in a message


@dataclass(frozen=True)
class Sound:
    """A decoded recording.

    samples: frames×channels, int32 with the file's own integers (8 bits as -128 to 127, 24 bits as -8388608 to
    8388607), or float32 or float64 where the file has floating point; bits: 8, 16, 24 or 32, 0 for floating point, 16
    for what lossy kinds decode to; rate: frames a second; form: a key of SUFFIXES; subtype: soundfile's name of how
    the samples are coded; left_out: what a copy will not carry; notes: what was odd about the file; speakers: WAV's
    mask of loudspeakers, 0 for none.
    """

    samples: np.ndarray
    bits: int
    rate: int
    form: str
    subtype: str
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    speakers: int = 0

    @property
    def peak(self) -> int | float:
        """The largest size of a sample, in the samples' own units: up to 32768 for 16 bits."""
        high, low = self.samples.max(), self.samples.min()
        return max(int(high), -int(low)) if self.bits else max(float(high), -float(low))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    @property
    def lossy(self) -> bool:
        """Whether the file's coding had lost something, so that its samples are what a decoder makes of it."""
        return self.form in LOSSY or self.subtype in sound_waves.G711

    @property
    def copy_form(self) -> str:
        """The form of a copy: WAV for all of WAV's forms, else FLAC."""
        return "WAV" if self.form in WAVES else "FLAC"


def read(path: Path) -> Sound:
    """Decode one recording. Raises DataError that names the file, ConfigError where soundfile is missing."""
    with _named(path), opened(path) as file:
        return decode(file, Path(path).name)


def probe(path: Path) -> Facts:
    """Say how long a recording is, and of what kind, without decoding it. Raises as `read` does."""
    with _named(path), opened(path) as file:
        return _look(file, Path(path).name)[0]


def decode(file: BinaryIO, name: str = "") -> Sound:
    """Decode the one recording in an open file. The content decides what it is; `name` only serves a note.

    Raises Refused for whatever is not one whole recording of a known kind, ConfigError where soundfile is missing.
    """
    try:
        facts, content = _look(file, name)
        if facts.form in WAVES:
            found, notes = sound_waves.samples(file, facts), facts.notes
            if not facts.bits:
                check_finite(found)
        else:
            found, more = sound_coded.decoded(content, facts)
            notes = (*facts.notes, *more)
    except MemoryError as error:
        raise Refused("needs more memory than there is: cut it into shorter ones") from error
    return Sound(found, facts.bits, facts.rate, facts.form, facts.subtype, facts.left_out, notes, facts.speakers)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{untrusted.one_line(path, MOST_PATH)} {untrusted.one_line(error, MOST_PATH)}") from error
    except OSError as error:
        said = error.strerror or untrusted.first_line(error)
        raise DataError(f"{untrusted.one_line(path, MOST_PATH)} cannot be read ({said}): {AGAIN}") from error


def _look(file: BinaryIO, name: str) -> tuple[Facts, bytes]:
    """The facts of a recording that can be held, and the bytes to decode where it is no WAV."""
    form, start, tags = check_kind(file)
    content = b""
    if form in WAVES:
        facts = sound_waves.header(file, form, start)
    else:
        facts, content = sound_coded.look(file, form, start)
    suffix = PurePosixPath(name).suffix.lower()
    odd = (f"is a {form} named {suffix}",) if suffix and suffix not in SUFFIXES[form] else ()
    left = tuple(dict.fromkeys((*tags, *facts.left_out)))
    return check(replace(facts, notes=(*odd, *facts.notes), left_out=left)), content


def copy_name(name: str, sound: Sound) -> str:
    """Name the copy of a recording: as the original where the form stays, else with the suffix of the copy's form."""
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    if suffix.lower() in SUFFIXES[sound.copy_form]:
        return name
    kept = stem if suffix.lower() in SOUNDS else PurePosixPath(name).name
    return f"{name[: len(name) - len(PurePosixPath(name).name)]}{kept}.{sound.copy_form.lower()}"


def write(path: Path, sound: Sound) -> None:
    """Write a recording in its `copy_form`, with its own bits a sample, or leave what was there.

    The same samples give the same bytes. What was written is read back and compared, sample for sample, before it takes
    a place. Raises DataError that names the file, ConfigError where soundfile is missing.
    """
    with _named(path):
        if fault := _unfit(sound):
            raise Refused(f"cannot be written, {fault}")
        coded = sound_coded.encode(sound.samples, sound.bits, sound.rate) if sound.copy_form == "FLAC" else b""
    try:
        with atomic.replacing(path) as file:
            if coded:
                file.write(coded)
            else:
                sound_waves.write(file, sound.samples, sound.bits, sound.rate, sound.speakers)
            file.flush()
            with _named(path):
                back = decode(file)
            same = (back.bits, back.rate, back.form) == (sound.bits, sound.rate, sound.copy_form)
            if not same or not np.array_equal(back.samples, sound.samples):
                raise DataError(f"{untrusted.one_line(path, MOST_PATH)} does not read back as it was written: {AGAIN}")
    except ValueError as error:  # a null in the name
        if isinstance(error, ConfigError):
            raise
        raise DataError(f"{untrusted.one_line(path, MOST_PATH)} cannot be written ({error}): rename it") from error


def _unfit(sound: Sound) -> str:
    """Why a recording cannot be written, and what to do; "" where it can."""
    found = sound.samples
    if found.ndim != 2:
        return f"its samples have the shape {found.shape}: give frames×channels"
    try:
        check(Facts(sound.copy_form, "", sound.bits, sound.rate, found.shape[1], len(found)))
    except Refused as error:  # so a WAV never has 4 GiB either, the most that its header can tell
        return f"it {error}"
    if sound.copy_form == "FLAC" and sound.rate > sound_coded.FLAC_FASTEST:
        return f"a FLAC has no {sound.rate:,} frames a second: write a WAV"
    if sound.copy_form == "FLAC" and sound.bits not in (8, 16, 24):
        what = f"{sound.bits} bits a sample" if sound.bits else "floating point"
        return f"a FLAC has no {what}: write a WAV"
    if not sound.bits:
        whole = found.dtype in (np.float32, np.float64) and np.isfinite(found).all()
        return "" if whole else "its samples are not all numbers of 32 or 64 bits: give such"
    if sound.bits not in (8, 16, 24, 32) or found.dtype.kind not in "iu":
        return f"samples of the type {found.dtype} are no integers of {sound.bits} bits: give 8, 16, 24 or 32"
    most = 2 ** (sound.bits - 1)
    return "" if found.max() < most and found.min() >= -most else f"a sample needs more than {sound.bits} bits: clip it"
