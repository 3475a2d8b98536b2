"""A run's folder: its record run.json, written atomically, and the rules about who may use the folder.

A reader trusts a folder only when run.json says `complete`.
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.config import DataError, key

RECORD = "run.json"
PROVENANCE = (
    "key", "device", "versions", "git", "started", "seconds", "image_passes", "data_fingerprint", "noise", "seed",
)  # fmt: skip
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
                raise DataError(
                    f"{self.folder} was made with another {name.replace('_', ' ')} ({self.record[name][:12]} there, "
                    f"{value[:12]} now): name another folder"
                )

    def note(self, **facts: Any) -> None:
        """Add facts to the record and write it."""
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
    Raises DataError when the folder holds anything but this very run, or this run and `resume` was not asked for.
    """
    run = _claim(folder, command, dict(config), resume)
    if run.complete and not again:
        yield run
        return
    run.complete = False
    run.note(state="running", error=None)
    try:
        yield run
    except KeyboardInterrupt:
        run._end("interrupted")
        raise
    except BaseException as error:
        run._end("failed", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        raise
    run._end("complete")


def read(folder: Path) -> dict[str, Any]:
    """The record of the complete run in `folder`. Raises DataError when there is none."""
    record = _read_record(folder)
    if record is None:
        raise DataError(f"there is no {RECORD} in {folder}: give the --out folder of an earlier run")
    if record["state"] != "complete":
        raise DataError(f"the run in {folder} is {record['state']}, not complete: run it again with --resume")
    return record


def peek(folder: Path) -> dict[str, Any] | None:
    """The record in `folder` whatever its state, None when there is none. Raises DataError for a damaged one."""
    return _read_record(folder)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never half of it. DataError when it cannot be."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}): make room or name another folder") from error


def check_free(folder: Path, command: str, config: Mapping[str, Any], *, resume: bool) -> None:
    """Raise DataError when `folder` cannot take this run; called before anything expensive starts."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: give --out a folder")
    record = _read_record(folder)
    if record is None:
        if folder.is_dir() and any(entry.name != f"{RECORD}.partial" for entry in folder.iterdir()):
            raise DataError(f"{folder} is not empty and holds no run: name another folder")
        return
    if record["command"] != command or record["key"] != key(dict(config)):
        changed = _difference(record, command, dict(config))
        raise DataError(f"{folder} holds another run ({changed}): name another folder")
    if not resume:
        raise DataError(f"{folder} already holds this run ({record['state']}): add --resume, or name another folder")


def _claim(folder: Path, command: str, config: dict[str, Any], resume: bool) -> Run:
    check_free(folder, command, config, resume=resume)
    record = _read_record(folder)
    if record is not None:
        return Run(folder, record, complete=record["state"] == "complete", resumed=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made ({error.strerror}): name another folder") from error
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
        record = json.loads(path.read_text(encoding="utf-8"))
        dicts = isinstance(record["config"], dict) and isinstance(record["seconds"], dict)
        if dicts and {"command", "state", "key"} <= set(record):
            return dict(record)
    except (ValueError, TypeError, KeyError):
        pass
    raise DataError(f"{path} is not a run's record: name another folder")


def _difference(record: Mapping[str, Any], command: str, config: Mapping[str, Any]) -> str:
    if record["command"] != command:
        return f"of `workbench {record['command']}`"
    old = record["config"]
    names = sorted(name for name in {*old, *config} if old.get(name) != config.get(name))
    return "; ".join(f"{name} {old.get(name)} there, {config.get(name)} asked" for name in names)


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
