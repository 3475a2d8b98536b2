"""Every reader of files that somebody else may have written: a folder as it should be, the file that goes wrong, and
how the program reads it and uses what it read.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import fuzz_inputs as inputs
import fuzz_valid as valid
import sound_files
import torch
from PIL import Image

from workbench import figures
from workbench.apps.photos.ledger import FINISHED, UNFINISHED, Ledger
from workbench.apps.photos.protect import Photos
from workbench.apps.photos.report import Report, Verdict
from workbench.apps.photos.sources import gather
from workbench.config import WorkbenchError, key
from workbench.data.space import AUDIO
from workbench.export import verify, write
from workbench.files import pictures, sounds
from workbench.files.names import target_names
from workbench.files.picture_kinds import metadata
from workbench.noise import perturbation
from workbench.parameters import check_parameters
from workbench.records import run_folder, study_file, table
from workbench.sweep import experiment, notebook
from workbench.victim import warm_start


@dataclass(frozen=True)
class Reader:
    """prepare: fills an empty folder and returns the file that goes wrong; wrong: its bytes, for a random.Random; read:
    reads the folder, and uses what it read.
    """

    prepare: Callable[[Path], Path]
    wrong: Callable[[Random], bytes]
    read: Callable[[Path], Any]


CODED = find_spec("soundfile") is not None  # or only WAV is read
LONGEST = 2500  # characters of a refusal


def _one(name: str) -> Callable[[Path], Path]:
    return lambda folder: folder / name


def _read_noise(folder: Path) -> None:
    found = perturbation.Perturbation.load(folder)
    found.apply(valid.CLIPS if found.space == AUDIO else valid.DATA)


def _read_network(folder: Path) -> None:
    warm_start.take_over(torch.nn.Linear(3, 2), warm_start.weights(folder))


def _read_record(folder: Path) -> None:
    record = run_folder.read(folder)
    json.dumps(record.as_json(), indent=2, ensure_ascii=False).encode()
    f"{record.seconds.get('noise', 0):.0f} s, {record.image_passes or 0:,} image passes, {record.origin}"


def _resume(folder: Path) -> None:
    run_folder.check_free(folder, "noise", valid.RECORD["config"], resume=True)
    with run_folder.opened(folder, "noise", valid.RECORD["config"], resume=True, data_fingerprint="ab"):
        pass


def _read_results(folder: Path) -> None:
    rows = table.read(folder)
    table.summary(table.merged([rows, rows])).to_string()
    if (rows["metric"] == "accuracy").any():
        figures.honest_sentences(rows, 0.1)
    table.write(rows, folder)
    table.read(folder)


def _prepare_verify(folder: Path) -> Path:
    for name, change in (("mine", 0), ("copies", 3)):
        (folder / name / "ant").mkdir(parents=True)
        Image.fromarray(valid.pixels() // 2 + change).save(folder / name / "ant" / "a.png")
    return folder / "copies" / "manifest.json"


def _read_manifest(folder: Path) -> None:
    verdict = verify.verify(folder / "mine", folder / "copies", None)
    verdict.in_words().encode()
    gather(folder / "copies")


def _prepare_ledger(name: str) -> Callable[[Path], Path]:
    def prepare(folder: Path) -> Path:
        (folder / UNFINISHED).mkdir()
        Image.fromarray(valid.pixels()).save(folder / "a.png")
        return folder / name

    return prepare


def _read_ledger(folder: Path) -> None:
    ledger = Ledger(folder, valid.JOB, {"a.png", "b.png"}, Photos.least)
    told = [
        Verdict(name, notes=tuple(entry["notes"]), **{part: entry[part] for part in ("file", "linf", "psnr", "ssim")})
        for name, entry in ledger.entries.items()
    ]
    Report(told, 8, "targeted").in_words()
    ledger.write_manifest(epsilon=8)


def _beside_book(name: str) -> Callable[[Path], Path]:
    def prepare(folder: Path) -> Path:
        (folder / "book.ipynb").write_text(json.dumps(valid.book()))
        return folder / name

    return prepare


def _read_experiment(folder: Path) -> None:
    found = experiment.load(folder / "try.yml")
    for size in found.sizes:
        for job in found.jobs(size, {}, (), check_parameters)[:3]:
            (job.name + job.folder_name).encode()


def _read_notebook(folder: Path) -> None:
    known = notebook.identity(folder / "book.ipynb", {})
    key(known)
    json.dumps(known, ensure_ascii=False).encode()
    check_parameters(known)


def _read_values(folder: Path) -> None:
    for line in (folder / "values").read_bytes().decode("utf-8", "replace").split("\n")[:5]:
        name, _, value = line.partition("=")
        check_parameters(notebook.identity(folder / "book.ipynb", {name: value}))


def _wrong_values(random: Random) -> bytes:
    name = random.choice(("epsilon", "name", "shares", "kinds", "seed", "out", "a"))
    value = inputs.odd(random)
    text = value if isinstance(value, str) else repr(value)
    return inputs.damaged(f"{name}={text}".encode("utf-8", "surrogatepass"), random)


def _read_study(folder: Path) -> None:
    facts = study_file.read(folder)
    sum(sum(stage["seconds"].values()) for stage in facts["stages"].values())
    figures.honest_sentences(table.table(*_curve()), facts["chance"])


def _curve() -> tuple[table.Identity, list[dict[str, Any]]]:
    identity = table.Identity(*valid.CELLS[1][: len(table.IDENTITY)])
    return identity, [{"epoch": 1, "split": split, "metric": "accuracy", "value": 0.5} for split in ("train", "test")]


def _read_photo(folder: Path) -> None:
    content = (folder / "photo").read_bytes()
    pictures.decode(content, "photo.png")
    metadata(content)


def _read_zip(folder: Path) -> None:
    sources, refusals, _ = gather(folder / "photos.zip")
    target_names([one.name for one in sources])
    for source in sources:
        pictures.decode(source.read(), source.name)
    [f"{one.name!r} {one.reason}" for one in refusals]


def _pictures(random: Random) -> bytes:
    kind = random.choice(("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "AVIF"))
    return inputs.binary_file(valid.encoded(kind))(random)


def _wrong_recording(random: Random) -> bytes:
    kinds = [kind for kind in sound_files.KINDS if CODED or kind not in sound_files.CODED]
    return sound_files.damaged(sound_files.valid(random.choice(kinds)), random)


READERS = {
    "noise": Reader(_one("noise.safetensors"), inputs.safetensors_file(valid.noise_file()), _read_noise),
    "noise of sound": Reader(_one("noise.safetensors"), inputs.safetensors_file(valid.sound_noise()), _read_noise),
    "run's record": Reader(_one("run.json"), inputs.json_file(valid.RECORD), _read_record),
    "network": Reader(_one("victim.ckpt"), inputs.checkpoint_file(valid.NETWORK), _read_network),
    "run to resume": Reader(_one("run.json"), inputs.json_file(valid.RECORD), _resume),
    "results": Reader(_one("results.csv"), inputs.csv_file(valid.CELLS), _read_results),
    "manifest": Reader(_prepare_verify, inputs.json_file(valid.manifest()), _read_manifest),
    "photos' manifest": Reader(
        _prepare_ledger(write.MANIFEST),
        inputs.json_file({"job": valid.JOB, "files": [valid.entry()]}),
        _read_ledger,
    ),
    "photos' ledger": Reader(
        _prepare_ledger(f"{UNFINISHED}/{FINISHED}"), inputs.json_file(valid.entry()), _read_ledger
    ),
    "experiment": Reader(_beside_book("try.yml"), inputs.yaml_file(valid.EXPERIMENT), _read_experiment),
    "notebook": Reader(_one("book.ipynb"), inputs.json_file(valid.book()), _read_notebook),
    "parameters": Reader(_beside_book("values"), _wrong_values, _read_values),
    "study's facts": Reader(_one("study.json"), inputs.json_file(valid.STUDY), _read_study),
    "class image": Reader(_one("image"), _pictures, lambda folder: pictures.read_exact(folder / "image")),
    "photo": Reader(_one("photo"), _pictures, _read_photo),
    "recording": Reader(_one("recording"), _wrong_recording, lambda folder: sounds.read(folder / "recording")),
    "archive": Reader(_one("photos.zip"), inputs.binary_file(valid.archive()), _read_zip),
}


def fault(text: str) -> str:
    """What is wrong with a refusal; "" for one line that a terminal can show."""
    if not text.isprintable():
        return "more than one line, or not printable"
    return "" if 0 < len(text) < LONGEST else f"{len(text)} characters"


def outcome(reader: Reader, folder: Path) -> str:
    """ "accepted" or "refused"; raises AssertionError for a refusal that is no line, and whatever the reader raised."""
    try:
        reader.read(folder)
    except WorkbenchError as error:
        said = str(error)
        assert not fault(said), f"{fault(said)}: {said[:200]!r}"
        return "refused"
    return "accepted"
