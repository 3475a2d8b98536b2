"""The job: a person's photos in, copies with noise out, a verdict for each file, and a manifest anyone can check.

Everything is read once to find what can be used, noise is searched on small copies, then photo after photo is carried
to full size, written, decoded again, measured and put in place. What is finished stays: the same command goes on.
"""

import errno
import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from workbench import catalogue, device, noise, registry
from workbench.apps.photos.grouping import check_named, owned
from workbench.apps.photos.ledger import UNFINISHED, Ledger, check_free, is_job
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.side_by_side import side_by_side
from workbench.apps.photos.sources import Gathered, Refusal, Source, gather
from workbench.apps.photos.where import FACELESS, Finder, cut, placed
from workbench.apps.photos.working_set import WorkingSet, scale_noise, search_settings, with_noise
from workbench.apps.photos.write_copy import SUFFIXES, check_fits, write
from workbench.config import DataError, ProtectConfig, key
from workbench.export.entry import shown
from workbench.export.write import MANIFEST
from workbench.files import atomic, lock, mapped, names
from workbench.files.pictures import Refused, decode
from workbench.files.tree import check_apart, left_in_words
from workbench.models.existing import Box
from workbench.noise.perturbation import FILE_NAME, Perturbation
from workbench.progress import progress, say
from workbench.records import run_folder

COPY_SHARE = 0.3  # of a picture's raw size: hardly any lossless copy of a photograph is smaller
MANIFEST_ROOM = 1 << 20  # bytes
LINES = 20  # of progress where there is no bar


@dataclass
class Found:
    """What reading all photos found; `usable`, `hashes`, `boxes` and `working` go together."""

    usable: list[Source] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)  # the parts that get noise
    working: WorkingSet = field(default_factory=WorkingSet)
    refused: list[Refusal] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)  # what systems left behind, by its kind
    raw_bytes: int = 0
    by_table: bool = False  # whose photos they are

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of all usable photos, in order."""
        pairs = [(one.name, digest) for one, digest in zip(self.usable, self.hashes, strict=True)]
        return hashlib.sha256(repr(pairs).encode()).hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers for the manifest."""
        return {"people": len(self.working.persons()), "photos": len(self.usable), "left_out": dict(self.left)}

    def in_words(self) -> str:
        """Say how many people and photos there are, and what is left out."""
        left = self.left + Counter({"refused": len(self.refused)})
        people, photos = self.facts["people"], len(self.usable)
        return f"people: {people}, photos: {photos:,}{left_in_words(left)}"


def protect(source: Path, output: Path, config: ProtectConfig, people: Mapping[str, str] | None = None) -> Report:
    """Write copies with noise of the photos in `source`: a file, a folder (of folders, one a person) or a .zip.

    output: a new or empty folder, or the one of this very job, which goes on; people: the person on every photo, by its
    name (grouping.read), instead of its folder. A bad file is refused and stops no other. Raises DataError when no file
    is usable, `output` is no place for copies, or the disk is full: what is done stays.
    """
    begun = time.monotonic()
    registry.check("method", config.method)
    catalogue.check_within(config.method)
    _check_apart(source, output)
    check_free(output)
    finder = Finder(config.where)
    given = gather(source)
    given = given._replace(sources=owned(given.sources, people))
    with lock.alone(output):
        check_free(output)  # again: another process may just have left it
        for name in (MANIFEST, atomic.PROBE):
            atomic.sweep(output, name)
        _check_writable(output)
        found = _read_all(given, finder, config.format)
        if not found.usable:
            why = f" (the first: {found.refused[0].name!r} {found.refused[0].reason})" if found.refused else ""
            raise DataError(f"{source} holds no usable image{why}")
        identity = {**asdict(config), "photos": found.fingerprint}
        if people is not None:
            check_named(found.usable, people)
            found.by_table = True
            identity["people"] = [one.person for one in found.usable]
        ledger = Ledger(output, key(identity), {one.name for one in found.usable})
        say(found.in_words())
        if people is None and len(found.usable) > 1 and len(found.working.persons()) == 1:
            say("all photos count as one person's: if several people are on them, see `workbench group` first")
        if not ledger.complete:
            with run_folder.opened(output / UNFINISHED, "protect", identity, resume=True, again=True) as run:
                _make_copies(found, ledger, config, run)
        if is_job(output / UNFINISHED):  # also what a killed process had no time to remove
            atomic.remove_folder(output / UNFINISHED)
    return _report(found, ledger, config, time.monotonic() - begun)


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


