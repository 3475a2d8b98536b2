"""What a run says of itself in run.json: the declared fields, and what made it (code, commit, versions)."""

import hashlib
import platform
import typing
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

from workbench import installation
from workbench.files import untrusted
from workbench.installation import PACKAGE

PACKAGES = ("torch", "torchvision", "lightning", "numpy", "pandas", "pillow", "safetensors")
DECIDES = (
    "config.py", "device.py", "catalogue.py", "methods.toml", "defences.toml", "networks.toml", "datasets.toml",
    "stages.py", "study.py", "data", "models", "noise", "victim", "records/checkpoint.py",
)  # whose code decides numbers; folders with all that is below them  # fmt: skip
PROVENANCE = (
    "key", "device", "versions", "git", "code", "sources", "started", "ended", "seconds", "image_passes",
    "data_fingerprint", "noise", "seed", "rolled_back", "changed",
)  # fmt: skip
ALWAYS = ("config", "seconds", "seed", "git", "code", "error")  # stand in run.json also when they are empty


@dataclass
class Record:
    """The fields of run.json. Others, which older versions wrote, are not read."""

    command: str
    state: str  # running, complete, interrupted, failed
    key: str  # the hash of `config`
    config: dict[str, Any]  # all that the run is known by
    seconds: dict[str, float]  # wall clock per stage, all resumptions added up
    seed: int | None = None
    started: str | None = None  # UTC
    ended: str | None = None
    error: str | None = None  # one line, of a failed run
    versions: dict[str, str] = field(default_factory=dict)  # of Python and the libraries
    git: str | None = None  # the commit, with "+changes" when files differ from it
    code: str | None = None  # see code_fingerprint
    sources: dict[str, str] = field(default_factory=dict)  # 12 digits of the SHA-256 of foreign files that were used
    device: str | None = None
    data_fingerprint: str | None = None
    chance: float | None = None  # accuracy of guessing a victim's classes
    contents: dict[str, Any] = field(default_factory=dict)  # of a folder: classes, images, parts, left out
    made_from: str | None = None  # a hash of the noise that a victim learnt from
    changed: list[dict[str, Any]] = field(default_factory=list)  # what was otherwise before, until when
    image_passes: int | None = None  # through the surrogate
    surrogate_error: float | None = None
    noise: dict[str, float] = field(default_factory=dict)  # measures of the noise itself
    rolled_back: dict[str, Any] | None = None  # of earlier versions: the step that was undone, a value being not finite
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by folder, of a notebook or of a sweep
    jobs: list[dict[str, Any]] = field(default_factory=list)  # of a sweep
    seeds: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the work is done."""
        return self.state == "complete"

    @property
    def current(self) -> bool:
        """Whether today's code is what made it."""
        return self.code == code_fingerprint()

    @property
    def origin(self) -> str:
        """Commit and time in words."""
        commit, _, changes = (self.git or "unknown").partition("+")
        ended = f", finished {self.ended}" if self.complete else ""
        return untrusted.one_line(f"commit {commit[:12]}{'+' * bool(changes)}{changes}{ended}")

    def as_json(self) -> dict[str, Any]:
        """The fields that say something, in their order."""
        return {name: value for name, value in vars(self).items() if name in ALWAYS or value not in (None, [], {})}

    def provenance(self) -> dict[str, Any]:
        """Where the numbers come from, for the record of what is made of them."""
        return {name: value for name, value in self.as_json().items() if name in PROVENANCE}


def _shape(kind: Any) -> Any:
    """The shape of a type, as untrusted.schema_error takes it."""
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is dict:
        return {str: _shape(inner[1])}
    if typing.get_origin(kind) is list:
        return [_shape(inner[0])]
    if inner:
        return tuple(None if one is type(None) else _shape(one) for one in inner)
    return object if kind is Any else kind


NAMES = frozenset(one.name for one in fields(Record))
SHAPE = {
    one.name + "?" * (one.default is not MISSING or one.default_factory is not MISSING): _shape(one.type)
    for one in fields(Record)
}


def parse(content: bytes) -> Record:
    """The record in a file's bytes, which may be anything. Raises DataError, whose text reads after the file's name."""
    found = untrusted.parse(content, SHAPE)
    return Record(**{name: value for name, value in found.items() if name in NAMES})


def versions() -> dict[str, str]:
    """Versions of Python, this program and the libraries that decide its numbers."""
    found = {"python": platform.python_version(), "workbench": installation.version()}
    return found | {name: metadata.version(name) for name in PACKAGES}


def made_by() -> dict[str, Any]:
    """What makes a run today, as fields of its record."""
    return {"versions": versions(), "git": installation.commit(), "code": code_fingerprint()}


@cache
def code_fingerprint() -> str:
    """Hash the program's own files that decide numbers: 12 digits of their SHA-256."""
    digest = hashlib.sha256()
    for part in DECIDES:
        for file in sorted((PACKAGE / part).rglob("*.py")) if "." not in part else [PACKAGE / part]:
            if file.is_file():
                code = file.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{file.relative_to(PACKAGE).as_posix()} {len(code)}\n".encode() + code)
    return digest.hexdigest()[:12]


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


code_fingerprint()  # now, while the code that runs is the code on the disk


def difference(record: Record, fresh: Record) -> str:
    """Say on one line what two runs are not alike in."""
    if record.command != fresh.command:
        return f"of `workbench {untrusted.one_line(record.command, 40)}`"
    old, asked = record.config, fresh.config
    names = sorted(name for name in {*old, *asked} if old.get(name) != asked.get(name))
    apart = (f"{name} {old.get(name)} there, {asked.get(name)} asked" for name in names)
    return untrusted.one_line("; ".join(apart), 1000)


def apart(before: Any, after: Any) -> str:
    """Say what changed between two values of a record, mappings name by name."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return "; ".join(f"{name} {before.get(name)} before, {after.get(name)} now" for name in names)
    return f"{before} before, {after} now"
