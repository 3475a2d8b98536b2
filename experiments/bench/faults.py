"""A campaign of faults: tiny but real runs are killed, interrupted, starved of disk or find their checkpoint damaged.

    python experiments/bench/faults.py --points 200 --seed 0
    python experiments/bench/faults.py --points 0 --sweep-kills 5 --jobs 12

Every run must then go on, by the same command, to the very bits of a run that nothing disturbed. Counted are faults:
caused (they met a living process), survived (the run ended with exit code 0 and those bits), lost (it cannot go on, or
what was complete is gone) and wrong (other bits, or a record that calls complete what is not). All faults of one run
share its fate. After every fault the record must be absent or whole, and every product that lies there the right one.
"Within a change" is a signal just before or just after a file is opened to be written, renamed or removed, with a
checkpoint after every round; "at any moment" is the program as it is. Up to three kills follow each other. Where both
checkpoints are damaged the program must refuse in one line, and a removed folder must let it begin again.
"""

import argparse
import functools
import hashlib
import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch  # noqa: F401  the parent loads what its children need
import numpy as np
import pandas as pd
import sklearn.linear_model  # noqa: F401
import torch
from killing import Ended, Fault, run
from measuring import provenance
from PIL import Image
from sweeping import sweep_points
from tqdm import tqdm

from workbench import checkpoints, images, photo_digits
from workbench.config import DataConfig
from workbench.photos import protecting, settings
from workbench.progress import progress

KILLED = ("SIGKILL at any moment", "SIGKILL within a change")
DAMAGES = ("newest checkpoint: a bit flipped", "newest checkpoint: cut short", "both checkpoints damaged")
OTHERS = ("SIGINT", "SIGTERM", "full disk", *DAMAGES)
COUNTS = ("caused", "survived", "lost", "wrong")
SHARES = {"noise": 0.4, "train": 0.3, "protect": 0.3}
DIGITS = ["--data", "photo-digits:100", "--limit-test", "50", "--device", "cpu", "--batch-size", "50"]


@dataclass
class Work:
    """A command, how long it takes and how often it changes a file, and what it leaves: a hash a product, by name."""

    name: str
    words: list[str]
    seconds: float = 0.0
    changes: int = 0
    oracle: dict[str, str] | None = None

    def run(self, folder: Path, fault: Fault) -> Ended:
        """The command in `folder`, with a fault; the same command goes on."""
        words = (
            [*self.words, str(folder)] if self.name == "protect" else [*self.words, "--out", str(folder), "--resume"]
        )
        return run(words, folder, folder.with_suffix(".log"), fault)

    def complete(self, folder: Path) -> bool:
        """Whether the records say so. Raises ValueError for one that is not whole."""
        paths = [folder / "run.json", folder / ".unfinished" / "run.json", folder / "manifest.json"]
        states = [json.loads(path.read_text())["state"] for path in paths if path.exists()]
        return states == ["complete"]

    def products(self, folder: Path) -> dict[str, str]:
        """What lies there under its final name."""
        kinds = {"noise": "*.safetensors", "train": "results.csv", "protect": "person */*.png"}
        found = {str(path.relative_to(folder)): _hash(path.read_bytes()) for path in folder.glob(kinds[self.name])}
        if self.name == "protect" and self.complete(folder):
            manifest = json.loads((folder / "manifest.json").read_text())
            for name in ("started", "seconds", "git"):
                manifest.pop(name)
            found["manifest.json"] = _hash(json.dumps(manifest).encode())
        return found

    def fault_in(self, folder: Path, before: bool, *, end: bool = False) -> str:
        """lost or wrong, if what lies in the folder is; before: it was complete; end: it must be complete now."""
        try:
            complete, found = self.complete(folder), self.products(folder)
        except ValueError:
            return "lost"
        oracle = self.oracle or {}
        if any(oracle.get(name) != value for name, value in found.items()) or (complete and found != oracle):
            return "wrong"
        litter = [
            path for path in folder.rglob("*") if ".partial" in path.name or path.name in (".lock", ".unfinished")
        ]
        return "lost" if (before or end) and (not complete or (end and litter)) else ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def prepare(root: Path, names: list[str]) -> list[Work]:
    """The kinds of work, each done twice without a fault: with as many checkpoints as usual, and with all."""
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # no thread of its own: the process will fork
    photo_digits.make = functools.cache(photo_digits.make)
    images.load(DataConfig(data=DIGITS[1], limit_test=int(DIGITS[3])))  # once for all children

    def short(*given: Any) -> Any:
        asked = settings.search_settings(*given)
        return replace(asked, surrogate="convnet-w2+convnet-w2", rounds=5, train_steps=3)

    protecting.search_settings = short
    rng = np.random.default_rng(0)
    for number in range(4):
        path = root / "photos" / f"person {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(20, 236, (4, 5, 3), dtype=np.uint8))
        coarse.resize((56, 40), Image.Resampling.BICUBIC).save(path)
    noise, photos = root / "noise", root / "photos"
    words = {
        "noise": ["noise", *DIGITS, "--surrogate", "convnet-w4", "--rounds", "8"],
        "train": ["train", *DIGITS, "--victim", "convnet-w4", "--epochs", "5", "--noise", str(noise)],
        "protect": ["protect", str(photos), "--device", "cpu"],
    }
    works = []
    for name in ("noise", "train", "protect"):
        if name not in names and not (name == "noise" and "train" in names):
            continue
        work = Work(name, words[name])
        for folder, often in ((root / name, False), (root / f"{name} often", True)):
            ended = work.run(folder, Fault(often=often))
            if ended.code != 0:
                raise SystemExit(f"{name} without a fault ends with {ended.code}: {ended.told}")
            work.seconds, work.changes = work.seconds or ended.seconds, ended.changes
            work.oracle = work.oracle or work.products(folder)
            if work.fault_in(folder, False, end=True):
                raise SystemExit(f"two runs of {name} without a fault differ: nothing can be told")
        works += [work] if name in names else []
    return works


