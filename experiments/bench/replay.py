"""Inputs that once went wrong, by kind, made anew in a temporary folder and tried: what is right, and what is seen.

    python experiments/bench/replay.py              # some minutes; exit code 1 when something is not as it should be
    python experiments/bench/replay.py --kind 4 8

Most commands run in this process; those whose streams or surroundings matter run in one of their own.
"""

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import numpy as np
from PIL import Image

from workbench.apps.photos import uploads
from workbench.cli import main as program
from workbench.config import WorkbenchError
from workbench.files import layout, lock
from workbench.files.pictures import decode
from workbench.study import Study
from workbench.sweep import experiment

KINDS = {
    1: "files of others", 2: "labels", 3: "names in tables", 4: "pictures", 5: "one walker, one reader",
    6: "work at its end", 7: "names in archives", 8: "streams", 9: "what ran", 10: "numbers",
}  # fmt: skip
NOISE = ("noise", "--kind", "classwise", "--method", "random", "--data")
BRIEF = ("--victim", "convnet-w2", "--epochs", "1", "--device", "cpu")
FIXED = ("probe", ".lock", "run.json", "noise.safetensors", "noise.ckpt", "noise.started", "results.csv", "study.json",
         "manifest.json", "README.md", "notebook.ipynb", "report.html", "figures", "keep.partial")  # fmt: skip


class Case(NamedTuple):
    """One input: its kind, its name, what is right, and what tries it in an empty folder and says what it saw."""

    kind: int
    name: str
    right: str
    tried: Callable[[], str]


CASES: list[Case] = []


def case(kind: int, name: str, right: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Add a case; it is in order when `right`, a pattern, matches all of what it returns."""

    def added(tried: Callable[[], str]) -> Callable[[], str]:
        CASES.append(Case(kind, name, right, tried))
        return tried

    return added


def make(root: str, classes: Sequence[str], n: int = 6, side: int = 32, seed: int = 0) -> None:
    """Write a folder of smooth random pictures for each class."""
    rng = np.random.default_rng(seed)
    for name in classes:
        folder = Path(root) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(n):
            coarse = rng.integers(30, 220, (4, 4, 3)).astype("uint8")
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number}.png")


def wb(*words: str) -> tuple[int, str, str]:
    """Run a command in this process: its exit code, and what it said on both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = program(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


def told(*words: str) -> str:
    """Run a command: "0", "1", or "2, one line"."""
    code, _, err = wb(*words)
    lines = [line for line in err.strip().splitlines() if not line.startswith("workbench: ")]
    return f"{code}, one line" if code == 2 and len(lines) == 1 else str(code)


def shell(command: str, **variables: str) -> tuple[int, str]:
    """Run a command line in bash, `wb` being the program: its exit code and all that was said."""
    text = command.replace("wb ", f"{shlex.quote(sys.executable)} -m workbench ")
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **variables}
    done = subprocess.run(["bash", "-c", text], env=surroundings, capture_output=True, timeout=500, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def folders(root: str) -> str:
    """The folders in a folder."""
    return ", ".join(sorted(path.name for path in Path(root).iterdir() if path.is_dir()))


def people(output: str) -> str:
    """How many files each person has in a manifest."""
    entries = json.loads((Path(output) / "manifest.json").read_text(encoding="utf-8"))["files"]
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(one["person"] for one in entries).items()))


def packed(name: str, files: Sequence[Path], root: str = "") -> None:
    """Pack files into a zip file, by their paths or below `root`."""
    with zipfile.ZipFile(name, "w") as archive:
        for file in files:
            archive.write(file, root + file.as_posix())


# 1


@case(1, "`probe` in a folder that protect refuses", "2, one line, kept")
def _() -> str:
    Path("full").mkdir()
    Path("full/probe").write_text("notes")
    Path("full/x.txt").write_text("y")
    return told("protect", "P", "full", "--method", "random") + (", kept" if Path("full/probe").is_file() else ", lost")


