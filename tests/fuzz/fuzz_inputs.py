"""Files gone wrong: valid ones changed where their readers look, and bytes changed anywhere.

Every function takes a random.Random, from a seed or from hypothesis, and gives the bytes of one file.
"""

import csv
import hashlib
import io
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import torch
import yaml

from workbench.records.checkpoint import LENGTH, TRAILER

Input = Callable[[Random], bytes]

ODD = (
    None, True, False, 0, -1, 3, 256, 2**31, 2**63, 10**400, -0.0, 0.5, 1e308, float("nan"), float("inf"), "", "a",
    "8", "8/255", "clean", "=cmd|' /C calc'!A0", "a\nb", "\x1b[2J\x1b[31m", "\0", "\ud800", "\u202egnp.exe", "é" * 300,
    "x" * 70_000, "../../../etc/passwd", "/etc/passwd", "/dev/zero", "\\\\host\\share", "CON", "C:\\a", "{x}",
    "{0.__class__}", "<img src=x onerror=alert(1)>", "$\\frac{$", "__import__('os').getpid()", "(" * 5000,
    "-" * 5000 + "1", "9" * 5000, "0x" + "f" * 5000, "{[]: 1}", "[1, [2]]", [], {}, [[]], [None], {"a": {}},
    list(range(1000)), b"\x80",
)  # fmt: skip
BYTES = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"'", b",", b":", b"{", b"}",
    b"[", b"]", b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"!!int ", b"!!bool ", b"!!timestamp ",
    b"!!binary ", b"--- ", b"|", b"? ", b"2020-99-99", b"1e999", b"NaN", b"-Infinity", b"0x" + b"f" * 99,
    b"9" * 5000, b"1:" * 2000 + b"1", b"\\ud800", b"\\u0000", b"[" * 3000, b'{"a":' * 3000, b"# ",
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0" * 4096, b"A" * 100_000,
)  # fmt: skip


def nested(random: Random) -> Any:
    """A value in lists or mappings many times over."""
    value: Any = 1
    for _ in range(random.choice((5, 40, 90, 400))):
        value = [value] if random.random() < 0.5 else {"a": value}
    return value


def odd(random: Random) -> Any:
    """A value that hardly belongs where it is put."""
    return nested(random) if random.random() < 0.05 else random.choice(ODD)


def changed(value: Any, random: Random) -> Any:
    """A copy of nested dicts and lists with one part replaced, left out, renamed, doubled or added."""
    if random.random() < 0.12 or not isinstance(value, dict | list) or not value:
        return odd(random)
    if isinstance(value, list):
        at, copy = random.randrange(len(value)), list(value)
        what = random.random()
        if what < 0.7:
            copy[at] = changed(copy[at], random)
        elif what < 0.8:
            del copy[at]
        elif what < 0.9:
            copy.insert(at, copy[at])
        else:
            copy.insert(at, odd(random))
        return copy
    name = random.choice(list(value))
    other = dict(value)
    what = random.random()
    if what < 0.75:
        other[name] = changed(other[name], random)
    elif what < 0.85:
        del other[name]
    else:
        new = odd(random)
        other[new if isinstance(new, str) else "a"] = other[name]
    return other


def damaged(content: bytes, random: Random) -> bytes:
    """Bytes with a few places flipped, cut, doubled or filled with what parsers stumble over."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(data) + 1)
        what = random.randrange(6)
        if what == 0 and data:
            data[at % len(data)] = random.randrange(256)
        elif what == 1:
            del data[at:]
        elif what == 2:
            del data[at : at + random.randrange(1, 50)]
        elif what == 3:
            data[at:at] = data[at : at + random.randrange(1, 200)]
        elif what == 4:
            data[at:at] = random.choice(BYTES)
        else:
            piece = random.choice(BYTES)
            data[at : at + len(piece)] = piece
    return bytes(data)


def noise(random: Random) -> bytes:
    """Any bytes, or one piece many times."""
    if random.random() < 0.5:
        return random.randbytes(random.choice((0, 1, 7, 60, 3000)))
    return random.choice(BYTES) * random.choice((1, 2, 20))


def _or_damaged(valid: Callable[[], bytes], aimed: Input) -> Input:
    def draw(random: Random) -> bytes:
        what = random.random()
        if what < 0.62:
            return aimed(random)
        if what < 0.9:
            return damaged(valid() if what < 0.78 else aimed(random), random)
        return noise(random)

    return draw


def json_text(value: Any) -> bytes:
    """JSON as this program writes it, and of values that JSON does not have."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text.encode("utf-8", "surrogatepass") if "\ud800" not in text else json.dumps(value, default=repr).encode()


