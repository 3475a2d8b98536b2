"""Photos people posted, and people met later: what learners get out of the files that `workbench protect` wrote.

    python experiments/bench/recognition.py PEOPLE --out runs/recognition

PEOPLE holds train/ (photos to be protected) and test/ (clean photos met later), one folder a person. For every method
and budget the photos are protected as a person would do it; then the judge's learners are trained on the exported
files, scaled to every side, and on the originals, and tested on test/. `data` says how many people and pixels. The
table OUT/results.csv grows with every judgement; the same command goes on.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from workbench import device
from workbench.apps.photos.protect import protect
from workbench.apps.photos.working_set import RECOGNISER, SIDE
from workbench.config import ProtectConfig, WorkbenchError
from workbench.judging import folders, judgement
from workbench.judging.config import JudgeConfig
from workbench.judging.trial import Case
from workbench.records import run_folder
from workbench.records import table as results

LEARNERS = "none,none-avg,adamw,adamw-avg,jpeg-75,jpeg-30,resize-half,crop-flip,adversarial-4"


def main() -> int:
    """Protect, judge; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--noises", nargs="+", default=["robust-targeted:15", "targeted:15", "robust-targeted:8"], metavar="METHOD:ε"
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[SIDE], help="pixels that the recognisers see")
    parser.add_argument("--format", choices=("png", "jpeg"), default="png", help="files of the copies")
    parser.add_argument("--learners", default=LEARNERS)
    parser.add_argument("--seeds", default="0,1,2")
    arguments = parser.parse_args()
    try:
        recognition(arguments)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    table = results.summary(results.read(arguments.out))
    grouped = table.groupby(["data", "epsilon", "method", "defence"], sort=False)
    print(grouped["peak"].agg(["count", "mean", "min", "max"]).join(grouped["final"].mean()).round(3).to_string())
    return 0


def recognition(arguments: argparse.Namespace) -> None:
    """Fill OUT/results.csv and OUT/run.json."""
    out, originals = arguments.out, arguments.people / "train"
    asked = JudgeConfig(learners=arguments.learners, seeds=arguments.seeds, network=RECOGNISER)
    identity = {"people": str(arguments.people), "noises": arguments.noises, "sides": arguments.sides}
    if arguments.format != "png":
        identity["format"] = arguments.format
    with run_folder.opened(out, "recognition", identity | asked.identity(), resume=True, again=True) as run:
        run.note(device=device.describe(device.pick("auto")))
        found: list[pd.DataFrame] = []
        for noise in arguments.noises:
            method, _, epsilon = noise.partition(":")
            copies = out / f"copies-{method}-{epsilon}"
            with run.stage(f"protect {noise}"):
                protect(originals, copies, ProtectConfig(method=method, epsilon=int(epsilon), format=arguments.format))
            for side in arguments.sides:
                read = folders.read(originals, copies, arguments.people / "test", side=side)
                kind = "" if arguments.format == "png" else ", JPEG copies"
                data = f"{len(read.train.classes)} people, {side} pixels{kind}"
                made = results.Identity(
                    "", data, method, kind="samplewise", epsilon=int(epsilon), protected_fraction=1.0
                )
                with run.stage(f"judge {noise} {side}"):
                    score = judgement.judge(
                        asked, Case(read.pair, read.train, made), out / f"{method}-{epsilon}-{side}"
                    )
                found.append(score.rows.assign(data=data))  # what clean photos give may have been measured before
                results.write(results.merged(found), out)


if __name__ == "__main__":
    sys.exit(main())