@case(1, "keep.partial beside --out keep", "0, kept")
def _() -> str:
    Path("keep.partial").mkdir()
    Path("keep.partial/thesis.txt").write_text("thesis")
    seen = told("export", "--data", "folder:d1", "--noise", "r1", "--out", "keep")
    return seen + (", kept" if Path("keep.partial/thesis.txt").is_file() else ", lost")


@case(1, "each fixed name, alone and as a link, under each command", "0 lost of 112")
def _() -> str:
    Path("own").write_text("mine")
    commands = {
        "noise": (*NOISE, "folder:d1", "--out"), "train": ("train", "--data", "folder:d1", *BRIEF, "--out"),
        "export": ("export", "--data", "folder:d1", "--out"), "protect": ("protect", "P", "--method", "random"),
    }  # fmt: skip
    lost, tries = [], 0
    for name in FIXED:
        for command, words in commands.items():
            for linked in (False, True):
                tries += 1
                folder = Path(f"o{tries}")
                folder.mkdir()
                mine = folder / name
                mine.symlink_to(Path("own").absolute()) if linked else mine.write_text("mine")
                words = (*words[:2], str(folder), *words[2:]) if command == "protect" else (*words, str(folder))
                wb(*words)
                if mine.is_symlink() != linked or mine.read_text() != "mine":
                    lost.append(f"{command} {name}")
                words = words[:-1] if command != "protect" else commands[command]
    return f"{len(lost)} lost of {tries}" + (f": {lost[0]}" if lost else "")


@case(1, "two exports into one --out", "2, one line")
def _() -> str:
    with lock.alone(Path("both")):
        return told("export", "--data", "folder:d1", "--out", "both")


# 2


def classes_of(root: str) -> str:
    """The classes that an export of a folder has, or that it was refused."""
    seen = told("export", "--data", f"folder:{root}", "--out", "x")
    return folders("x") if seen == "0" else seen


for first, second in (("train", "val"), ("Training", "TEST"), ("train", "validation"), ("dev", "test"), ("a", "b")):

    @case(2, f"parts called {first} and {second}", "cat, dog|2, one line")
    def _(first: str = first, second: str = second) -> str:
        make(f"A/{first}", ["cat", "dog"])
        make(f"A/{second}", ["cat", "dog"], 3, 32, 1)
        return classes_of("A")


@case(2, "a class called train, beside car and plane", "car, plane, train")
def _() -> str:
    make("V", ["car", "plane", "train"])
    return classes_of("V")


@case(2, "people in a zip file with one wrapping folder", "Anna 2, Ben 2, Cleo 2")
def _() -> str:
    packed("wrapped.zip", sorted(Path("P").rglob("*.png")))
    wb("protect", "wrapped.zip", "out", "--method", "random")
    return people("out")


@case(2, "people in a folder with one wrapping folder", "Anna 2, Ben 2, Cleo 2")
def _() -> str:
    shutil.copytree("P", "W/P")
    wb("protect", "W", "out", "--method", "random")
    return people("out")


@case(2, "classes in a folder with one wrapping folder", "cat, dog|2, one line")
def _() -> str:
    shutil.copytree("d1", "W/d1")
    return classes_of("W")


@case(2, "copies written into the data", "2, one line; cat, dog")
def _() -> str:
    return told("export", "--data", "folder:d1", "--noise", "r1", "--out", "d1/protected") + "; " + folders("d1")


@case(2, "copies written into the data through a link", "2, one line; cat, dog")
def _() -> str:
    Path("link").symlink_to("d1")
    return told("export", "--data", "folder:d1", "--noise", "r1", "--out", "link/protected") + "; " + folders("d1")


@case(2, "a share that rounds to no image", "2, one line|clean")
def _() -> str:
    words = ("train", "--data", "folder:d1", *BRIEF, "--noise", "r1", "--protected-fraction", "0.01", "--out", "t")
    seen = told(*words)
    return seen if seen != "0" else Path("t/results.csv").read_text().splitlines()[1].split(",")[2]