def point(work: Work, fault: str, folder: Path, chance: random.Random) -> tuple[int, str, str]:
    """Meet with a fault, or several, then go on to the end: how many were caused, lost or wrong or "", what was said."""
    caused, complete, told = 0, False, ""
    for _ in range(chance.choice((1, 1, 2, 3)) if fault in KILLED else 1):
        drawn = _draw(work, fault, chance)
        ended = work.run(folder, drawn)
        told = ended.told.strip()
        if ended.code == 0 and fault not in DAMAGES:
            break  # it came too late
        expected = {"SIGINT": 130, "SIGTERM": 130, "full disk": 2}.get(fault, -signal.SIGKILL)
        lines = {"SIGINT": 1, "SIGTERM": 1, "full disk": 1}.get(fault, 0)
        if ended.code not in (expected, 0) or (ended.code and len(told.splitlines()) != lines):
            return 1, "lost", f"exit code {ended.code}: {told}"
        caused += fault not in DAMAGES
        if bad := work.fault_in(folder, complete):
            return caused, bad, f"after {drawn}: {told}"
        complete = complete or work.complete(folder)
    if fault in DAMAGES:
        newest = next(folder.rglob("*.ckpt"), None)
        if complete or newest is None or not checkpoints.previous(newest).exists():
            return 0, "", ""
        for path in (newest, checkpoints.previous(newest))[: 2 if fault == DAMAGES[2] else 1]:
            _damage(path, fault == DAMAGES[1] or (fault == DAMAGES[2] and chance.random() < 0.5), chance)
        caused = 1
        if fault == DAMAGES[2]:
            ended = work.run(folder, Fault())
            lines = ended.told.strip().splitlines()
            if ended.code == 2 and len(lines) == 1 and "start again" in lines[0] and not work.fault_in(folder, False):
                shutil.rmtree(newest.parent)
            elif ended.code != 0:  # 0: the noise was found, the checkpoints were not needed any more
                return 1, "lost", f"exit code {ended.code}: {ended.told}"
    ended = work.run(folder, Fault())
    if ended.code != 0:
        return caused, "lost", f"exit code {ended.code}: {ended.told}"
    return caused, work.fault_in(folder, complete, end=True), f"at the end, before: {told}"


