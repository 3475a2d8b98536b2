"""FLAC, MP3, Ogg Vorbis and Opus: what their headers say, and their samples, which the package soundfile decodes.

libsndfile passes over much in silence: pages of an Ogg that are damaged, second recordings, an end that is missing.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from workbench.config import ConfigError
from workbench.files import untrusted
from workbench.files.sound_kinds import AGAIN, BLOCK, MOST_PARTS, RESAVE, Facts, Refused, check, check_finite, take
from workbench.installation import missing

MOST_BYTES = 2**30  # of a file, which is held in memory while it is decoded
BLOCKS = {2: "application data", 4: "tags", 5: "cue sheet", 6: "cover art"}  # of FLAC; others are seek points, padding
FLAC_FASTEST = 655_350  # frames a second
TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # a byte's bits in the other order


def look(file: BinaryIO, form: str, start: int) -> tuple[Facts, bytes]:
    """The facts of a recording that begins so many bytes into a file, and the bytes to decode. Raises Refused."""
    size = file.seek(0, 2)
    if size > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MiB: cut it into shorter ones")
    end, tags = tags_behind(file, size) if form in ("MP3", "FLAC") else (size, ())
    told = check(flac(file, start)) if form == "FLAC" else Facts(form, "", 16, 0, 0, 0)
    content, notes = take(file, told.start or start, max(end - (told.start or start), 0)), tuple[str, ...]()
    if form == "FLAC":  # without its tags, of which the decoder takes some amiss
        content = b"fLaC\x80" + take(file, start + 5, 37) + content
    else:
        content, notes = mended(content) if form == "MP3" else ogg(content)
    with decoder(content, form) as sound:
        if form == "FLAC" and (sound.samplerate, sound.channels) != (told.rate, told.channels):
            raise Refused(f"is damaged: {AGAIN}")
        facts = replace(told, subtype=sound.subtype, rate=sound.samplerate, channels=sound.channels, notes=notes)
    return replace(facts, frames=told.frames or sound.frames, left_out=(*told.left_out, *tags)), content


def tags_behind(file: BinaryIO, end: int) -> tuple[int, tuple[str, ...]]:
    """Where the recording itself ends, before the tags of an MP3's end, and what these are."""
    found = list[str]()
    for _ in range(4):
        if take(file, max(end - 128, 0), 3) == b"TAG":
            found, end = [*found, "ID3 tags"], end - 128
            continue
        foot = take(file, max(end - 32, 0), 32)
        if foot[:8] != b"APETAGEX":
            break
        length, _, flags = struct.unpack("<III", foot[12:24])
        found, end = [*found, "APE tags"], max(end - length - (32 if flags >> 31 else 0), 0)
    return end, tuple(found)


def flac(file: BinaryIO, start: int) -> Facts:
    """Read the header and the names of all tags of a FLAC. Raises Refused."""
    head = take(file, start + 4, 38)
    if len(head) < 38 or head[0] & 127 or int.from_bytes(head[1:4], "big") != 34:
        raise Refused(f"is a damaged FLAC, without its first block: {AGAIN}")
    packed = int.from_bytes(head[14:22], "big")
    rate, channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    last, at, found = head[0] >> 7, start + 42, set[str]()
    for _ in range(MOST_PARTS):
        if last:
            break
        block = take(file, at, 4)
        if len(block) < 4 or block[0] & 127 > 6:
            raise Refused(f"is a damaged FLAC, in its tags: {AGAIN}")
        kind, last = block[0] & 127, block[0] >> 7
        length = int.from_bytes(block[1:], "big")
        if kind in BLOCKS and (kind != 4 or _comments(take(file, at + 4, length))):
            found.add(BLOCKS[kind])
        at += 4 + length
    if not last:
        raise Refused(f"holds more than {MOST_PARTS:,} blocks of tags: {RESAVE}")
    if bits not in (8, 16, 24):
        raise Refused(f"is a FLAC of {bits} bits a sample, not 8, 16 or 24: {RESAVE}")
    if not packed & (1 << 36) - 1:
        raise Refused("is a FLAC whose header does not say how long it is: save it again as FLAC or WAV")
    subtype = "PCM_S8" if bits == 8 else f"PCM_{bits}"
    left = tuple(sorted(found))
    return Facts("FLAC", subtype, bits, rate, channels, packed & (1 << 36) - 1, 0, at, left, (), head[22:38])


def _comments(block: bytes) -> bool:
    """Whether a block of Vorbis comments says more than what wrote the file."""
    length = int.from_bytes(block[:4], "little")
    return any(block[4 + length : 8 + length])