@case(2, "the number of classes and of people is said", "2 classes; people: 3")
def _() -> str:
    _, out, err = wb("export", "--data", "folder:d1", "--out", "x")
    _, other, more = wb("protect", "P", "out", "--method", "random")
    found = [re.search("\\d+ classes", out + err), re.search("people: \\d+", other + more)]
    return "; ".join(one[0] if one else "nothing said" for one in found)


# 3

for name in ("علی‌رضا", "a\u00adb", "Doe, Jane", "a/b".replace("/", "\u2215"), "=cmd", '"Ann"', "猫", "e\u0301"):

    @case(3, f"a class called {name!a}: a table, and going on with it", "0, 0|2, one line, none")
    def _(name: str = name) -> str:
        make("K", [name, "Anna"])
        words = ("train", "--data", "folder:K", *BRIEF, "--confusion", "--out", "t")
        first = told(*words)
        return f"{first}, {told(*words, '--resume') if first == '0' else 'none'}"


@case(3, "people with commas among the protected classes", "0")
def _() -> str:
    make("K4", ["Doe, Jane", "Roe, Rick"])
    words = ("train", "--data", "folder:K4", *BRIEF, "--noise", "k4", "--protected-classes", "Doe, Jane", "--out", "t")
    wb(*NOISE, "folder:K4", "--out", "k4")
    return told(*words)


@case(3, "a blank after a comma changes no number", "alike")
def _() -> str:
    make("K5", ["Anna", "Ben", "Cleo"])
    study = Study("st", data="folder:K5", device="cpu")
    made = study.noise("random", "classwise", 8)
    rows = study.victim(made, epochs=1, victim="convnet-w2", protected_classes="Anna, Ben", confusion=True)
    one, other = (study.groups(rows, names)["value"].tolist() for names in ("Anna,Ben", "Anna, Ben"))
    return "alike" if one == other else f"{one}, {other}"


