"""A zip file of photos: its members' names and readers, or why one is refused; its files as a folder, to check them."""

import io
import re
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.config import DataError
from workbench.files import atomic, untrusted
from workbench.files.picture_kinds import MOST_BYTES, Reader
from workbench.files.pictures import Refused
from workbench.files.places import temporary
from workbench.files.tree import litter

MOST_MEMBERS = 10_000
MOST_TOTAL = 8 * 2**30  # bytes of all members together
MOST_RATIO = 200  # bytes that may come out of one byte; photographs hardly shrink at all
MOST_LIST = 4 * 2**20  # bytes of the archive's list of its members
PIECE = 2**20  # bytes
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what the others need of memory is the file's choice
UTF8 = 0x800  # a member's flag
ALL = ""  # no member's name
REPACK = "pack the folder again, or give the folder itself"


@dataclass(frozen=True)
class Refusal:
    """A file that is not taken, and why: `reason` reads after the name, and ends with what to do."""

    name: str
    reason: str


class _Guarded(io.BufferedReader):
    """A zip file whose list of members is not read when it is far too long: listing it takes a multiple in memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes. zipfile asks for the whole list at once, and for members piece by piece."""
        if size is not None and size > MOST_LIST:
            raise OSError(f"the list of its files is longer than {MOST_LIST >> 20} MiB")
        return super().read(size)


def members(path: Path) -> tuple[list[tuple[str, Reader]], list[Refusal], Counter[str]]:
    """List the files of a zip in its order: name and reader of each that may be read, the refusals, and how many of
    what systems leave behind are left out, by why.

    Raises DataError for a damaged archive and one with more than MOST_MEMBERS members.
    """
    file = _Guarded(io.FileIO(path))
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises many kinds on damaged archives
        file.close()
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(
            f"{path} cannot be read as a zip file ({said}): fetch it again, or unpack it yourself"
        ) from error
    found = [info for info in archive.infolist() if info.filename[-1:] != "/"]  # is_dir fails without a name
    if len(found) > MOST_MEMBERS:
        file.close()
        raise DataError(f"{path} holds {len(found)} files, more than {MOST_MEMBERS}: split it, or unpack it yourself")
    counts = Counter(map(_name, found))
    readers: list[tuple[str, Reader]] = []
    refusals: dict[str, Refusal] = {}  # by name: a doubled member is refused once
    total: dict[str, int] = {}
    left: Counter[str] = Counter()
    for info in found:
        name = _name(info)
        if why := litter(name):
            left[why] += 1
            continue
        reason = _fault(name, info, counts[name])
        if reason:
            refusals[name] = Refusal(name, reason)
        else:
            readers.append((name, partial(_read, archive, info, total)))
    return readers, list(refusals.values()), left


@contextmanager
def as_folder(path: Path, marked: str = "") -> Iterator[Path]:
    """Give a zip file's members as files of a folder that is there, for its owner alone, while the block runs; a path
    that is no zip file as it is.

    marked: a file that tells the folder that is meant where the archive only wraps it, as "compress folder" does.
    Raises DataError where a member is refused, or does not fit beside the others.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield path
        return
    readers, refusals, _ = members(path)
    if refusals:
        name = untrusted.one_line(refusals[0].name)
        raise DataError(f"{path}: its file {name} {refusals[0].reason}")
    with tempfile.TemporaryDirectory(dir=temporary()) as place:
        for name, read in readers:
            try:
                content = read(MOST_BYTES + 1)
                if len(content) > MOST_BYTES:
                    raise Refused(f"is larger than {MOST_BYTES >> 20} MiB: unpack the archive yourself")
                atomic.make((Path(place) / name).parent)
                with atomic.creating(Path(place) / name) as file:
                    file.write(content)
            except Refused as error:
                raise DataError(f"{path}: its file {untrusted.one_line(name)} {error}") from error
            except OSError as error:
                why = f"cannot be unpacked ({error.strerror}): unpack it yourself"
                raise DataError(f"{path}: its file {untrusted.one_line(name)} {why}") from error
        inside = list(Path(place).iterdir())
        yield inside[0] if marked and len(inside) == 1 and (inside[0] / marked).is_file() else Path(place)


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name. macOS and others write UTF-8 without the flag that says so; zipfile takes it for code page 437.

    Not zipfile's `filename`, which has lost what follows a null.
    """
    name = info.orig_filename
    if info.flag_bits & UTF8:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _fault(name: str, info: zipfile.ZipInfo, count: int) -> str:
    """Say why a member is not even opened; "" for a good one."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    parts = name.split("/")
    if "\\" in name or "\0" in name or re.match("[A-Za-z]:", name) or any(part in ("", ".", "..") for part in parts):
        return f"has a name that leads out of the archive or is none: {REPACK}"
    if kind and kind != stat.S_IFREG:
        return f"is {'a link' if kind == stat.S_IFLNK else 'no regular file'}: {REPACK}"
    if info.flag_bits & 0x41:
        return "is encrypted: unpack the archive yourself and give the folder"
    if info.compress_type not in PACKINGS:
        return f"is packed by another method than deflate: {REPACK}"
    if count > 1:
        return f"is in the archive {count} times under one name: {REPACK}"
    return ""


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, total: dict[str, int], most: int) -> bytes:
    """Read at most `most` bytes of a member; every cap is held on the bytes that come out, since headers may lie."""
    pieces: list[bytes] = []
    size = 0
    try:
        with archive.open(info) as member:
            while size < most and (piece := member.read(min(PIECE, most - size))):
                pieces.append(piece)
                size += len(piece)
                if size > MOST_RATIO * max(1, info.compress_size):
                    raise Refused(f"grows more than {MOST_RATIO} times when unpacked, as no photo does: {REPACK}")
                total[ALL] = total.get(ALL, 0) + max(0, size - total.get(info.filename, 0))  # read twice, counted once
                total[info.filename] = max(size, total.get(info.filename, 0))
                if total[ALL] > MOST_TOTAL:
                    raise Refused(f"brings the archive over {MOST_TOTAL >> 30} GiB: split it, or unpack it yourself")
    except Refused:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds on damaged members
        said = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
        raise Refused(f"is damaged in the archive ({said}): fetch it again") from error
    return b"".join(pieces)