def _draw(work: Work, fault: str, chance: random.Random) -> Fault:
    """A fault of this kind at a random place."""
    if fault == KILLED[0]:
        return Fault(seconds=chance.uniform(0, work.seconds))
    if fault == "full disk":
        return Fault(room=chance.randint(600, 30_000), often=chance.random() < 0.5)
    number = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}.get(fault, signal.SIGKILL)
    first = work.changes // 3 if fault in DAMAGES else 1  # so late that checkpoints are there
    wait = chance.choice((0.0, chance.uniform(0, 0.01)))
    return Fault(number, change=chance.randint(first, work.changes), wait=wait, often=True)


def _damage(path: Path, short: bool, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content[:place] if short else content)


def plan(names: list[str], points: int, others: int, chance: random.Random) -> list[tuple[str, str]]:
    """Which work meets with which fault, in a random order, so that an early look is fair."""
    total = sum(SHARES[name] for name in names)
    found = []
    for name in names:
        kills = round(points * SHARES[name] / total)
        found += [(name, KILLED[turn % 2]) for turn in range(kills)]
        found += [(name, fault) for fault in OTHERS for _ in range(others)]
    chance.shuffle(found)
    return found


def campaign(names: list[str], points: int, others: int, seed: int, root: Path) -> Iterator[dict[str, Any]]:
    """One row a point."""
    chance = random.Random(seed)
    works = {work.name: work for work in prepare(root, names)}
    planned = plan(names, points, others, chance)
    with progress("faults, point", len(planned), lines=40) as shown:
        for number, (name, fault) in enumerate(planned):
            folder = root / f"{number} {name}"
            for _ in range(5):  # one that came too late is tried again
                caused, bad, told = point(works[name], fault, folder, chance)
                if caused:
                    break
                shutil.rmtree(folder, ignore_errors=True)
            if bad:
                print(f"{name}, {fault}: {bad}; {told}; see {folder}", file=sys.stderr, flush=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)
            yield {"work": name, "fault": fault, "caused": caused, "bad": bad}
            shown.advance()


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Counts by work and fault, and their totals."""
    found = pd.DataFrame(rows)
    for name in COUNTS[1:]:
        found[name] = found["caused"].clip(lower=1) * (found["bad"] == name.replace("survived", ""))
    found["survived"] *= found["caused"] > 0
    counted = found.groupby(["work", "fault"], sort=False)[list(COUNTS)].sum().reset_index()
    counted = counted.sort_values(["work", "fault"], ignore_index=True)
    totals = {"work": "all", "fault": "", **{name: counted[name].sum() for name in COUNTS}}
    return pd.concat([counted, pd.DataFrame([totals])], ignore_index=True)


def main() -> int:
    """Run the campaign and print the table; exit code 1 when anything was lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200, help="runs that are killed (default: %(default)s)")
    parser.add_argument("--others", type=int, default=3, help="runs with each other fault (default: %(default)s)")
    parser.add_argument("--works", nargs="*", default=list(SHARES), choices=SHARES, help="default: all")
    parser.add_argument("--sweeps", type=int, help="killed sweeps of two jobs (default: 5 %% of the points)")
    parser.add_argument("--sweep-kills", type=int, default=0, help="workers killed in one sweep of --jobs jobs")
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="faults-")).resolve()
    names = arguments.works if arguments.points or "--others" in sys.argv else []
    rows = list(campaign(names, arguments.points, arguments.others, arguments.seed, root))
    sweeps = arguments.points // 20 if arguments.sweeps is None else arguments.sweeps
    rows += sweep_points(sweeps, arguments.sweep_kills, arguments.jobs, arguments.seed, root)
    found = table(rows)
    print(found.to_string(index=False))
    if arguments.out:
        found.to_csv(arguments.out, index=False)
        provenance(arguments.out.with_suffix(".json"), vars(arguments))
    bad = bool(found.iloc[-1]["lost"] or found.iloc[-1]["wrong"])
    if not bad:
        shutil.rmtree(root)
    return int(bad or not found.iloc[-1]["caused"])


if __name__ == "__main__":
    sys.exit(main())