# 4


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(depth: int, row: bytes, colour: int = 0, *chunks: bytes) -> bytes:
    """A PNG of 32×32 pixels, every row the same."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress((b"\0" + row) * 32))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + data + chunk(b"IEND", b"")


def tiff(values: np.ndarray, bits: int, white: int) -> bytes:
    """A grey TIFF of 32×32 pixels; white: 0 where the least value is white."""
    data = values.tobytes()
    tags = [(256, 3, 32), (257, 3, 32), (258, 3, bits), (259, 3, 1), (262, 3, white), (273, 4, 8), (277, 3, 1),
            (278, 3, 32), (279, 4, len(data))]  # fmt: skip
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


@case(4, "16-bit grey TIFF whose white is zero", r"\[255 +0 +127 +251\]")
def _() -> str:
    row = np.tile(np.array([0, 65535, 32768, 1000], "<u2"), (32, 8))
    return str(decode(tiff(row, 16, 0)).pixels[0, :4, 0])


@case(4, "8-bit grey TIFF whose white is zero", r"\[255 +0 +127 +254\]")
def _() -> str:
    return str(decode(tiff(np.tile(np.array([0, 255, 128, 1], "u1"), (32, 8)), 8, 0)).pixels[0, :4, 0])


for depth, row, clear, right in (
    (2, b"\x1b" * 8, 1, [255, 0, 255, 255]), (4, b"\x01\x23" * 8, 1, [255, 0, 255, 255]),
    (1, b"\x55" * 4, 1, [255, 0, 255, 0]), (8, bytes([0, 1, 2, 3] * 8), 1, [255, 0, 255, 255]),
    (16, struct.pack(">4H", 0, 1000, 1001, 3) * 8, 1000, [255, 0, 255, 255]),
):  # fmt: skip

    @case(4, f"{depth}-bit grey PNG with a transparent value", re.escape(str(np.array(right))) + "|Refused: .*")
    def _(depth: int = depth, row: bytes = row, clear: int = clear) -> str:
        alpha = decode(png(depth, row, 0, chunk(b"tRNS", struct.pack(">H", clear)))).alpha
        return "lost" if alpha is None else str(alpha[0, :4])


@case(4, "32-bit BMP whose alpha is all zero", "254, opaque")
def _() -> str:
    pixels = np.random.default_rng(0).integers(1, 255, (64, 64, 4)).astype("u1")
    pixels[..., 3] = 0
    head = struct.pack("<IiiHHIIiiII", 124, 64, 64, 1, 32, 3, pixels.nbytes, 2835, 2835, 0, 0)
    head = (head + struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs").ljust(124, b"\0")
    photo = decode(b"BM" + struct.pack("<IHHI", 138 + pixels.nbytes, 0, 0, 138) + head + pixels.tobytes())
    opaque = photo.alpha is None or photo.alpha.min() == 255
    return f"{photo.pixels.max()}, {'opaque' if opaque else 'transparent'}"


primaries = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
for name, chunks in {
    "gAMA of 1.0": [chunk(b"gAMA", struct.pack(">I", 100000))],
    "cHRM of Adobe RGB": [chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", primaries)],
    "cICP of Display P3": [chunk(b"cICP", bytes([12, 13, 0, 1]))],
}.items():

    @case(4, f"PNG whose colour is said by {name}", "carried, converted or said")
    def _(chunks: Any = chunks) -> str:
        row = bytes([200, 60, 60] * 32)
        photo, plain = decode(png(8, row, 2, *chunks)), decode(png(8, row, 2))
        told_apart = [(one.icc, one.chunks, one.notes, one.pixels.tobytes()) for one in (photo, plain)]
        other = told_apart[0] != told_apart[1]
        return "carried, converted or said" if other else "lost without a word"


@case(4, "Netpbm with 16 bits", "said|not a picture of a known kind")
def _() -> str:
    values = np.tile(np.array([0, 65535, 32768, 1000], ">u2"), (32, 8))
    return (
        "said" if any("16" in note for note in decode(b"P5 32 32 65535\n" + values.tobytes()).notes) else "not a word"
    )


@case(4, "a picture of which nothing can be seen", "2, one line|.*nothing to see.*|refused")
def _() -> str:
    Path("Q/Anna").mkdir(parents=True)
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[..., 0] = 200
    Image.fromarray(pixels).save("Q/Anna/clear.png")
    shutil.copy("P/Anna/0.png", "Q/Anna/1.png")
    wb("protect", "Q", "out", "--method", "random")
    manifest = json.loads(Path("out/manifest.json").read_text())
    entry = [one for one in manifest["files"] if "clear" in one["original"]]
    return str(entry[0]["notes"]) if entry else "refused"


# 5


def _checkpoints() -> None:
    Path("d/cat/.ipynb_checkpoints").mkdir()
    shutil.copy("d/cat/0.png", "d/cat/.ipynb_checkpoints/0-checkpoint.png")


def _links() -> None:
    shutil.move("d", "real")
    Path("d").mkdir()
    for name in ("cat", "dog"):
        Path("d", name).symlink_to(f"../real/{name}")


def _loose() -> None:
    shutil.copy("d/cat/0.png", "d/cover.png")


def _transparent() -> None:
    picture = Image.open("d/cat/0.png")
    picture.putpixel((0, 0), (255, 0, 255))
    picture.save("d/cat/0.png", transparency=(255, 0, 255))


def _nowhere() -> None:
    for name in ("cat", "dog"):
        for number in range(4):
            Path(f"d/{name}/{number}.png").unlink()
            Path(f"d/{name}/{number}.png").symlink_to(f"../.annex/{name}{number}")


for name, change, right in (
    ("a hidden checkpoint", _checkpoints, "0, 0|2, one line, none"),
    ("links to folders", _links, "0, 0|2, one line, none"),
    ("a loose file", _loose, "0, 0|2, one line, none"),
    ("a transparent colour", _transparent, "0, 0|2, one line, none"),
    ("links to nowhere", _nowhere, "(0, 0|2, one line, none), said"),
):  # fmt: skip

    @case(5, f"{name}: export, then verify", right)
    def _(change: Callable[[], None] = change) -> str:
        make("d", ["cat", "dog"], 8)
        change()
        code, out, err = wb("export", "--data", "folder:d", "--out", "x")
        first = told("export", "--data", "folder:d", "--out", "y")
        seen = f"{first}, {told('verify', 'd', 'x') if code == 0 else 'none'}"
        said = re.search(r"\b8\b.*(left out|link|lead)|(left out|link|lead).*\b8\b", out + err)
        return seen + (", said" if said else ", nothing said") * (change is _nowhere)


# 6


@case(6, "--out that is a link to an empty folder", "0, filled")
def _() -> str:
    Path("big").mkdir()
    Path("xH").symlink_to("big")
    seen = told("export", "--data", "folder:d1", "--noise", "r1", "--out", "xH")
    return seen + (", filled" if Path("big/manifest.json").is_file() else ", empty")


@case(6, "one photo whose EXIF cannot be written again", "0, 0")
def _() -> str:
    make("E", ["cat", "dog"], 4)
    entries = struct.pack("<HHII", 258, 4, 1, 100_000) + struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    Image.open("E/cat/0.png").save("E/cat/0.jpg", exif=exif, quality=95)
    return told("export", "--data", "folder:E", "--out", "x") + ", " + told("protect", "E", "y", "--method", "random")


# 7


@case(7, "UTF-8 names without the flag", "José")
def _() -> str:
    name = "José".encode()
    with zipfile.ZipFile("mac.zip", "w") as archive:
        for number in (0, 1):
            archive.write(f"P/Anna/{number}.png", f"{'X' * len(name)}/{number}.png")
    content = Path("mac.zip").read_bytes()
    Path("mac.zip").write_bytes(content.replace(b"X" * len(name), name))
    seen = told("protect", "mac.zip", "out", "--method", "random")
    return ", ".join(one for one in folders("out").split(", ") if not one.startswith(".")) if seen == "0" else seen


for year, seconds in (("1970", 0), ("1979", 3e8), ("2120", 4.75e9)):

    @case(7, f"copies of the year {year} are packed", "1 file")
    def _(seconds: float = seconds) -> str:
        Path("copies").mkdir()
        shutil.copy("P/Anna/0.png", "copies/0.png")
        os.utime("copies/0.png", (seconds, seconds))
        uploads.pack(Path("copies"), Path("copies.zip"))
        return f"{len(zipfile.ZipFile('copies.zip').namelist())} file"


# 8


def _missing() -> None:
    for name in ("猫", "Ben"):
        shutil.copytree("P/Anna", f"s/{name}")
    wb("protect", "s", "o", "--method", "random")
    next(Path("o/猫").iterdir()).unlink()


for name, end, encoding in (
    ("ascii", "", "ascii"), ("cp1252", "| cat; exit ${PIPESTATUS[0]}", "cp1252"),
    ("a reader that has gone", "| true; exit ${PIPESTATUS[0]}", "utf-8"), ("a full disk", ">/dev/full", "utf-8"),
    ("no stdout", ">&-", "utf-8"), ("no stderr", "2>&-", "utf-8"),
):  # fmt: skip

    @case(8, f"a verdict and {name}", "1, no traceback")
    def _(end: str = end, encoding: str = encoding) -> str:
        _missing()
        code, said = shell(f"wb verify s o {end}", PYTHONIOENCODING=encoding)
        return f"{code}, {'traceback' if 'Traceback' in said else 'no traceback'}"


@case(8, "a training without stderr", "0, complete")
def _() -> str:
    code, _ = shell(f"wb train --data folder:d1 {' '.join(BRIEF)} --out t2 2>&-")
    return f"{code}, {json.loads(Path('t2/run.json').read_text())['state']}"


@case(8, "a list whose reader has enough", "0, no traceback")
def _() -> str:
    code, said = shell("wb networks | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}")
    return f"{code}, {'traceback' if 'Traceback' in said else 'no traceback'}"


# 9


def _run(out: str, before: str = "", **variables: str) -> dict[str, Any]:
    """Run a tiny notebook in a process of its own: what its kernel saw, and "code" and "said" of the command."""
    cells = [
        nbformat.v4.new_code_cell('out = "x"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "import json, os, sys, workbench\n"
            "open(out + '/seen', 'w').write(json.dumps("
            "[os.environ.get('MARK'), os.path.dirname(workbench.__file__), sys.executable]))"
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "tiny.ipynb")
    code, said = shell(f"{before} wb run {Path('tiny.ipynb').absolute()} --out {Path(out).absolute()}", **variables)
    file = Path(out) / "seen"
    return {"code": code, "said": said, "seen": json.loads(file.read_text()) if file.is_file() else None}


def _ran(found: dict[str, Any]) -> str:
    package = str(Path(__file__).resolve().parents[2] / "workbench")
    if found["seen"] is None:
        return f"{found['code']}: {found['said'].strip()[-120:]}"
    return "this program's" if found["seen"] == [None, package, sys.executable] else str(found["seen"])


@case(9, "another environment's kernel on JUPYTER_PATH", "this program's")
def _() -> str:
    Path("jp/kernels/python3").mkdir(parents=True)
    words = ["/usr/bin/env", "MARK=other", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": words, "display_name": "x", "language": "python"}
    Path("jp/kernels/python3/kernel.json").write_text(json.dumps(spec))
    return _ran(_run("n1", JUPYTER_PATH=str(Path("jp").absolute())))


@case(9, "a workbench.py in the current folder", "this program's")
def _() -> str:
    Path("mine").mkdir()
    Path("mine/workbench.py").write_text("x = 1")
    return _ran(_run("n3", before="cd mine; PYTHONSAFEPATH=1"))


@case(9, "GIT_DIR names another repository", "this program's")
def _() -> str:
    git = "git -c user.name=a -c user.email=a@b"
    shell(f"git init -q other && cd other && {git} commit -q --allow-empty -m theirs")
    theirs = shell("git -C other rev-parse HEAD")[1].strip()
    shell(f"wb {' '.join(NOISE)} folder:d1 --out r9", GIT_DIR=str(Path("other/.git").absolute()))
    return "theirs" if theirs in str(json.loads(Path("r9/run.json").read_text())["git"]) else "this program's"


@case(9, "TMPDIR with a name too long for sockets", "this program's")
def _() -> str:
    Path("t" * 90).mkdir()
    return _ran(_run("n4", TMPDIR=str(Path("t" * 90).absolute())))


@case(9, "TMPDIR that is not there", "2: .*TMPDIR is /nowhere.*")
def _() -> str:
    return _ran(_run("n5", TMPDIR="/nowhere"))


for name in ("NoDevFiles", "", "-1", "0,0", "7,8", "GPU-none"):

    @case(9, f"CUDA_VISIBLE_DEVICES={name!r}: as many GPUs as PyTorch sees", "alike")
    def _(name: str = name) -> str:
        code = (
            "from workbench.sweep import cluster; import torch; print(len(cluster.gpus()), torch.cuda.device_count())"
        )
        said = shell(f'{sys.executable} -c "{code}"', CUDA_VISIBLE_DEVICES=name)[1].split()[-2:]
        return "alike" if len(set(said)) == 1 else str(said)


@case(9, "a defence of one's own with other code and the old name", "not the old rows")
def _() -> str:
    text = "import workbench as wb\n@wb.defence('mine', words='x')\nclass Mine:\n    def inputs(self, x): return {}\n"
    words = ("train", "--data", "folder:d1", *BRIEF, "--defence", "mine", "--with", "mine.py", "--out", "t")
    Path("mine.py").write_text(text.format("x"))
    first = wb(*words)
    Path("mine.py").write_text(text.format("1 - x"))
    code, _, err = wb(*words, "--resume")
    old = first[0] != 0 or (code == 0 and "read back" in err)
    return f"the old rows or {first[2]}" if old else "not the old rows"


# 10

for text in ("epsilon: 010", "epsilon: 0o10", "epsilon: 0x8", "epsilon: 1_0", "epsilon: 08", "epsilon: 1:30"):

    @case(10, f"an experiment with {text}", "refused in one line")
    def _(text: str = text) -> str:
        return _experiment(text, "[0, 1]")


@case(10, "an experiment with seeds [010, 011]", "refused in one line")
def _() -> str:
    return _experiment("epsilon: 8", "[010, 011]")


def _experiment(parameter: str, seeds: str) -> str:
    cell = nbformat.v4.new_code_cell('epsilon = 8\nseed = 0\nout = "x"', metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), "e.ipynb")
    size = f"{{parameters: {{{parameter}}}, grid: {{}}, seeds: {seeds}}}"
    Path("e.yml").write_text(f"title: t\ntext: t\nnotebook: e.ipynb\nfigures: []\nsizes: {{quick: {size}}}\n")
    try:
        jobs = experiment.load(Path("e.yml")).jobs("quick", {})
    except WorkbenchError as error:
        return "refused in one line" if len(str(error).splitlines()) == 1 else f"refused: {error}"
    return f"read as {[job.values for job in jobs]}"


@case(10, 'epsilon = "8" in a notebook', "refused in one line")
def _() -> str:
    from workbench.apps import explore

    try:
        explore.start(method="random", kind="classwise", epsilon="8", network="convnet-w2", epochs=1, out="e",
                      data="folder:d1", device="cpu")  # type: ignore[arg-type]  # fmt: skip
    except WorkbenchError as error:
        return "refused in one line" if len(str(error).splitlines()) == 1 else f"refused: {error}"
    return "taken"


@case(10, "a results.csv of somebody else in a study's folder", "refused, kept")
def _() -> str:
    Path("results.csv").write_text("mine")
    try:
        study = Study(".", data="folder:d1", device="cpu")
        study.finish(study.victim(epochs=1, victim="convnet-w2"))
    except WorkbenchError:
        return "refused, kept" if Path("results.csv").read_text() == "mine" else "refused, lost"
    return "overwritten"


@contextlib.contextmanager
def inputs() -> Iterator[Path]:
    """A folder with what all cases begin with: pictures of two classes, photos of three people, noise."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        os.chdir(folder)
        try:
            make("start/d1", ["cat", "dog"])
            make("start/P", ["Anna", "Ben", "Cleo"], 2, 64)
            os.chdir("start")
            wb(*NOISE, "folder:d1", "--out", "r1")
            os.chdir(folder)
            yield Path(folder)
        finally:
            os.chdir(before)


