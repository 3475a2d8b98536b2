"""Files that somebody else may have written: capped bytes, JSON and YAML without their traps, words on one line.

Runs, manifests, experiments and notebooks are passed on between people. Whatever such a file holds, reading it ends
soon, takes little memory, and gives a value of the expected shape or a DataError of one line.
"""

import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.config import DataError, WorkbenchError

MOST_BYTES = 64 * 2**20  # the manifest of 73,257 exported images has 45 MB
MOST_VALUES = 2_000_000  # of a JSON file: a value may take thirty times its bytes in memory
MOST_DEPTH = 64  # of JSON; deeper values could be read, but not be written or compared again
MOST_YAML_DEPTH = 32
LARGEST = 2**63  # of a whole number: larger ones are no float, no int64 and no line
MOST_SHOWN = 200  # characters of a file's text in a message
_NO_NAME = ()  # a shape that nothing has
FLOAT = "tag:yaml.org,2002:float"
WRITTEN = {  # how values are written that are no texts
    "tag:yaml.org,2002:int": "[-+]?(0|[1-9][0-9]*)",
    FLOAT: r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?",
    "tag:yaml.org,2002:bool": "[Tt]rue|TRUE|[Ff]alse|FALSE",
    "tag:yaml.org,2002:timestamp": "(?!)",
}
ELSEWHERE = re.compile("[-+]?0[0-9oObBxX][0-9a-fA-F_]*")  # a text in YAML 1.1, a number in YAML 1.2 or in Python
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half a character, which no terminal and no file takes


class Refused(DataError):
    """A file that is not taken: its text is the reason and what to do, on one line, without the file's name."""


@contextmanager
def reading(path: Path, what: str, advice: str, kind: type[WorkbenchError] = DataError) -> Iterator[None]:
    """Raise what reading `path` ends with as one whole line of this kind: "PATH is not WHAT, it FAULT: ADVICE"."""
    try:
        yield
    except DataError as error:
        raise kind(f"{path} is not {what}, it {error}: {advice}") from error


def read_head(path: Path, most: int, *, links: bool = True) -> bytes:
    """At most `most` bytes from the beginning of a regular file. links: `path` may be a link to one.

    Pipes and devices are not waited for. Raises DataError, whose text reads after the file's name.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", *([] if links else ["O_NOFOLLOW"])):
        flags |= getattr(os, name, 0)  # not every system has all
    try:
        handle = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DataError("is no regular file")
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read(most)
        finally:
            os.close(handle)
    except OSError as error:
        raise DataError(f"cannot be opened ({error.strerror})") from error
    except ValueError as error:  # a null in the name
        raise DataError(f"cannot be opened ({error})") from error


def read(path: Path, most: int = MOST_BYTES) -> bytes:
    """All bytes of a regular file. Raises DataError, whose text reads after the name, also when there are more."""
    content = read_head(path, most + 1)
    if len(content) > most:
        size = f"{most >> 20} MiB" if most >= 2**20 else f"{most >> 10} KiB"
        raise DataError(f"is larger than {size}")
    return content


def parse(content: bytes, shape: Any = object) -> Any:
    """The value of a JSON file's bytes, of this shape (see schema_error). Raises DataError, whose text follows a name.

    Refused are also what JSON's own reader lets pass: a name given twice, halves of characters, values nested so
    deeply, or so many of them, that using them would end in an error or without memory.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise DataError(f"holds more than {MOST_VALUES:,} values")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_once)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise DataError("is nested too deeply") from error
    except ValueError as error:
        raise DataError(f"is not JSON ({one_line(error)})") from error
    if not _shallow(value):
        raise DataError("is nested too deeply")
    if fault := schema_error(value, shape):
        raise DataError(f"is not what it should be ({fault.strip(' .')})")
    return value