def _read_all(given: Gathered, finder: Finder, form: str) -> Found:
    found = Found(refused=list(given.refusals), left=given.left)
    with progress("reading photo", len(given.sources), lines=LINES) as steps:
        for source in given.sources:
            try:
                content = source.read()
                photo = decode(content, source.name)
                check_fits(photo, form)
            except Refused as refusal:
                found.refused.append(Refusal(source.name, str(refusal)))
            else:
                found.usable.append(source)
                found.hashes.append(hashlib.sha256(content).hexdigest())
                found.boxes.append(finder.box(photo.pixels))
                found.working.add(source.name, source.person, cut(photo.pixels, found.boxes[-1]))
                found.raw_bytes += photo.pixels.nbytes
            steps.advance()
    return found


def _make_copies(found: Found, ledger: Ledger, config: ProtectConfig, run: run_folder.Run) -> None:
    output = ledger.output
    _check_writable(run.folder)
    needed = int(COPY_SHARE * found.raw_bytes * (1 - len(ledger.entries) / len(found.usable))) + MANIFEST_ROOM
    mapped.check_room(output, needed, "a set of copies", "make room or give another OUTPUT")
    run.note(device=device.describe(device.pick(config.device)))
    with run.stage("noise"):
        deltas = _search(found.working, config, run.folder)
    targets = names.target_names([source.name for source in found.usable], SUFFIXES[config.format])
    todo = [turn for turn, source in enumerate(found.usable) if source.name not in ledger.entries]
    state = "interrupted"
    try:
        with run.stage("copies"), progress("copying photo", len(found.usable), len(ledger.entries), LINES) as steps:
            for entry in side_by_side(todo, lambda turn: _copy(found, turn, deltas[turn], targets[turn], run, config)):
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
            ledger.write_manifest(**_facts(found, ledger, config, run, state))
        except DataError:  # on a full disk the first error says more; the ledger has all that is finished
            if state == "complete":
                raise


def _search(working: WorkingSet, config: ProtectConfig, folder: Path) -> Tensor:
    """Find the noise of every photo, int8 N×SIDE×SIDE, or read back what an interrupted job had found."""
    data = working.data()
    asked = search_settings(config, data)
    if not (folder / FILE_NAME).is_file():
        noise.make(asked, data, folder=folder)[0].save(folder / FILE_NAME)
    made = Perturbation.load(folder)
    made.check_belongs(data)
    return made.delta[made.rows(data.labels, data.labels.new_tensor(range(len(data))))][: len(working.names), 0]


def _copy(
    found: Found, turn: int, delta: Tensor, target: str, run: run_folder.Run, config: ProtectConfig
) -> dict[str, Any]:
    """Make one copy and return its entry of the manifest."""
    source = found.usable[turn]
    content = source.read()
    if hashlib.sha256(content).hexdigest() != found.hashes[turn]:
        raise DataError(f"{source.name} changed while it was being copied: leave it alone and run the command again")
    photo = decode(content, source.name)
    height, width = photo.pixels.shape[:2]
    box = found.boxes[turn]
    left, top, right, bottom = box or (0, 0, width, height)
    enlarged = scale_noise(delta, bottom - top, right - left, config.epsilon)
    pixels = with_noise(photo, placed(enlarged, box, height, width))
    aside = atomic.scratch(run.folder / f"{turn}{SUFFIXES[config.format]}")
    written = write(photo, pixels, run.folder.parent / target, aside, config.epsilon, config.format)
    return {
        "original": source.name,
        "file": target,
        "sha256": written.sha256,
        "original_sha256": found.hashes[turn],
        **shown(written.quality),
        "notes": [*photo.notes, *([FACELESS] if config.where == "faces" and box is None else [])],
        **({"box": list(box)} if box else {}),
    }


def _facts(found: Found, ledger: Ledger, config: ProtectConfig, run: run_folder.Run, state: str) -> dict[str, Any]:
    record = {name: getattr(run.record, name) for name in ("started", "seconds", "device", "versions", "git")}
    refused = [{"name": one.name, "reason": one.reason} for one in found.refused]
    return {
        "state": state,
        **asdict(config),
        "kind": "samplewise",
        **record,
        "contents": found.facts,
        "refused": refused,
        **({"by_table": True} if found.by_table else {}),
        **({"bound": ledger.largest} if config.format == "jpeg" else {}),
    }


def _report(found: Found, ledger: Ledger, config: ProtectConfig, seconds: float) -> Report:
    verdicts = [Verdict(one.name, reason=one.reason) for one in found.refused]
    for source in found.usable:
        entry = ledger.entries[source.name]
        measured = {name: entry[name] for name in ("file", "linf", "psnr", "ssim")}
        verdicts.append(Verdict(source.name, notes=tuple(entry["notes"]), **measured))
    people = len(found.working.persons())
    ordered = sorted(verdicts, key=lambda verdict: verdict.name)
    lossy = config.format == "jpeg"
    return Report(ordered, config.epsilon, config.method, round(seconds, 1), people, lossy, ledger.earlier)