def seen_of(one: Case, place: Path) -> str:
    """Try one case in a fresh copy of the inputs; an error that gets out is what is seen."""
    shutil.rmtree(place / "now", ignore_errors=True)
    shutil.copytree(place / "start", place / "now")
    os.chdir(place / "now")
    layout._say_once.cache_clear()  # each case stands for a program of its own
    try:
        return one.tried()
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    finally:
        os.chdir(place)


def main() -> int:
    """Try the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", type=int, nargs="+", choices=KINDS, default=list(KINDS), help="only these kinds")
    asked = parser.parse_args().kind
    os.environ["WORKBENCH_PROGRESS"] = "off"
    bad, count = 0, 0
    print("| kind | input | right | seen | ok |\n|---|---|---|---|---|")
    with inputs() as place:
        for one in sorted((one for one in CASES if one.kind in asked), key=lambda one: one.kind):
            seen = seen_of(one, place)
            fine = re.fullmatch(one.right, seen, re.DOTALL) is not None
            count, bad = count + 1, bad + (not fine)
            cells = [f"{one.kind} {KINDS[one.kind]}", one.name, one.right, seen[:160], "yes" if fine else "NO"]
            print("| " + " | ".join(" ".join(cell.replace("|", " or ").split()) for cell in cells) + " |", flush=True)
    print(f"\n{count - bad} of {count} are as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