def parse_yaml(content: bytes) -> Any:
    """The value of a YAML file's bytes: plain values, every name once, no aliases. Raises DataError, as `parse` does.

    Numbers are decimal, truth is true or false: 010, 0o10, 1_000, 1:30, yes and dates mean one thing in YAML 1.1 and
    others in YAML 1.2 or to people. A few lines of aliases of aliases stand for more values than any memory holds as
    soon as somebody counts them.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values: no Python objects (as SafeLoader), no aliases, no name twice, no value nested too deeply."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError(f"an alias, *{self.peek_event().anchor}: write the value out")
            self.depth += 1
            if self.depth > MOST_YAML_DEPTH:
                raise yaml.YAMLError("values are nested too deeply")
            node = super().compose_node(parent, index)
            self.depth -= 1
            if isinstance(node, yaml.ScalarNode) and not _as_written(node.tag, node.value, bool(node.style)):
                shown, line = one_line(node.value, 40), node.start_mark.line + 1
                raise yaml.YAMLError(f"{shown} at line {line} can be read in two ways: write it in digits or in quotes")
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            found = super().construct_mapping(node, deep)
            if len(found) < len(node.value):
                raise yaml.YAMLError(f"a name is given twice in the mapping at line {node.start_mark.line + 1}")
            return found

    Loader.add_implicit_resolver(FLOAT, re.compile(rf"{WRITTEN[FLOAT]}\Z"), list("-+.0123456789"))  # 1e-3 too
    try:
        loader = Loader(content)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
        if fault := not_plain(value):
            raise yaml.YAMLError(fault)
        return value
    except Exception as error:  # beside YAMLError, its readers of dates, numbers and tags raise many kinds
        said = one_line(" ".join(str(error).split()) or type(error).__name__)
        raise DataError(f"is not YAML that can be taken ({said})") from error


def _as_written(tag: str, text: str, quoted: bool) -> bool:
    """Whether everybody reads a value of YAML alike. tag: what YAML 1.1 takes it for."""
    if tag not in WRITTEN:
        return quoted or not ELSEWHERE.fullmatch(text)
    return re.fullmatch(WRITTEN[tag], text) is not None and (tag != FLOAT or math.isfinite(float(text)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with every name once; JSON's reader would keep the last, and other programs the first."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise ValueError(f"{one_line(twice, 40)!r} is given twice")


def _shallow(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [part for parts in inner for part in parts if isinstance(part, dict | list)]
        if not level:
            return True
    return False


def schema_error(value: Any, shape: Any) -> str:
    """Where and how a value is not of a shape; "" when it is.

    A shape is a type (float takes whole numbers, object everything), None, a tuple of alternatives, a list with the
    shape of every item, a dict with the shapes of names (a name that ends in "?" may be missing; others may be there),
    or {str: shape} for names of any kind.
    """
    if shape is object or (shape is None and value is None):
        return ""
    if isinstance(shape, tuple):
        return "" if any(not schema_error(value, one) for one in shape) else f" is {_kind(value)}"
    parts: Iterable[tuple[object, Any, Any]] = ()
    if isinstance(shape, list) and isinstance(value, list):
        parts = ((number, one, shape[0]) for number, one in enumerate(value))
    elif isinstance(shape, dict) and isinstance(value, dict):
        if str in shape:
            parts = ((name, one, shape[str] if type(name) is str else _NO_NAME) for name, one in value.items())
        else:
            for name in shape:
                if name[-1] != "?" and name not in value:
                    return f".{name} is missing"
            short = ((name.rstrip("?"), name) for name in shape)
            parts = ((name, value[name], shape[given]) for name, given in short if name in value)
    elif type(value) is not shape and not (shape is float and type(value) is int):
        return f" is {_kind(value)}"
    elif type(value) is int and abs(value) >= LARGEST:
        return " is too large a number"
    for name, one, kind in parts:
        if fault := schema_error(one, kind):
            return f"[{name}]{fault}" if isinstance(name, int) else f".{one_line(name, 40)}{fault}"
    return ""


def not_plain(value: Any) -> str:
    """Why a value is none that a configuration can hold; "" for texts, numbers, true, false, null, and lists and
    mappings of them, which must not be nested deeply.
    """
    if isinstance(value, list):
        return next(filter(None, map(not_plain, value)), "")
    if isinstance(value, dict):
        if any(type(name) is not str for name in value):
            return f"the name {one_line(repr(next(name for name in value if type(name) is not str)), 40)} is no text"
        return next(filter(None, map(not_plain, (*value, *value.values()))), "")
    if type(value) is int:
        return "" if abs(value) < LARGEST else "a number is too large"
    if type(value) is str:
        whole = value.encode(errors="replace").decode() == value
        return "" if whole else f"{one_line(repr(value), 40)} is no whole text"
    return "" if value is None or type(value) in (bool, float) else f"a {type(value).__name__} is no plain value"


def _kind(value: Any) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def first_line(error: BaseException) -> str:
    """The first line of an error, for a message of one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def one_line(text: object, most: int = MOST_SHOWN) -> str:
    """A text for a message: on one line, of at most `most` characters, without what steers a terminal."""
    whole = str(text)
    cut = whole if len(whole) <= most else f"{whole[: most // 2]}…{whole[len(whole) - most // 3 :]}"
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape", "surrogatepass").decode("ascii") for sign in cut
    )
