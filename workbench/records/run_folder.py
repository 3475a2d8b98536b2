"""A run's folder: its record run.json, written atomically, and the rules about who may use the folder.

A reader trusts a folder only when run.json says `complete`.
"""

import json
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.config import DataError, key
from workbench.files import lock, untrusted
from workbench.files.atomic import is_scratch, sweep
from workbench.files.atomic import write_atomically as write_atomically
from workbench.progress import say

RECORD = "run.json"
PROVENANCE = (
    "key", "device", "versions", "git", "started", "seconds", "image_passes", "data_fingerprint", "noise", "seed",
    "rolled_back", "changed",
)  # fmt: skip
SHAPE = {
    "command": str, "state": str, "key": str, "config": {str: object}, "seconds": {str: float},
    "image_passes?": int, "data_fingerprint?": str, "seed?": (int, None), "device?": (str, None),
    "versions?": {str: str}, "git?": (str, None), "stages?": {str: dict},
}  # of a record that others may have written  # fmt: skip
SURROUNDINGS = ("device", "versions")  # what the bits of a result depend on beside configuration and data
PACKAGES = ("torch", "torchvision", "lightning", "numpy", "pandas", "pillow", "safetensors")


@dataclass
class Run:
    """An open run: its folder and its record. `complete` is True when an earlier run has finished the work."""

    folder: Path
    record: dict[str, Any]
    complete: bool = False
    resumed: bool = False
    _clock: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the wall-clock seconds of a stage; a resumed stage adds to what it took before."""
        begun = time.monotonic()
        try:
            yield
        finally:
            stages = self.record["seconds"]
            stages[name] = round(stages.get(name, 0.0) + time.monotonic() - begun, 3)

    def belongs(self, **facts: Any) -> None:
        """Raise DataError when the record says otherwise; used on what a configuration names but does not hold."""
        for name, value in facts.items():
            if self.record.get(name, value) != value:
                there = untrusted.line(self.record[name][:12])
                raise DataError(
                    f"{self.folder} was made with another {name.replace('_', ' ')} ({there} there, {value[:12]} now): "
                    "name another folder"
                )

    def note(self, **facts: Any) -> None:
        """Add facts to the record and write it. A resumed run that goes on elsewhere says so, and its record too."""
        for name in SURROUNDINGS:
            before, now = self.record.get(name), facts.get(name)
            if self.resumed and before and now and before != now:
                say(f"{self.folder} goes on with another {name} ({_apart(before, now)}): the bits may differ")
                self.record.setdefault("changed", []).append({"when": _now(), name: before})
        self.record.update(facts)
        self._write()

    def _end(self, state: str, error: str | None = None) -> None:
        self.note(state=state, error=error, ended=_now())

    def _write(self) -> None:
        write_atomically(self.folder / RECORD, json.dumps(self.record, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def opened(
    folder: Path, command: str, config: Mapping[str, Any], *, resume: bool, again: bool = False
) -> Iterator[Run]:
    """Open `folder` for the run of `command` with `config` and keep its state true, whatever happens inside.

    State is `running` inside, then `complete`, or `interrupted` (Ctrl-C), or `failed` with the error's line.
    again: a complete run is opened like an unfinished one, for work that checks its parts itself.
    Raises DataError when the folder holds anything but this very run, or this run and `resume` was not asked for, or
    when another process is at work in it.
    """
    check_free(folder, command, config, resume=resume)
    record = _read_record(folder)
    if record is not None and record["state"] == "complete" and not again:
        yield Run(folder, record, complete=True, resumed=True)  # writes nothing, so a folder to be read is good enough
        return
    with lock.alone(folder):
        run = _claim(folder, command, dict(config), resume)  # again: another process may just have left it
        if run.complete and not again:
            yield run
            return
        run.complete = False
        sweep(folder)
        run.note(state="running", error=None, **({"versions": versions()} if run.resumed else {}))
        try:
            yield run
        except BaseException as error:
            line = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            interrupted = isinstance(error, KeyboardInterrupt)
            with suppress(DataError):  # on a full disk the first error says more, and `running` is not trusted either
                run._end("interrupted" if interrupted else "failed", None if interrupted else line)
            raise
        run._end("complete")


def read(folder: Path) -> dict[str, Any]:
    """The record of the complete run in `folder`. Raises DataError when there is none."""
    record = _read_record(folder)
    if record is None:
        raise DataError(f"there is no {RECORD} in {folder}: give the --out folder of an earlier run")
    if record["state"] != "complete":
        raise DataError(
            f"the run in {folder} is {untrusted.line(record['state'], 40)}, not complete: run it again with --resume"
        )
    return record


def peek(folder: Path) -> dict[str, Any] | None:
    """The record in `folder` whatever its state, None when there is none. Raises DataError for a damaged one."""
    return _read_record(folder)


def check_free(folder: Path, command: str, config: Mapping[str, Any], *, resume: bool) -> None:
    """Raise DataError when `folder` cannot take this run; called before anything expensive starts."""
    lock.check_free(folder)
    _check_same(folder, command, config, resume)


def _check_same(folder: Path, command: str, config: Mapping[str, Any], resume: bool) -> None:
    """Raise DataError when `folder` holds anything but this very run."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: give --out a folder")
    record = _read_record(folder)
    if record is None:
        if folder.is_dir() and any(
            entry.name != lock.LOCK and not is_scratch(entry.name, RECORD) for entry in folder.iterdir()
        ):
            raise DataError(f"{folder} is not empty and holds no run: name another folder")
        return
    if record["command"] != command or record["key"] != key(dict(config)):
        changed = _difference(record, command, dict(config))
        raise DataError(f"{folder} holds another run ({changed}): name another folder")
    if not resume:
        state = untrusted.line(record["state"], 40)
        raise DataError(f"{folder} already holds this run ({state}): add --resume, or name another folder")


def _claim(folder: Path, command: str, config: dict[str, Any], resume: bool) -> Run:
    _check_same(folder, command, config, resume)
    record = _read_record(folder)
    if record is not None:
        return Run(folder, record, complete=record["state"] == "complete", resumed=True)
    record = {
        "command": command,
        "state": "running",
        "key": key(config),
        "config": config,
        "seed": config.get("seed"),
        "started": _now(),
        "seconds": {},
        "versions": versions(),
        "git": git_commit(),
    }
    return Run(folder, record)


def _read_record(folder: Path) -> dict[str, Any] | None:
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = untrusted.parse(untrusted.read(path), SHAPE)
    except DataError as error:
        raise DataError(f"{path} is not a run's record, it {error}: name another folder") from error
    return record


def _difference(record: Mapping[str, Any], command: str, config: Mapping[str, Any]) -> str:
    if record["command"] != command:
        return f"of `workbench {untrusted.line(record['command'], 40)}`"
    old = record["config"]
    names = sorted(name for name in {*old, *config} if old.get(name) != config.get(name))
    return untrusted.line("; ".join(f"{name} {old.get(name)} there, {config.get(name)} asked" for name in names), 1000)


def _apart(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        return "; ".join(f"{name} {before.get(name)} before, {now.get(name)} now" for name in names)
    return f"{before} before, {now} now"


def versions() -> dict[str, str]:
    """Versions of Python, this program and the libraries that decide its numbers."""
    found = {"python": platform.python_version(), "workbench": metadata.version("unlearnable-workbench")}
    return found | {name: metadata.version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """The commit the program runs from, with "+changes" when files differ from it; None outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
