"""Noise on whole photos against noise by the face alone, for recognisers that see the photo or cut the face out.

    python experiments/bench/where.py PEOPLE --out runs/where

PEOPLE holds train/ and test/, one folder a person, of photos that a face fills (the AT&T faces). Each is set, at its
own size, at a drawn place of a photograph three times as wide and high (those that scikit-learn ships, or a plain
wall). `protect` makes copies of the scenes of train/ with --where whole and with --where faces, and the judge's
learners are trained on them: on the whole scene, and on the face where it was set in (a learner who cuts it out).
Writes OUT/faces_where.csv.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from workbench.apps.photos.protect import protect
from workbench.apps.photos.working_set import RECOGNISER, thumbnail
from workbench.config import ProtectConfig, WorkbenchError
from workbench.data.dataset import DataPair, Dataset
from workbench.files import atomic
from workbench.judging import judgement
from workbench.judging.config import JudgeConfig
from workbench.judging.trial import Case
from workbench.records import table

TIMES = 3  # how much wider and higher a scene is than the face
LEARNERS = {"the face": "none,adamw,jpeg-75", "the scene": "none,adamw"}
Place = tuple[int, int, int, int]


def main() -> int:
    """Set in, protect, judge; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default=ProtectConfig().method)
    parser.add_argument("--epsilon", type=int, default=15)
    parser.add_argument("--seeds", default="0,1,2")
    arguments = parser.parse_args()
    try:
        found = measured(arguments)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 2
    atomic.write_atomically(arguments.out / "faces_where.csv", found.round(4).to_csv(index=False))
    print(found.round(3).to_string(index=False))
    return 0


def measured(arguments: argparse.Namespace) -> pd.DataFrame:
    """One row per view, place of the noise and learner."""
    out = arguments.out
    places = {part: set_in(arguments.people / part, out / part, seed) for seed, part in enumerate(("train", "test"))}
    rows = []
    for where in ("whole", "faces"):
        copies = out / f"copies-{where}"
        protect(out / "train", copies, ProtectConfig(arguments.method, arguments.epsilon, where=where))
        for view, learners in LEARNERS.items():
            cut = view == "the face"
            train, test = (read(out / part, places[part] if cut else {}, places[part]) for part in ("train", "test"))
            published = read(copies, places["train"] if cut else {}, places["train"])
            made = table.Identity("", f"scenes, {view}", arguments.method, "samplewise", arguments.epsilon)
            asked = JudgeConfig(learners=learners, seeds=arguments.seeds, network=RECOGNISER)
            case = Case(DataPair(train, test), published, made)
            score = judgement.judge(asked, case, out / f"judged-{where}-{view[4:]}", store=out / "originals")
            shown = score.learners[["learner", "ceiling", "protected", "low", "high", "seeds"]]
            rows.append(
                shown.assign(noise_on=where, learner_sees=view, epsilon=arguments.epsilon, changed=share(out, where))
            )
    return pd.concat(rows)[
        ["learner_sees", "noise_on", "epsilon", "learner", "ceiling", "protected", "low", "high", "seeds", "changed"]
    ]


def set_in(people: Path, scenes: Path, seed: int) -> dict[str, Place]:
    """Set every photo of `people` into a scene, written as PNG into `scenes`; give its place by the scene's name."""
    draw = np.random.default_rng(seed)
    grounds = [np.asarray(Image.fromarray(pixels).convert("L")) for pixels in load_sample_images().images]
    grounds.append(np.full(grounds[0].shape, 200, np.uint8))  # a wall
    places: dict[str, Place] = {}
    for file in sorted(path for path in people.rglob("*") if path.suffix in (".pgm", ".png", ".jpg")):
        face = np.asarray(Image.open(file).convert("L"))
        height, width = face.shape
        ground = grounds[draw.integers(len(grounds))]
        top, left = (
            draw.integers(0, room + 1) for room in (ground.shape[0] - TIMES * height, ground.shape[1] - TIMES * width)
        )
        scene = ground[top : top + TIMES * height, left : left + TIMES * width].copy()
        down, across = (int(draw.integers(0, (TIMES - 1) * side + 1)) for side in (height, width))
        scene[down : down + height, across : across + width] = face
        name = file.relative_to(people).with_suffix(".png").as_posix()
        places[name] = (across, down, across + width, down + height)
        if not (scenes / name).exists():
            atomic.make((scenes / name).parent)
            with atomic.creating(scenes / name) as made:
                Image.fromarray(scene).save(made, "PNG")
    return places


def read(folder: Path, places: dict[str, Place], names: dict[str, Place]) -> Dataset:
    """Scenes, or what lies at their places, as a recogniser gets them: uint8 N×1×64×64."""
    pictures = (Image.open(folder / name).convert("L") for name in names)
    cut = [picture.crop(places[name]) if places else picture for picture, name in zip(pictures, names, strict=True)]
    samples = np.stack([thumbnail(np.asarray(one)[:, :, None]) for one in cut])
    people = sorted({name.partition("/")[0] for name in names})
    labels = torch.tensor([people.index(name.partition("/")[0]) for name in names])
    return Dataset(torch.from_numpy(samples).permute(0, 3, 1, 2), labels, tuple(people), tuple(names), source="folder")


def share(out: Path, where: str) -> float:
    """The mean share of a scene's pixels that are changed."""
    found = []
    for file in sorted((out / f"copies-{where}").rglob("*.png")):
        before = np.asarray(Image.open(out / "train" / file.relative_to(out / f"copies-{where}")).convert("L"))
        found.append(float(np.mean(before != np.asarray(Image.open(file).convert("L")))))
    return float(np.mean(found))


if __name__ == "__main__":
    sys.exit(main())
