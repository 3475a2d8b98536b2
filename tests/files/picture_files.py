"""Picture files of every depth, transparency, polarity and colour description, written from known values by hand."""

import struct
import zlib

import numpy as np

SRGB_LIKE = {"gAMA": struct.pack(">I", 45455), "sRGB": b"\0"}


def values(depth: int, channels: int = 0, seed: int = 0, height: int = 33, width: int = 40) -> np.ndarray:
    """Random values of so many bits: H×W, or H×W×C."""
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 2**depth, shape)


def eight(wide: np.ndarray, depth: int) -> np.ndarray:
    """The values brought to 8 bits, to the nearest: the right answer."""
    return np.rint(wide * 255 / (2**depth - 1)).astype(np.uint8)


def packed(rows: np.ndarray, depth: int, order: str = ">") -> list[bytes]:
    """The bytes of every row of values, of 1, 2, 4, 8 or 16 bits, the first in the highest bits."""
    flat = rows.reshape(len(rows), -1)
    if depth >= 8:
        return [row.astype(f"{order}u{depth // 8}").tobytes() for row in flat]
    bits = (flat[:, :, None] >> np.arange(depth)[::-1]) & 1
    return [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]


def png(rows: np.ndarray, depth: int, colour: int, *chunks: tuple[bytes, bytes], key: bytes | None = None) -> bytes:
    """A PNG. colour: its colour type; chunks: put in front of the palette (seed 99) and the transparency `key`."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], depth, colour, 0, 0, 0)
    found = chunk(b"IHDR", header) + b"".join(chunk(*one) for one in chunks)
    if colour == 3:
        found += chunk(b"PLTE", palette(depth).astype(np.uint8).tobytes())
    found += chunk(b"tRNS", key) if key is not None else b""
    body = b"".join(b"\0" + row for row in packed(rows, depth))
    return b"\x89PNG\r\n\x1a\n" + found + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def palette(depth: int) -> np.ndarray:
    """The colours of this file's palettes: 2^depth × 3, 0 to 255."""
    return values(8, 3, seed=99, height=1, width=2**depth)[0]


def tiff(
    rows: np.ndarray, depth: int, photometric: int, order: str = "<", *, deflate=False, planar=False, **more
) -> bytes:
    """A TIFF of one strip (a strip per channel if planar). more: tag_N=value or tuple of SHORTs, LONGs or RATIONALs."""
    channels = rows.shape[2] if rows.ndim == 3 else 1
    parts = [rows[:, :, each] for each in range(channels)] if planar else [rows]
    strips = [b"".join(packed(part, depth, order)) for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    tags = {256: rows.shape[1], 257: rows.shape[0], 258: (depth,) * channels, 259: 8 if deflate else 1,
            262: photometric, 277: channels, 278: rows.shape[0], 284: 2 if planar else 1,
            **{int(name[4:]): value for name, value in more.items()}}  # fmt: skip
    if photometric == 3:
        tags[320] = tuple((palette(depth).T * 257).reshape(-1).tolist())
    tags = {tag: value if isinstance(value, tuple) else (value,) for tag, value in tags.items()}
    tags[273] = tuple(8 + sum(map(len, strips[:each])) for each in range(len(strips)))
    tags[279] = tuple(map(len, strips))
    data = b"".join(strips)
    data += b"\0" * (len(data) % 2)
    start = 8 + len(data)
    extra, entries = b"", b""
    after = start + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        numbers = tags[tag]
        kind = 5 if isinstance(numbers[0], float) else 4 if tag in (273, 279) else 3
        if kind == 5:
            body = b"".join(struct.pack(order + "II", round(one * 100000), 100000) for one in numbers)
        else:
            body = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(body) > 4:
            place = struct.pack(order + "I", after + len(extra))
            extra += body + b"\0" * (len(body) % 2)
        else:
            place = body.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(numbers)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4) + extra


def bmp(rows: list[bytes], width: int, bits: int, *, colours=(), masks=(), space=b"sRGB", compression=None,
        header=124, describe=b"", profile=b"", downwards=False) -> bytes:  # fmt: skip
    """A BMP. rows: from the top; masks: red, green, blue, alpha; describe: end points and gamma of its colours."""
    data = b"".join(row + b"\0" * (-len(row) % 4) for row in (rows if downwards else rows[::-1]))
    table = b"".join(bytes([blue, green, red, 0]) for red, green, blue in colours)
    compression = compression if compression is not None else 3 if masks else 0
    height = -len(rows) if downwards else len(rows)
    head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, len(colours), 0)
    if header > 40:
        head += struct.pack("<IIII", *(*masks, 0, 0, 0, 0)[:4]) + space[::-1] + describe.ljust(48, b"\0")
        after = header + len(table) + len(data)
        head += struct.pack("<IIII", 0, after if profile else 0, len(profile), 0) if header == 124 else b""
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + table + data + profile


def netpbm(rows: np.ndarray, most: int, plain: bool) -> bytes:
    """A PBM (most: 1), PGM or PPM; of a PBM 1 is black."""
    number = 1 if most == 1 else 2 if rows.ndim == 2 else 3
    head = f"P{number + (0 if plain else 3)}\n{rows.shape[1]} {rows.shape[0]}\n" + (f"{most}\n" if most > 1 else "")
    if plain:
        return head.encode() + b"\n".join(b" ".join(b"%d" % one for one in row) for row in rows.reshape(len(rows), -1))
    depth = 1 if most == 1 else 8 if most < 256 else 16
    return head.encode() + b"".join(packed(rows, depth))