def ogg(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """All whole pages of an Ogg file, and notes. Refuses a damaged one, which decoders leave out in silence."""
    at, begun, ended, view = 0, 0, False, memoryview(content)
    while at + 27 <= len(content) and content[at : at + 4] == b"OggS":
        body = at + 27 + content[at + 26]
        end = body + sum(content[at + 27 : body])
        if end > len(content):
            break
        page = bytes(view[at : at + 22]) + bytes(4) + bytes(view[at + 26 : end])
        turned = zlib.crc32(page.translate(TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF  # Ogg counts from the other end
        if int(f"{turned:032b}"[::-1], 2) != int.from_bytes(content[at + 22 : at + 26], "little"):
            raise Refused(f"is damaged {at:,} bytes after its beginning: {AGAIN}")
        begun, ended, at = begun + (content[at + 5] >> 1 & 1), bool(content[at + 5] & 4), end
    if begun > 1:
        raise Refused(f"holds {begun} recordings or tracks: save the one you want as a file of its own")
    if content.find(b"OggS", at + 1) >= 0:
        raise Refused(f"is damaged {at:,} bytes after its beginning: {AGAIN}")
    more = (f"{len(content) - at:,} bytes after it are left out",) if at < len(content) and ended else ()
    return content[:at], more if ended else ("its end is missing",)


def mended(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """An MP3 whose header tells its true length, since decoders complain aloud of another; and the notes."""
    frame = len(content) - len(content.lstrip(b"\0"))
    if len(content) < frame + 4:
        return content, ()
    side = (32, 17) if content[frame + 1] & 8 else (17, 9)  # bytes, of stereo and mono
    at = frame + 4 + side[content[frame + 3] >> 6 == 3]
    flags = int.from_bytes(content[at + 4 : at + 8], "big")
    place = at + (12 if flags & 1 else 8)
    if content[at : at + 4] not in (b"Xing", b"Info") or not flags & 2 or len(content) < place + 4:
        return content, ()
    told, true = int.from_bytes(content[place : place + 4], "big"), len(content) - frame
    if abs(told - true) * 200 < true:
        return content, ()
    note = "its end is missing" if true < told else "it is longer than its header says"
    return content[:place] + true.to_bytes(4, "big") + content[place + 4 :], (note,)


@contextmanager
def decoder(content: bytes, form: str) -> Iterator[Any]:
    """soundfile's opened file of that form alone. Raises Refused for what goes wrong with it, at any time."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            if sound.format != {"OPUS": "OGG"}.get(form, form):
                raise Refused(f"is damaged: {AGAIN}")
            yield sound
    except (Refused, MemoryError):
        raise
    except Exception as error:  # libsndfile's own, and what Python makes of impossible lengths
        said = getattr(error, "error_string", "") or untrusted.first_line(error)
        said = untrusted.one_line(str(said).removeprefix("Error : ").rstrip("."), 120)
        raise Refused(f"is damaged or cut short: {AGAIN} ({said})") from error


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError where its library is missing
        raise ConfigError(f"FLAC, MP3, Ogg and Opus recordings: {missing('soundfile')}") from error
    return soundfile


def decoded(content: bytes, facts: Facts) -> tuple[np.ndarray, tuple[str, ...]]:
    """The samples of what soundfile decodes, frames×channels int32, and notes. Raises Refused."""
    exact = facts.form == "FLAC"
    found = np.empty((facts.frames, facts.channels), np.int32 if exact else np.float32)
    with decoder(content, facts.form) as sound:
        found = sound.read(out=found)
    if exact:
        found >>= 32 - facts.bits  # libsndfile puts the bits that there are into the highest
        if len(found) < facts.frames:
            raise Refused(f"is cut short, {len(found):,} of its {facts.frames:,} frames are there: {AGAIN}")
        if any(facts.digest) and _digest(found, facts.bits) != facts.digest:
            raise Refused(f"is damaged, its samples do not add up to its checksum: {AGAIN}")
        return found, ()
    if not len(found):
        raise Refused(f"holds no samples: {AGAIN}, or leave it out")
    check_finite(found)
    cut, whole = 0, found.view(np.int32)
    for begin in range(0, len(found), BLOCK):
        part = slice(begin, begin + BLOCK)
        sizes = np.rint(found[part] * np.float32(32768))
        cut += int(np.count_nonzero((sizes > 32767) | (sizes < -32768)))
        whole[part] = sizes.clip(-32768, 32767)
    return whole, (f"{cut:,} samples beyond the largest size are brought to it",) if cut else ()


def _digest(found: np.ndarray, bits: int) -> bytes:
    """The MD5 that a FLAC carries of its samples, which are packed in whole bytes, lowest first."""
    digest, width = hashlib.md5(usedforsecurity=False), bits // 8
    flat = found.reshape(-1)
    for begin in range(0, flat.size, BLOCK):
        octets = flat[begin : begin + BLOCK].astype("<i4").view(np.uint8)
        digest.update(octets.reshape(-1, 4)[:, :width].tobytes())
    return digest.digest()


def encode(found: np.ndarray, bits: int, rate: int) -> bytes:
    """The bytes of a FLAC of samples, frames×channels integers of 8, 16 or 24 bits. Raises Refused."""
    subtype, file = "PCM_S8" if bits == 8 else f"PCM_{bits}", io.BytesIO()
    try:
        with _soundfile().SoundFile(file, "w", rate, found.shape[1], subtype, format="FLAC") as target:
            target.write(found.astype(np.int32) << (32 - bits))
    except RuntimeError as error:
        raise Refused(f"cannot be written as FLAC ({untrusted.one_line(error)}): write a WAV") from error
    return file.getvalue()
