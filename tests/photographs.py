"""Picture files of every awkward kind, for the tests of reading."""

import io
import struct
import threading
import time
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image


def photograph(height: int = 48, width: int = 64, seed: int = 0, grey: bool = False) -> np.ndarray:
    """A smooth colourful (or grey) picture without any symmetry: uint8 H×W×3 (or H×W)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(20, 236, (4, 5, 3), dtype=np.uint8))
    picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(picture.convert("L") if grey else picture)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    """The bytes of a file of that format."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a value, which Pillow cannot write: uint16 H×W×3."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def cmyk_profile() -> bytes:
    """A small but whole ICC profile for CMYK: lightness is what the inks leave, by a table of two steps an ink."""
    corners = []
    for ink in np.ndindex(2, 2, 2, 2):
        cyan, magenta, yellow, black = ink
        light = (1 - black) * (1 - 0.25 * (cyan + magenta + yellow))
        light = 0 if cyan and magenta and yellow else light
        corners += [
            round(255 * light),
            128 + (40 * (magenta - cyan) if not black else 0),
            128 + (30 * yellow * (not black) if light else 0),
        ]
    identity = [round(65536 * one) for one in (1, 0, 0, 0, 1, 0, 0, 0, 1)]
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *identity)
    table += ramp * 4 + bytes(corners) + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    words = b"text\0\0\0\0none\0\0\0\0"
    title = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"inks\0" + b"\0" * 78
    title += b"\0" * (-len(title) % 4)
    table += b"\0" * (-len(table) % 4)
    tags = {b"desc": title, b"cprt": words, b"wtpt": white, b"A2B0": table}
    place, index, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        index += name + struct.pack(">II", place + len(body), len(content))
        body += content
    size = place + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def peak_memory(call: Callable[[], object]) -> int:
    """Bytes that the process grows by, at most, while `call` runs; 0 where the system does not say."""
    first, stop = resident(), threading.Event()
    seen = [first]

    def watch():
        while not stop.is_set():
            seen.append(resident())
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call()
    finally:
        stop.set()
        watcher.join()
    return max(seen) - first


def resident() -> int:
    """Bytes of memory this process holds now."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0
