"""The job: a person's files in, copies with noise out, a verdict for each file, and a manifest anyone can check.

Everything is read once to find what can be used, noise is searched on small pieces, then file after file is carried to
full size, written, decoded again, measured and put in place. What is finished stays: the same command goes on.
"""

import errno
import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench import catalogue, device, noise, registry
from workbench.apps.photos.grouping import check_named, owned
from workbench.apps.photos.ledger import UNFINISHED, Ledger, check_free, is_job
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.side_by_side import side_by_side
from workbench.apps.photos.sources import Gathered, Refusal, Source
from workbench.apps.photos.work import Work
from workbench.config import DataError, key
from workbench.export.write import MANIFEST
from workbench.files import atomic, lock, mapped
from workbench.files.pictures import Refused
from workbench.files.tree import check_apart, left_in_words
from workbench.noise.perturbation import FILE_NAME, Perturbation
from workbench.progress import progress, say
from workbench.records import run_folder

MANIFEST_ROOM = 1 << 20  # bytes
LINES = 20  # of progress where there is no bar


@dataclass
class Found:
    """What reading all files found; `usable` and `hashes` go together."""

    usable: list[Source] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)  # what systems left behind, by its kind
    expected: int = 0  # bytes of all copies
    by_table: bool = False  # whose files they are

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of all usable files, in order."""
        pairs = [(one.name, digest) for one, digest in zip(self.usable, self.hashes, strict=True)]
        return hashlib.sha256(repr(pairs).encode()).hexdigest()

    def facts(self, work: Work) -> dict[str, Any]:
        """The numbers for the manifest."""
        return {"people": len(work.persons()), f"{work.what}s": len(self.usable), "left_out": dict(self.left)}

    def in_words(self, work: Work) -> str:
        """Say how many people and files there are, and what is left out."""
        left = self.left + Counter({"refused": len(self.refused)})
        return f"people: {len(work.persons())}, {work.what}s: {len(self.usable):,}{left_in_words(left)}"


def run(work: Work, source: Path, output: Path, people: Mapping[str, str] | None = None) -> Report:
    """Write copies with noise of the files in `source`: a file, a folder (of folders, one a person) or a .zip.

    output: a new or empty folder, or the one of this very job, which goes on; people: the person on every file, by its
    name (grouping.read), instead of its folder. A bad file is refused and stops no other. Raises DataError when no file
    is usable, `output` is no place for copies, or the disk is full: what is done stays.
    """
    begun, config = time.monotonic(), work.config
    registry.check("method", config.method)
    catalogue.check_within(config.method)
    _check_apart(source, output)
    check_free(output)
    given = work.gather(source)
    given = given._replace(sources=owned(given.sources, people))
    with lock.alone(output):
        check_free(output)  # again: another process may just have left it
        for name in (MANIFEST, atomic.PROBE):
            atomic.sweep(output, name)
        _check_writable(output)
        found = _read_all(given, work)
        if not found.usable:
            why = f" (the first: {found.refused[0].name!r} {found.refused[0].reason})" if found.refused else ""
            raise DataError(f"{source} holds no usable {work.usable}{why}")
        identity = {**asdict(config), f"{work.what}s": found.fingerprint}
        if people is not None:
            check_named(found.usable, people)
            found.by_table = True
            identity["people"] = [one.person for one in found.usable]
        ledger = Ledger(output, key(identity), {one.name for one in found.usable}, work.least)
        say(found.in_words(work))
        if people is None and len(found.usable) > 1 and len(work.persons()) == 1:
            say(f"all {work.what}s count as one person's: {work.alone}")
        if not ledger.complete:
            with run_folder.opened(output / UNFINISHED, "protect", identity, resume=True, again=True) as opened:
                _make_copies(found, ledger, work, opened)
        if is_job(output / UNFINISHED):  # also what a killed process had no time to remove
            atomic.remove_folder(output / UNFINISHED)
    verdicts = [Verdict(one.name, reason=one.reason) for one in found.refused]
    verdicts += [work.verdict(one.name, ledger.entries[one.name]) for one in found.usable]
    ordered = sorted(verdicts, key=lambda verdict: verdict.name)
    return work.report(ordered, round(time.monotonic() - begun, 1), ledger.earlier)


def _check_apart(source: Path, output: Path) -> None:
    """Raise DataError when the output is the input, lies in it or around it."""
    check_apart(output, source)
    if output.resolve() in source.resolve().parents:
        raise DataError(f"{output} holds the input {source}: give an OUTPUT folder of its own")
    if output.exists() and not output.is_dir():
        raise DataError(f"{output} is a file: give an OUTPUT folder")


def _check_writable(folder: Path) -> None:
    """Make the folder and write to it, or raise DataError."""
    try:
        atomic.check_writable(folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror}): make room or give another OUTPUT"
        ) from error


def _read_all(given: Gathered, work: Work) -> Found:
    found = Found(refused=list(given.refusals), left=given.left)
    with progress(f"reading {work.what}", len(given.sources), lines=LINES) as steps:
        for source in given.sources:
            try:
                content = source.read()
                found.expected += work.take(source, content)
            except Refused as refusal:
                found.refused.append(Refusal(source.name, str(refusal)))
            else:
                found.usable.append(source)
                found.hashes.append(hashlib.sha256(content).hexdigest())
            steps.advance()
    return found


def _make_copies(found: Found, ledger: Ledger, work: Work, run: run_folder.Run) -> None:
    output, label = ledger.output, f"copying {work.what}"
    _check_writable(run.folder)
    needed = int(found.expected * (1 - len(ledger.entries) / len(found.usable))) + MANIFEST_ROOM
    mapped.check_room(output, needed, "a set of copies", "make room or give another OUTPUT")
    run.note(device=device.describe(device.pick(work.config.device)))
    with run.stage("noise"):
        made = _search(work, run.folder)
    targets = work.targets([source.name for source in found.usable])
    todo = [turn for turn, source in enumerate(found.usable) if source.name not in ledger.entries]
    state = "interrupted"
    try:
        with run.stage("copies"), progress(label, len(found.usable), len(ledger.entries), LINES) as steps:
            for entry in side_by_side(
                todo, lambda turn: _copy(found, turn, made, targets[turn], run, work), work.at_once
            ):
                ledger.add(entry)
                steps.advance()
        atomic.sync(output)
        state = "complete"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise DataError(
            f"{output} cannot be written ({error.strerror}); {len(ledger.entries)} finished copies stay: "
            f"{'make room and' if full else 'mend that and'} run the same command again"
        ) from error
    finally:
        try:
            ledger.write_manifest(**_facts(found, ledger, work, run, state))
        except DataError:  # on a full disk the first error says more; the ledger has all that is finished
            if state == "complete":
                raise


def _search(work: Work, folder: Path) -> Perturbation:
    """Find the noise of every sample, or read back what an interrupted job had found."""
    data = work.data()
    asked = work.settings(data)
    if not (folder / FILE_NAME).is_file():
        noise.make(asked, data, folder=folder)[0].save(folder / FILE_NAME)
    made = Perturbation.load(folder)
    made.check_belongs(data)
    return made


def _copy(found: Found, turn: int, made: Perturbation, target: str, run: run_folder.Run, work: Work) -> dict[str, Any]:
    """Make one copy and return its entry of the manifest."""
    source = found.usable[turn]
    content = source.read()
    if hashlib.sha256(content).hexdigest() != found.hashes[turn]:
        raise DataError(f"{source.name} changed while it was being copied: leave it alone and run the command again")
    aside = atomic.scratch(run.folder / f"{turn}{Path(target).suffix}")
    known = {"original": source.name, "file": target, "original_sha256": found.hashes[turn]}
    return known | work.copy(turn, source, content, made, run.folder.parent / target, aside)


def _facts(found: Found, ledger: Ledger, work: Work, run: run_folder.Run, state: str) -> dict[str, Any]:
    record = {name: getattr(run.record, name) for name in ("started", "seconds", "device", "versions", "git")}
    refused = [{"name": one.name, "reason": one.reason} for one in found.refused]
    return {
        "state": state,
        **asdict(work.config),
        "kind": "samplewise",
        **record,
        "contents": found.facts(work),
        "refused": refused,
        **({"by_table": True} if found.by_table else {}),
        **work.facts(list(ledger.entries.values())),
    }
