"""A run's folder: its record run.json, written atomically, and the rules about who may use the folder.

A reader trusts a folder only when run.json says `complete`, and a stage is not repeated only when today's code made it.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config import DataError, key
from workbench.files import lock, untrusted
from workbench.files.atomic import is_scratch, remove, sweep, write_atomically
from workbench.progress import say
from workbench.records import record as records
from workbench.records.record import Record

RECORD = "run.json"
REUSE = "WORKBENCH_REUSE"  # environment variable: with 1, what other code made is read back, in notebooks' kernels too
SURROUNDINGS = ("device", "versions")  # what the bits of a result depend on beside configuration, data and code
HALF_DONE = ("noise.ckpt", "noise.ckpt.previous", "noise.started", "victim.ckpt", "victim.ckpt.previous")


@dataclass
class Run:
    """An open run: its folder and its record. `complete` is True when an earlier run has finished the work.

    resumed: an unfinished run goes on, or a complete one is read back; replaced: the record of a complete run of other
    code, in whose place this one is done.
    """

    folder: Path
    record: Record
    complete: bool = False
    resumed: bool = False
    replaced: Record | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the wall-clock seconds of a stage; a resumed stage adds to what it took before."""
        begun = time.monotonic()
        try:
            yield
        finally:
            spent = self.record.seconds.get(name, 0.0) + time.monotonic() - begun
            self.record.seconds[name] = round(spent, 3)

    def note(self, **facts: Any) -> None:
        """Set fields of the record and write it. A resumed run that goes on elsewhere says so, and its record too."""
        if unknown := sorted(set(facts) - records.NAMES):
            raise TypeError(f"run.json has no field {', '.join(unknown)}: declare it in records/record.py")
        for name in SURROUNDINGS:
            before, after = getattr(self.record, name), facts.get(name)
            if self.resumed and before and after and before != after:
                apart = untrusted.one_line(records.apart(before, after), 1000)
                say(f"{self.folder} goes on with another {name} ({apart}): the bits may differ")
                self.record.changed.append({"when": records.now(), name: before})
        for name, value in facts.items():
            setattr(self.record, name, value)
        content = json.dumps(self.record.as_json(), indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.folder / RECORD, content)

    def _end(self, state: str, error: str | None = None) -> None:
        self.note(state=state, error=error, ended=records.now())


@contextmanager
def opened(
    folder: Path,
    command: str,
    config: Mapping[str, Any],
    *,
    resume: bool = False,
    data_fingerprint: str | None = None,
    made_from: str | None = None,
    again: bool = False,
    reuse: bool = False,
    wait: bool = False,
) -> Iterator[Run]:
    """Open `folder` for the run of `command` with `config` and keep its state true, whatever happens inside.

    State is `running` inside, then `complete`, or `interrupted` (Ctrl-C), or `failed` with the error's line.
    A complete run is read back when today's code made it, and done anew in the same place when other code did. What
    `config` calls seed and sources has a field of its own in the record.
    data_fingerprint: of the data that `config` names but does not hold; made_from: a hash of the noise that it
    rests on: when it differs, the run is done anew; again: a complete run is opened like an unfinished one,
    for work that checks its parts itself; reuse: a complete run is read back whatever code made it;
    wait: for another process that is at work in the folder.
    Raises DataError when the folder holds anything but this very run, or this run and `resume` was not asked for, or
    when another process is at work in it.
    """
    fresh = Record(command, "running", key(dict(config)), dict(config), {}, config.get("seed"))
    fresh.data_fingerprint, fresh.made_from = data_fingerprint, made_from
    sources = config.get("sources")
    fresh.sources = dict(sources) if isinstance(sources, dict) else {}
    reuse = reuse or reuse_asked()
    with ExitStack() as held:
        seen, run = _mark(folder), _found(folder, fresh, resume, again, reuse)
        if not run.complete:
            held.enter_context(lock.alone(folder, wait=wait))
            if _mark(folder) != seen:  # another process has been here meanwhile
                run = _found(folder, fresh, resume, again, reuse)
        if run.complete:
            _say_read_back(run)
            yield run  # nothing is written, so a folder that can only be read is good enough
            return
        _begin(run)
        try:
            yield run
        except BaseException as error:
            line = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            interrupted = isinstance(error, KeyboardInterrupt)
            with suppress(DataError):  # on a full disk the first error says more, and `running` is not trusted either
                run._end("interrupted" if interrupted else "failed", None if interrupted else line)
            raise
        run._end("complete")


