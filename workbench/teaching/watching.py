"""A judgement to watch: the curves of all learners grow while they train."""

import time
from typing import Any

import pandas as pd

from workbench import figures
from workbench.judging.score import Score
from workbench.judging.trial import PUBLISHED, Trial
from workbench.progress import watched
from workbench.records import table
from workbench.study import Made, Study

PAUSE = 1.0  # seconds between two drawings, which take their time from the learners


def judge(study: Study, made: Made, name: str, **asked: Any) -> Score:
    """Judge as study.judge does, and show the learners' curves, for a person while they grow; keep them as `name`.

    asked: as study.judge takes it. Learners who are done already are drawn at the end.
    """
    place, points, drawn = f"{study.out}/{name}", [], 0.0

    def told(one: Trial, share: float, reached: float) -> None:
        nonlocal drawn
        mine = made.name if one.side == PUBLISHED else ("clean", "none")
        identity = table.Identity(
            one.side, study.pair.name, *mine, made.noise.epsilon if one.side == PUBLISHED else 0,
            victim=one.config.victim, defence=one.learner.name, seed=one.config.seed,
        )  # fmt: skip
        epoch = round(share * (one.config.epochs or 1))
        point = {"epoch": epoch, "split": "test", "metric": "accuracy", "value": reached}
        points.append(table.table(identity, [point]))
        if time.monotonic() - drawn > PAUSE:
            figures.show(figures.learning(pd.concat(points), study.chance), display_id=place, update=drawn > 0)
            drawn = time.monotonic()

    score = study.judge(made, watching=told if watched() else None, **asked)
    figure = figures.learning(score.rows, study.chance)
    figures.save(figure, study.out / "figures", name)
    figures.show(figure, display_id=place, update=drawn > 0)
    return score
