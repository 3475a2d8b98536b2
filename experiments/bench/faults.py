"""A campaign of faults: tiny but real runs are killed, interrupted, starved of disk or find their checkpoint damaged.

    python experiments/bench/faults.py --points 200 --seed 0
    python experiments/bench/faults.py --points 0 --sweep-kills 5 --jobs 12

A calm machine with two processors needs some ten minutes for the first; Ctrl-C prints what there is.
Every run must then go on, by the same command, to the very bits of a run that nothing disturbed. Counted are faults:
caused (they met a living process), survived (the run ended with exit code 0 and those bits), lost (it cannot go on, or
what was complete is gone) and wrong (other bits, or a record that calls complete what is not). All faults of one run
share its fate. After every fault the record must be absent or whole, and every product that lies there the right one.
"Within a change" is a signal just before or just after a file is opened to be written, renamed or removed, with a
checkpoint after every round; "at any moment" is the program as it is. Up to three kills follow each other. Where both
checkpoints are damaged the program must refuse in one line, and a removed folder must let it begin again.
"""

import argparse
import itertools
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from killing import WORKS, Fault, Work, prepare
from measuring import provenance
from sweeping import sweep_points

from workbench.progress import progress
from workbench.records import checkpoint

KILLED = ("SIGKILL at any moment", "SIGKILL within a change")
DAMAGES = ("newest checkpoint: a bit flipped", "newest checkpoint: cut short", "both checkpoints damaged")
OTHERS = ("SIGINT", "SIGTERM", "full disk", *DAMAGES)
COUNTS = ("caused", "survived", "lost", "wrong")
SHARES = dict(zip(WORKS, (0.4, 0.3, 0.3), strict=True))


def point(work: Work, fault: str, folder: Path, chance: random.Random) -> tuple[int, str, str]:
    """Meet with a fault, or several, then go on to the end. Returns how many it met with; lost, wrong or ""; why."""
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
        if complete or newest is None or not checkpoint.previous(newest).exists():
            return 0, "", ""
        for path in (newest, checkpoint.previous(newest))[: 2 if fault == DAMAGES[2] else 1]:
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
        return Fault(room=round(10 ** chance.uniform(2.8, 6.2)), often=chance.random() < 0.5)
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
    planned = plan(names, points, others, chance)
    works = {work.name: work for work in prepare(root, names)} if planned else {}
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
    parser.add_argument("--others", type=int, help="runs with each other fault (default: 3, without points none)")
    parser.add_argument("--works", nargs="*", default=list(SHARES), choices=SHARES, help="default: all")
    parser.add_argument("--sweeps", type=int, help="killed sweeps of three jobs (default: 5 %% of the points)")
    parser.add_argument("--sweep-kills", type=int, default=0, help="workers killed in one sweep of --jobs jobs")
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the table to this CSV file")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="faults-")).resolve()
    others = 3 * bool(arguments.points) if arguments.others is None else arguments.others
    sweeps = arguments.points // 20 if arguments.sweeps is None else arguments.sweeps
    rows: list[dict[str, Any]] = []
    try:
        for row in itertools.chain(
            campaign(arguments.works, arguments.points, others, arguments.seed, root),
            sweep_points(sweeps, arguments.sweep_kills, arguments.jobs, arguments.seed, root),
        ):
            rows.append(row)
    except KeyboardInterrupt:
        print("interrupted; so far:", flush=True)
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