def json_file(valid: Any) -> Input:
    """A JSON file with wrong parts, now and then with a name twice."""

    def aimed(random: Random) -> bytes:
        value = changed(valid, random)
        while random.random() < 0.3:
            value = changed(value, random)
        text = json_text(value)
        return text.replace(b"{", b'{"key": 1, "files": [], ', 1) if random.random() < 0.05 else text

    return _or_damaged(lambda: json_text(valid), aimed)


def yaml_file(valid: Any) -> Input:
    """A YAML file with wrong parts, or with aliases."""

    def aimed(random: Random) -> bytes:
        if random.random() < 0.06:  # "billion laughs"
            lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
            lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
            return "\n".join([*lines, "title: *a11", ""]).encode()
        value = changed(valid, random)
        try:
            return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
        except RecursionError:
            return b"[" * 3000

    return _or_damaged(lambda: yaml.safe_dump(valid).encode(), aimed)


def csv_file(rows: list[list[Any]]) -> Input:
    """A table with wrong cells, rows or columns."""

    def text(table: list[list[Any]]) -> bytes:
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(table)
        return file.getvalue().encode("utf-8", "surrogatepass")

    def aimed(random: Random) -> bytes:
        table = [list(row) for row in rows]
        row = random.randrange(len(table))
        column = random.randrange(len(table[0]))
        what = random.random()
        if what < 0.7:
            table[max(1, row)][column] = odd(random)
        elif what < 0.78:
            table[row].append(odd(random))
        elif what < 0.86:
            del table[row][column]
        elif what < 0.93:
            for line in table:
                del line[column]
        else:
            table = table[:1]
        return text(table)

    return _or_damaged(lambda: text(rows), aimed)


def safetensors_file(valid: bytes) -> Input:
    """A safetensors file whose header lies, or whose metadata or numbers are wrong."""
    length = struct.unpack("<Q", valid[:8])[0]
    header, body = json.loads(valid[8 : 8 + length]), valid[8 + length :]

    def aimed(random: Random) -> bytes:
        told, numbers = json.loads(json.dumps(header)), bytearray(body)
        what = random.random()
        if what < 0.45:
            facts = json.loads(told["__metadata__"]["perturbation"])
            told["__metadata__"]["perturbation"] = json_text(changed(facts, random)).decode("utf-8", "replace")
        elif what < 0.7:
            told = changed(told, random)
        elif what < 0.85 and numbers:
            numbers[random.randrange(len(numbers))] = random.randrange(256)
        text = json_text(told)
        size = len(text)
        if random.random() < 0.15:
            size = random.choice((0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1))
        return struct.pack("<Q", size) + text + bytes(numbers)

    return _or_damaged(lambda: valid, aimed)


def checkpoint_file(valid: dict[str, Any]) -> Input:
    """A checkpoint with wrong parts, under the right checksum: whoever forges one can reckon it too."""

    def text(state: Any) -> bytes:
        file = io.BytesIO()
        torch.save(state, file)
        return file.getvalue() + TRAILER % hashlib.sha256(file.getvalue()).hexdigest().encode()

    def aimed(random: Random) -> bytes:
        if random.random() < 0.3:
            file = text(valid)[:-LENGTH]
            file = damaged(file, random)
            return file + TRAILER % hashlib.sha256(file).hexdigest().encode()
        return text(changed(valid, random))

    return _or_damaged(lambda: text(valid), aimed)


def binary_file(valid: bytes) -> Input:
    """A picture, archive or the like, damaged."""
    return _or_damaged(lambda: valid, lambda random: damaged(valid, random))
