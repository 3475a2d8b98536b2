"""Files of recordings, valid and damaged: WAV, RF64 and W64 by hand from known integers, the others by soundfile."""

import io
import struct
from random import Random

import numpy as np

ANY = bytes.fromhex("000000001000800000aa00389b71")
KINDS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "EXTENSIBLE", "RF64", "W64", "LIST",
         "FLAC_8", "FLAC_16", "FLAC_24", "MP3", "ID3", "VORBIS", "OPUS")  # fmt: skip
CODED = KINDS[11:]  # that need soundfile


def integers(bits: int, frames: int = 400, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Random integers of so many bits, the largest and the smallest among them: frames×channels, int32."""
    most = 2 ** (bits - 1)
    found = np.random.default_rng(seed).integers(-most, most, (frames, channels), dtype=np.int64)
    found.reshape(-1)[:2] = [most - 1, -most][: found.size]
    return found.astype(np.int32)


def tone(frames: int = 4000, channels: int = 2) -> np.ndarray:
    """Something to hear: frames×channels, int16."""
    time = np.arange(frames)[:, None] * (np.arange(channels) + 1)
    return np.rint(9000 * np.sin(time / 20)).astype(np.int16)


def raw(samples: np.ndarray, bits: int) -> bytes:
    """The bytes of samples as a WAV holds them, value by value."""
    if samples.dtype.kind == "f":
        return samples.astype(f"<f{samples.dtype.itemsize}").tobytes()
    if bits == 8:
        return bytes(int(value) + 128 for value in samples.reshape(-1))
    return b"".join(int(value).to_bytes(bits // 8, "little", signed=True) for value in samples.reshape(-1))


def chunk(name: bytes, body: bytes, *, length: int | None = None, pad: bool = True) -> bytes:
    told = len(body) if length is None else length
    return name + struct.pack("<I", told) + body + (b"\0" * (len(body) % 2) if pad else b"")


def format_chunk(code: int, channels: int, rate: int, bits: int, *, speakers: int | None = None, used: int = 0,
                 align: int | None = None) -> bytes:  # fmt: skip
    align = channels * bits // 8 if align is None else align
    first = code if speakers is None else 0xFFFE
    told = struct.pack("<HHIIHH", first, channels, rate, rate * align, align, bits)
    if speakers is not None:
        told += struct.pack("<HHIH", 22, used or bits, speakers, code) + ANY
    return chunk(b"fmt ", told)


def wav(samples: np.ndarray, bits: int, rate: int = 8000, *, code: int | None = None, before: bytes = b"",
        after: bytes = b"", length: int | None = None, riff: int | None = None, body: bytes | None = None,
        **more) -> bytes:  # fmt: skip
    """A WAV. before, after: chunks around the samples; length, riff: told in place of the true lengths."""
    code = code or (3 if samples.dtype.kind == "f" else 1)
    body = raw(samples, bits) if body is None else body
    parts = format_chunk(code, samples.shape[1], rate, bits, **more) + before
    parts += chunk(b"data", body, length=length) + after
    return b"RIFF" + struct.pack("<I", 4 + len(parts) if riff is None else riff) + b"WAVE" + parts


def rf64(samples: np.ndarray, bits: int, rate: int = 8000, *, length: int | None = None, name: bytes = b"RF64"):
    body = raw(samples, bits)
    told = len(body) if length is None else length
    parts = chunk(b"ds64", struct.pack("<QQQI", len(body) + 72, told, len(samples), 0))
    parts += format_chunk(1, samples.shape[1], rate, bits) + chunk(b"data", body, length=2**32 - 1)
    return name + b"\xff\xff\xff\xff" + b"WAVE" + parts


def w64(samples: np.ndarray, bits: int, rate: int = 8000, *, length: int | None = None) -> bytes:
    rest = bytes.fromhex("f3acd3118cd100c04f8edb8a")

    def part(name, body, told=None):
        told = len(body) if told is None else told
        return name + rest + struct.pack("<Q", (told + 24) % 2**64) + body + bytes(-len(body) % 8)

    parts = part(b"fmt ", format_chunk(1, samples.shape[1], rate, bits)[8:])
    parts += part(b"data", raw(samples, bits), length)
    start = bytes.fromhex("726966662e91cf11a5d628db04c10000")
    return start + struct.pack("<Q", 40 + len(parts)) + b"wave" + rest + parts


def coded(samples: np.ndarray, form: str, subtype: str, rate: int = 8000) -> bytes:
    """What soundfile writes; of integers the highest bits."""
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, samples.shape[1], format=form, subtype=subtype) as target:
        target.write(samples)
    return file.getvalue()


def flac(samples: np.ndarray, bits: int, rate: int = 8000) -> bytes:
    return coded(samples.astype(np.int32) << (32 - bits), "FLAC", "PCM_S8" if bits == 8 else f"PCM_{bits}", rate)


def flac_block(content: bytes, kind: int, body: bytes) -> bytes:
    """A FLAC with one block of metadata more, right after the first."""
    return content[:42] + bytes([kind]) + len(body).to_bytes(3, "big") + body + content[42:]


def id3(body: bytes = b"APIC\0\0\0\x10\0\0\0image/png\0\0\0abcd") -> bytes:
    """An ID3 tag, with cover art."""
    length = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + body


def valid(kind: str) -> bytes:
    """A recording of a kind, one of KINDS."""
    if kind.startswith("PCM"):
        bits = int(kind.removeprefix("PCM_").removeprefix("U"))
        return wav(integers(bits), bits)
    if kind.startswith("FLAC"):
        bits = int(kind.removeprefix("FLAC_"))
        return flac(integers(bits), bits)
    float32 = integers(16).astype(np.float32) / 32768
    made = {
        "FLOAT": lambda: wav(float32, 32),
        "DOUBLE": lambda: wav(float32.astype(np.float64), 64),
        "ULAW": lambda: wav(integers(8), 8, code=7),
        "EXTENSIBLE": lambda: wav(integers(24, channels=6), 24, speakers=0x3F),
        "RF64": lambda: rf64(integers(16), 16),
        "W64": lambda: w64(integers(16), 16),
        "LIST": lambda: wav(integers(16), 16, before=chunk(b"LIST", b"INFOabc"), after=chunk(b"cue ", bytes(28))),
        "MP3": lambda: coded(tone(), "MP3", "MPEG_LAYER_III"),
        "ID3": lambda: id3() + coded(tone(), "MP3", "MPEG_LAYER_III") + b"TAG" + bytes(125),
        "VORBIS": lambda: coded(tone(), "OGG", "VORBIS"),
        "OPUS": lambda: coded(tone(), "OGG", "OPUS"),
    }  # fmt: skip
    return made[kind]()


def damaged(content: bytes, random: Random) -> bytes:
    """A file with some bytes changed, cut out, put in or left out at its end, most of them near its beginning."""
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        reach = min(len(found), random.choice((64, 200, len(found) or 1)))
        at = random.randrange(reach) if reach else 0
        what = random.random()
        if what < 0.6 and found:
            found[at] = random.choice(
                (0, 1, 127, 128, 255, random.randrange(256), found[at] ^ 1 << random.randrange(8))
            )
        elif what < 0.75:
            found[at : at + 4] = random.choice((b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f", b"data", b"OggS"))
        elif what < 0.85:
            del found[at : at + random.choice((1, 2, 8, 100))]
        elif what < 0.95:
            found[at:at] = random.randbytes(random.choice((1, 2, 8, 100)))
        else:
            del found[random.randrange(len(found) + 1) :]
    return bytes(found)
