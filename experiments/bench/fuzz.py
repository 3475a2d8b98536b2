"""Damaged and forged files for every reader: each must be taken or refused in one line, soon, and never end in a crash.

    python experiments/bench/fuzz.py --inputs 10000

The inputs are those of tests/fuzz, spread evenly over the readers, and the same for the same --seed. Each is read in
a process that may take SECONDS for it, and MEMORY beyond what it had at its start. What breaks a reader is kept in
--out.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path[:0] = [str(TESTS / "fuzz"), str(TESTS)]

SECONDS = 5.0  # of a processor that an input may take
WAITING = 30.0  # seconds of the clock that it may take: others may use the machine too
STARTING = 60.0  # seconds until a process is there
MEMORY = 2 << 30  # bytes more than a process has when it starts to read
OUTCOMES = ("refused", "accepted", "crashed", "hung")


def wrong(name: str, seed: str) -> bytes:
    """The bytes of one input."""
    from fuzz_readers import READERS

    return READERS[name].wrong(Random(f"{name} {seed}"))


def work(name: str, seeds: list[str], told: Connection) -> None:
    """Read one input after the other in this process and tell what came of each."""
    from fuzz_readers import READERS, outcome

    warnings.simplefilter("ignore")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    told.send(("ready", ""))
    for seed in seeds:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            READERS[name].prepare(folder).write_bytes(wrong(name, seed))
            begun = time.process_time()
            try:
                found, why = outcome(READERS[name], folder), ""
            except Exception as error:
                found, why = "crashed", f"{type(error).__name__}: {error}"[:300]
            spent = time.process_time() - begun
            told.send((found, why) if spent < SECONDS else ("hung", f"{spent:.1f} s of the processor"))


def watched(name: str, seeds: list[str], out: Path) -> Counter[str]:
    """What came of a reader's inputs, each in its time; a process that dies or hangs is replaced by a new one."""
    found: Counter[str] = Counter()
    context = multiprocessing.get_context("fork")  # everything is loaded already, and nothing has run
    while seeds:
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(name, seeds, there), daemon=True)
        child.start()
        there.close()
        started, done = here.poll(STARTING) and here.recv(), 0
        assert started, f"{name}: its process did not start"
        for seed in seeds:
            try:
                result, why = here.recv() if here.poll(WAITING) else ("hung", "killed")
            except EOFError:
                result, why = "crashed", "the process died"
            found[result] += 1
            done += 1
            if result in ("crashed", "hung"):
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{name.replace(' ', '-')}-{seed}").write_bytes(wrong(name, seed))
                print(f"{name}, input {seed} {result}: {why}", flush=True)
                if why in ("killed", "the process died"):
                    break
        child.kill()
        child.join()
        seeds = seeds[done:]
    return found


def main() -> int:
    """Feed every reader its share, print the table; 1 when one crashed or hung."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all readers together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other inputs (default: %(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="READER", help="these readers alone")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/fuzz"), help="for inputs that break (default: %(default)s)"
    )
    arguments = parser.parse_args()
    import torch
    from fuzz_readers import READERS

    torch.set_num_threads(1)  # threads do not survive a fork
    names = arguments.only or list(READERS)
    share = -(-arguments.inputs // len(names))
    total: Counter[str] = Counter()
    print(f"{'reader':20}{'inputs':>8}" + "".join(f"{name:>10}" for name in OUTCOMES) + f"{'seconds':>10}", flush=True)
    for name in names:
        begun = time.monotonic()
        found = watched(name, [f"{arguments.seed}-{number}" for number in range(share)], arguments.out)
        cells = "".join(f"{found[one]:10,}" for one in OUTCOMES)
        print(f"{name:20}{found.total():8,}{cells}{time.monotonic() - begun:10.0f}", flush=True)
        total += found
    print(f"{'all':20}{total.total():8,}" + "".join(f"{total[one]:10,}" for one in OUTCOMES))
    return 1 if total["crashed"] or total["hung"] else 0


if __name__ == "__main__":
    sys.exit(main())
