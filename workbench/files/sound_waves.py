"""WAV and its two larger forms, RF64 and W64, taken apart and put together byte for byte: no library decides.

Libraries read what is there of a file cut short, and write the time into others, so equal sounds give unequal files.
"""

import re
import struct
from typing import BinaryIO

import numpy as np

from workbench.files.sound_kinds import AGAIN, BLOCK, MOST_PARTS, RESAVE, Facts, Refused, take
from workbench.files.untrusted import one_line

SUBTYPES = {(1, 8): "PCM_U8", (1, 16): "PCM_16", (1, 24): "PCM_24", (1, 32): "PCM_32", (3, 32): "FLOAT",
            (3, 64): "DOUBLE", (6, 8): "ALAW", (7, 8): "ULAW"}  # fmt: skip
WIDTHS = {name: bits // 8 for (_, bits), name in SUBTYPES.items()}  # bytes a sample
PLAIN = {"PCM_16": "<i2", "PCM_32": "<i4", "FLOAT": "<f4", "DOUBLE": "<f8"}
CODES = {2: "MS ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3", 0x161: "WMA", 0xF1AC: "FLAC",
         0xFF: "AAC", 0x2000: "AC-3", 0x40: "G.721", 0x14: "G.723", 0x64: "G.726"}  # fmt: skip
EXTENSIBLE, ANY = 0xFFFE, bytes.fromhex("000000001000800000aa00389b71")  # a format's number, and what follows it
NAME = re.compile(rb"[ -~]{4}")
UNTOLD = 2**31 - 2**16  # and more, as a length: of writers that cannot go back to write the true one
SHOWN = 12  # of the names of chunks
WORDS = {b"LIST": "tags", b"bext": "broadcast notes", b"cue ": "cue points", b"smpl": "loops", b"id3 ": "ID3 tags",
         b"ID3 ": "ID3 tags", b"iXML": "recorder's notes", b"_PMX": "XMP", b"PEAK": "peaks"}  # fmt: skip


def header(file: BinaryIO, form: str, begin: int) -> Facts:
    """Read the header of a WAV, RF64 or W64 that begins so many bytes into a file. Raises Refused."""
    size, found, others, notes = file.seek(0, 2), dict[bytes, tuple[int, int]](), list[str](), list[str]()
    wide = form == "W64"
    at, head = (begin + 40, 24) if wide else (begin + 12, 8)
    riff = int.from_bytes(take(file, begin + 4, 4), "little")
    for _ in range(MOST_PARTS):
        if at >= size:
            break
        told = take(file, at, head)
        name, body = told[:4], at + head
        if len(told) < head or not NAME.fullmatch(name):
            others.append(f"{size - at:,} bytes after the recording")
            break
        length = int.from_bytes(told[16:], "little") - head if wide else int.from_bytes(told[4:], "little")
        if name == b"data":
            length = _true_length(length, size - body, form, take(file, *found.get(b"ds64", (size, 0))), notes)
            if not length and riff + 8 <= body - begin and not wide:
                notes.append("its header says no length, so it is read to the end of the file")
                length = size - body
        elif length < 0:
            raise Refused(f"is damaged, in the length of its chunk {name.decode()!r}: {AGAIN}")
        if name in (b"fmt ", b"data") and name in found:
            raise Refused(f"holds two chunks {name.decode()!r}, and only one may be right: {RESAVE}")
        if name not in (b"fmt ", b"data", b"fact", b"ds64"):
            word = WORDS.get(name, "chunk")
            others.append(f"{word} ({one_line(name.decode().strip())})")
        found.setdefault(name, (body, length))
        at = body + length + (-length % 8 if wide else _padding(file, body + length, length))
    else:
        raise Refused(f"holds more than {MOST_PARTS:,} chunks: {RESAVE}")
    if b"fmt " not in found or b"data" not in found:
        raise Refused(f"is cut short or damaged: it holds no {'samples' if b'fmt ' in found else 'format'}: {AGAIN}")
    return _facts(form, take(file, *_at_most(found[b"fmt "], 40)), found[b"data"], others, notes)


def _at_most(place: tuple[int, int], most: int) -> tuple[int, int]:
    return place[0], min(place[1], most)


def _padding(file: BinaryIO, at: int, length: int) -> int:
    """Bytes between a chunk that ends at `at` and the next: an odd one is to be followed by one, which some forget."""
    if length % 2 == 0:
        return 0
    after = take(file, at, 5)
    return 0 if after[0:1] != b"\0" and NAME.fullmatch(after[:4]) and not NAME.fullmatch(after[1:5]) else 1


def _true_length(told: int, room: int, form: str, sizes: bytes, notes: list[str]) -> int:
    """Bytes of samples, of which the header tells `told` and the file has `room`. sizes: RF64's chunk of lengths."""
    if form == "RF64" and told == 2**32 - 1:
        if len(sizes) < 24:
            raise Refused(f"is a damaged RF64, without its lengths: {AGAIN}")
        told = int.from_bytes(sizes[8:16], "little")
    if told <= room and told >= 0:
        return told
    if told >= UNTOLD and (form == "WAV" or told == 2**64 - 1):
        notes.append("its header says no length, so it is read to the end of the file")
        return room
    if told < 0:
        raise Refused(f"is damaged, in the length of its samples: {AGAIN}")
    raise Refused(f"is cut short, {room:,} of its {told:,} bytes of samples are there: {AGAIN}")


def _facts(form: str, told: bytes, data: tuple[int, int], others: list[str], notes: list[str]) -> Facts:
    """The facts that the chunk of the format and the place of the samples make."""
    if len(told) < 16:
        raise Refused(f"is damaged, its format is cut short: {AGAIN}")
    code, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", told)
    speakers = 0
    if code == EXTENSIBLE:
        if len(told) < 40:
            raise Refused(f"is damaged, its format is cut short: {AGAIN}")
        used, speakers, code = struct.unpack_from("<HIH", told, 18)
        code = code if told[26:] == ANY else EXTENSIBLE
        if 0 < used < bits:
            notes.append(f"it uses {used} of its {bits} bits a sample")
    subtype = SUBTYPES.get((code, bits))
    if subtype is None:
        what = CODES.get(code, f"the rare format {code}") if code not in (1, 3, 6, 7) else f"samples of {bits} bits"
        raise Refused(f"is a WAV that holds {what}, which is not read: save it as a WAV of 16 bits first")
    if align != channels * WIDTHS[subtype]:
        raise Refused(f"is damaged, {channels} channels of {bits} bits are no {align} bytes: {AGAIN}")
    begin, length = data
    if align and (rest := length % align):
        others.append(f"{rest} bytes after the last whole frame")
    left = sorted(set(others))
    left = [*left[:SHOWN], f"{len(left) - SHOWN} chunks more"] if len(left) > SHOWN else left
    depth = 16 if subtype in ("ALAW", "ULAW") else bits if code == 1 else 0
    frames = length // align if align else 0
    return Facts(form, subtype, depth, rate, channels, frames, speakers, begin, tuple(left), tuple(notes))


def samples(file: BinaryIO, facts: Facts) -> np.ndarray:
    """All samples: frames×channels, int32, or float32 or float64 as in the file. Raises Refused."""
    dtype = {"FLOAT": np.float32, "DOUBLE": np.float64}.get(facts.subtype, np.int32)
    found = np.empty((facts.frames, facts.channels), dtype)
    flat, width = found.reshape(-1), WIDTHS[facts.subtype]
    for begin in range(0, flat.size, BLOCK):
        part = flat[begin : begin + BLOCK]
        content = take(file, facts.start + begin * width, part.size * width)
        if len(content) < part.size * width:
            raise Refused("was cut short while it was read: wait until it is written")
        part[:] = _unpacked(content, facts.subtype)
    return found


def _unpacked(content: bytes, subtype: str) -> np.ndarray:
    if subtype in PLAIN:
        return np.frombuffer(content, PLAIN[subtype])
    octets = np.frombuffer(content, np.uint8)
    if subtype == "PCM_24":
        wide = np.zeros((len(octets) // 3, 4), np.uint8)
        wide[:, 1:] = octets.reshape(-1, 3)
        return wide.view("<i4")[:, 0] >> 8  # which copies the sign down
    if subtype == "PCM_U8":
        return octets.astype(np.int32) - 128
    return G711[subtype][octets]


def _g711(law: str) -> np.ndarray:
    """The 256 values of a telephone's code, by ITU-T G.711, as integers of 16 bits."""
    code = np.arange(256) ^ (0xFF if law == "ULAW" else 0x55)
    part, steps = code >> 4 & 7, (code & 15) * 16 + 8
    if law == "ULAW":
        size = ((code & 15) * 8 + 132 << part) - 132
        return np.where(code & 128, -size, size)
    size = np.where(part > 0, steps + 256 << np.maximum(part - 1, 0), steps)
    return np.where(code & 128, size, -size)


G711 = {law: _g711(law) for law in ("ULAW", "ALAW")}


def write(file: BinaryIO, found: np.ndarray, bits: int, rate: int, speakers: int = 0) -> None:
    """Write a WAV of samples as `samples` gives them: the same bytes for the same samples.

    bits: of integers, 0 for floating point; speakers: the mask of loudspeakers.
    """
    frames, channels = found.shape
    depth = bits or found.dtype.itemsize * 8
    code, width = (1 if bits else 3), depth // 8
    subtype, length = SUBTYPES[code, depth], frames * channels * width
    large = channels > 2 or speakers  # then it has to be said which loudspeakers are meant, 0 for none
    align = channels * width
    told = struct.pack("<HHIIHH", EXTENSIBLE if large else code, channels, rate, rate * align, align, depth)
    if large:
        told += struct.pack("<HHIH", 22, depth, speakers, code) + ANY
    elif not bits:
        told += bytes(2)
    chunks = b"fmt " + struct.pack("<I", len(told)) + told
    chunks += b"fact" + struct.pack("<II", 4, frames) if not bits else b""
    whole = 4 + len(chunks) + 8 + length + length % 2
    file.write(b"RIFF" + struct.pack("<I", whole) + b"WAVE" + chunks + b"data" + struct.pack("<I", length))
    flat = found.reshape(-1)
    for begin in range(0, flat.size, BLOCK):
        file.write(_packed(flat[begin : begin + BLOCK], subtype))
    file.write(bytes(length % 2))


def _packed(part: np.ndarray, subtype: str) -> bytes:
    if subtype in PLAIN:
        return part.astype(PLAIN[subtype]).tobytes()
    if subtype == "PCM_U8":
        return (part + 128).astype(np.uint8).tobytes()
    return part.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