def reuse_asked() -> bool:
    """Whether the environment asks to read back what other code made."""
    return os.environ.get(REUSE) == "1"


def read(folder: Path) -> Record:
    """The record of the complete run in `folder`. Raises DataError when there is none."""
    record = peek(folder)
    if record is None:
        raise DataError(f"there is no {RECORD} in {folder}: give the --out folder of an earlier run")
    if not record.complete:
        raise DataError(
            f"the run in {folder} is {untrusted.one_line(record.state, 40)}, not complete: run it again with --resume"
        )
    return record


def peek(folder: Path) -> Record | None:
    """The record in `folder` whatever its state, None when there is none. Raises DataError for a damaged one."""
    path = folder / RECORD
    if not path.is_file():
        return None
    with untrusted.reading(path, "a run's record", "name another folder"):
        return records.parse(untrusted.read(path))


def check_free(folder: Path, command: str, config: Mapping[str, Any], *, resume: bool, wait: bool = False) -> None:
    """Raise DataError when `folder` cannot take this run; called before anything expensive starts."""
    if not wait:
        lock.check_free(folder)
    _check_same(folder, peek(folder), Record(command, "", key(dict(config)), dict(config), {}), resume)


def _mark(folder: Path) -> tuple[int, ...]:
    """What differs when the record was written anew."""
    try:
        found = (folder / RECORD).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _found(folder: Path, fresh: Record, resume: bool, again: bool, reuse: bool) -> Run:
    """The run as the folder has it, or a fresh one in an empty folder and in place of one that other code completed."""
    record = peek(folder)
    _check_same(folder, record, fresh, resume)
    if record is None:
        return Run(folder, fresh)
    done = record.complete and not again
    other = None not in (record.made_from, fresh.made_from) and record.made_from != fresh.made_from
    if other or (done and not (record.current or reuse)):
        return Run(folder, fresh, replaced=record)
    record.data_fingerprint = record.data_fingerprint or fresh.data_fingerprint
    return Run(folder, record, complete=done, resumed=True)


def _check_same(folder: Path, record: Record | None, fresh: Record, resume: bool) -> None:
    """Raise DataError when `folder` holds anything but this very run."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: give --out a folder")
    if record is None:
        if folder.is_dir() and any(
            entry.name != lock.LOCK and not is_scratch(entry.name, RECORD) for entry in folder.iterdir()
        ):
            raise DataError(f"{folder} is not empty and holds no run: name another folder")
        return
    if (record.command, record.key) != (fresh.command, fresh.key):
        raise DataError(f"{folder} holds another run ({records.difference(record, fresh)}): name another folder")
    there, now = record.data_fingerprint, fresh.data_fingerprint
    if there and now and there != now:
        shown = f"{untrusted.one_line(there[:12])} there, {now[:12]} now"
        raise DataError(f"{folder} was made with another data fingerprint ({shown}): name another folder")
    if not resume:
        lock.check_free(folder)  # that somebody is at work there says more
        state = untrusted.one_line(record.state, 40)
        raise DataError(f"{folder} already holds this run ({state}): add --resume, or name another folder")


def _say_read_back(run: Run) -> None:
    record = run.record
    if record.current:
        say(f"read back from {run.folder}, finished {untrusted.one_line(record.ended, 40)}")
        return
    say(f"{run.folder} was made by other code ({record.origin}): read back as it is")
    record.changed.append({"when": records.now(), "code": record.code, "git": record.git, "ended": record.ended})


def _begin(run: Run) -> None:
    """Say in the record that the run is at work, with what code, and aloud what is not as it was."""
    sweep(run.folder)
    record = run.record
    before = record if run.resumed else run.replaced
    if before and (run.replaced or not before.current):
        how = "going on with it, the bits may differ"
        what = "from other noise" if before.current else "by other code"
        if run.replaced:
            how = "made again" if before.current else "made again; --reuse takes it as it is"
            record.changed = list(before.changed)
            for name in HALF_DONE:
                remove(run.folder / name)
        say(f"{run.folder} was made {what} ({before.origin}): {how}")
        record.changed.append({"when": records.now(), "code": before.code, "git": before.git, "ended": before.ended})
    record.started = record.started or records.now()
    run.note(state="running", error=None, **records.made_by())
