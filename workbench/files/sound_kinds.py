"""What kind of recording a file is, by its content; what all kinds have in common; which are not taken, and why."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from workbench.files.untrusted import Refused as Refused

MOST_CHANNELS = 8
FASTEST = 768_000  # samples a second
LONGEST_SECONDS = 3 * 3600
LARGEST = 200_000_000  # samples of all channels together: 75 minutes of one at 44.1 kHz; 800 MB in memory
BLOCK = 2**20  # samples worked on at once, so that no second copy of a long recording is ever held
MOST_PARTS = 10_000  # chunks or blocks of tags
MOST_TAG = 2**24  # bytes of one that are looked at
RESAVE = "save it as WAV or FLAC first"
AGAIN = "fetch it again from where it came from"

SUFFIXES = {
    "WAV": (".wav", ".wave", ".bwf"), "RF64": (".rf64", ".wav"), "W64": (".w64",), "FLAC": (".flac",),
    "MP3": (".mp3", ".mp2"), "OGG": (".ogg", ".oga"), "OPUS": (".opus", ".ogg", ".oga"),
}  # fmt: skip
SOUNDS = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
WAVES = ("WAV", "RF64", "W64")
OTHERS = (
    (b"RIFX", "a big-endian WAV (RIFX)"), (b"RIFF", "another RIFF file (a film or a picture)"), (b"FORM", "an AIFF"),
    (b"caff", "a CAF"), (b".snd", "an AU"), (b"wvpk", "a WavPack file"), (b"MAC ", "a Monkey's Audio file"),
    (b"MThd", "a MIDI file, notes and no recording"), (b"#!AMR", "an AMR"), (b"0&\xb2u", "a WMA"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM"), (b"\xff\xf1", "an AAC"), (b"\xff\xf9", "an AAC"),
    (b"PK\x03\x04", "an archive (ZIP): unpack it, or"), (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"), (b"%PDF", "a PDF"),
)  # fmt: skip
IN_OGG = ((b"\x01vorbis", "OGG"), (b"OpusHead", "OPUS"))
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_WAVE = bytes.fromhex("77617665f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class Facts:
    """What a recording's header says.

    bits: of an integer sample, 0 for floating point; rate: frames a second; speakers: WAV's mask of loudspeakers, 0 for
    none; start: where in the file the samples of a WAV or FLAC begin, in bytes; left_out: what a copy will not carry;
    notes: what is odd; digest: MD5 of a FLAC's samples, none where it is all 0.
    """

    form: str
    subtype: str
    bits: int
    rate: int
    channels: int
    frames: int
    speakers: int = 0
    start: int = 0
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    digest: bytes = bytes(16)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.frames / self.rate


def is_sound(name: str) -> bool:
    """Say whether a file's name ends as a recording's does."""
    return PurePosixPath(name).suffix.lower() in SOUNDS


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file that is no link, for reading. Pipes and devices are not waited for. Or Refused."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOFOLLOW"):
        flags |= getattr(os, name, 0)  # not every system has all
    try:
        if os.path.islink(path):
            raise Refused("is a link, which is not followed: name the file that it leads to")
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError for a null in the name
        said = getattr(error, "strerror", None) or str(error)
        raise Refused(f"cannot be opened ({said}): look at what it is and at its permissions") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused("is no regular file: give a recording")
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def take(file: BinaryIO, at: int, count: int) -> bytes:
    """Read at most `count` bytes from the place `at` of a file."""
    file.seek(at)
    return file.read(count)


def check(facts: Facts) -> Facts:
    """Return the facts of a recording that can be held; else raise Refused."""
    rate, channels, frames = facts.rate, facts.channels, facts.frames
    if not 1 <= rate <= FASTEST:
        raise Refused(f"has {rate:,} frames a second, which is none of 1 to {FASTEST:,}: it is damaged, or {RESAVE}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise Refused(f"has {channels} channels, not 1 to {MOST_CHANNELS}: save those you want as a file of their own")
    if frames < 1:
        raise Refused(f"holds no samples: {AGAIN}, or leave it out")
    if frames * channels > LARGEST or facts.seconds > LONGEST_SECONDS:
        raise Refused(
            f"holds {frames * channels:,} samples, {facts.seconds:,.0f} seconds, and at most {LARGEST:,} samples and "
            f"{LONGEST_SECONDS:,} seconds are taken: cut it into shorter ones"
        )
    return facts


def check_kind(file: BinaryIO) -> tuple[str, int, tuple[str, ...]]:
    """The kind of recording, a key of SUFFIXES, where it begins, in bytes, and the tags in front. Raises Refused."""
    start, tags = _tags_in_front(file)
    head = take(file, start, 4096)
    if not head and not start:
        raise Refused(f"is empty: {AGAIN}")
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return "WAV" if head[:4] == b"RIFF" else "RF64", start, tags
    if head[:16] == W64_RIFF and head[24:40] == W64_WAVE:
        return "W64", start, tags
    if head[:4] == b"fLaC":
        return "FLAC", start, tags
    if head[:4] == b"OggS" and len(head) > 26:
        packet = head[27 + head[26] :]
        kind = next((kind for magic, kind in IN_OGG if packet.startswith(magic)), "")
        if kind:
            return kind, start, tags
        raise Refused(f"is an Ogg file of neither Vorbis nor Opus (a film, Speex, FLAC): {RESAVE}")
    if _is_mpeg(head.lstrip(b"\0") if start else head):
        return "MP3", start, tags
    if head[4:8] == b"ftyp":
        raise Refused(f"is an MP4 (M4A, AAC, a film): {RESAVE}")
    for magic, other in OTHERS:
        if head.startswith(magic):
            raise Refused(f"is {other if ':' in other else f'{other}:'} {RESAVE}")
    raise Refused("is not a recording: give WAV, FLAC, MP3, Ogg Vorbis or Opus files")


def _is_mpeg(head: bytes) -> bool:
    """Whether bytes begin as a frame of MPEG layer II or III does; other layers are AAC, or a text in UTF-16."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    return head[1] & 0x18 != 8 and head[1] & 6 in (2, 4) and head[2] >> 4 not in (0, 15) and head[2] & 12 != 12


def _tags_in_front(file: BinaryIO) -> tuple[int, tuple[str, ...]]:
    """Where ID3 tags end, and what is in them."""
    at, found = 0, set[str]()
    for _ in range(8):
        head = take(file, at, 10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 127:
            break
        length = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        body = take(file, at + 10, min(length, MOST_TAG))
        found |= {"ID3 tags", *(["cover art"] if b"APIC" in body or b"PIC\0" in body else [])}
        at += 10 + length + (10 if head[5] & 16 else 0)
    return at, tuple(sorted(found))


def check_finite(found: np.ndarray) -> None:
    """Raise Refused for samples, frames×channels, that are no numbers, and say where the first is."""
    for begin in range(0, len(found), BLOCK):
        wrong = np.argwhere(~np.isfinite(found[begin : begin + BLOCK]))
        if len(wrong):
            frame, channel = begin + int(wrong[0][0]), int(wrong[0][1])
            said = f"{found[frame, channel]} at frame {frame:,} of channel {channel + 1}, counted from frame 0"
            raise Refused(f"holds a sample that is no number ({said}): mend it in an audio editor")
