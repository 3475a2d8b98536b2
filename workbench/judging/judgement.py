"""A judgement: all learners of a panel, every seed, on clean and on published data; what clean data gives is kept."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from workbench import models
from workbench.config import ConfigError
from workbench.data.dataset import DataPair
from workbench.files.atomic import remove_folder
from workbench.files.places import home
from workbench.judging import case_file, learners, pool, score, trial
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import Learner
from workbench.judging.score import Score
from workbench.judging.trial import CLEAN, PUBLISHED, Case, Trial
from workbench.progress import Progress, mode, say
from workbench.records import table
from workbench.victim import composed

Watching = Callable[[Trial, float, float], None]  # gets a trial, the share of it that is done, the accuracy now


def ceilings() -> Path:
    """Where what learners reach on clean data is kept, for all judgements."""
    return home() / "runs" / "ceilings"


def chosen(config: JudgeConfig, case: Case) -> list[Learner]:
    """The learners of a judgement. Raises ConfigError where none is left; says who cannot take part."""
    data = case.pair.train
    found = [learners.named(name) for name in config.names] or learners.of_panel(config.panel, config.network, data)
    able = []
    for one in found:
        if one.start and case.elsewhere is None:
            say(f"learner {one.name} is left out: it needs --elsewhere, clean data of other classes")
            continue
        try:
            _check(one, config, case)
        except ConfigError as error:
            if config.names:
                raise
            say(f"learner {one.name} is left out: {error}")
            continue
        able.append(one)
    if not able:
        raise ConfigError("no learner is left to judge by: name others with --learners")
    return able


def _check(learner: Learner, config: JudgeConfig, case: Case) -> None:
    """Raise ConfigError for a learner that makes no sense for this data."""
    made = learner.config(config.network, case.pair.train, seed=0, device=config.device, epochs=config.epochs)
    short = learner.side(case.pair.train) or case.pair.train.short
    models.check_fits(made.victim, short, case.pair.space.name)
    if lacks := models.lacking(made.victim):
        raise ConfigError(lacks)
    carries = torch.ones(len(case.train), dtype=torch.bool)
    composed.prepared(made.defence, case.train, carries, originals=case.pair.train)


def trials(config: JudgeConfig, case: Case, panel: Sequence[Learner], out: Path, store: Path) -> list[Trial]:
    """All trainings of a judgement, seed by seed, the dearest first."""
    data = {CLEAN: trial.fingerprint(case.pair), PUBLISHED: trial.fingerprint(case.pair, case.train)}
    where = {CLEAN: store, PUBLISHED: out / "learners"}
    before = f"+{trial.fingerprint(case.elsewhere)}" if case.elsewhere else ""  # what a learner may have learnt first
    found = []
    for seed in config.each_seed:
        for one in sorted(panel, key=lambda one: -one.units):
            how = one.config(config.network, case.pair.train, seed=seed, device=config.device, epochs=config.epochs)
            known = before if one.start else ""
            found += [Trial(one, side, how, data[side] + known, where[side]) for side in (CLEAN, PUBLISHED)]
    return found


def judge(
    config: JudgeConfig,
    case: Case,
    out: Path,
    *,
    store: Path | None = None,
    workers: int = 0,
    reuse: bool = False,
    label: str = "learners",
    watching: Watching | None = None,
) -> Score:
    """Let every learner of the panel try, and score what they reached; what is on disk already is read back.

    out: for the trainings on published samples; store: for those on clean ones (None: ceilings()); workers: processes
    (0: what the machine bears); reuse: take what other code trained as it is; label: of the progress; watching: is told
    every epoch's accuracy on clean test samples, in other threads. Same results for every number of workers.
    """
    case = replace(
        case,
        pair=DataPair(case_file.counted(case.pair.train), case_file.counted(case.pair.test)),
        train=case_file.counted(case.train),
    )
    panel = chosen(config, case)
    wanted = trials(config, case, panel, out, store or ceilings())
    left = [one for one in wanted if not one.done(reuse)]
    with ExitStack() as held:
        if left:
            whole, rest = (sum(map(_weight, some)) for some in (wanted, left))
            shown = Progress(label, whole, done=whole - rest)
            held.callback(shown.close)
            _learn(left, case, out, pool.workers_for(config.device, len(left), workers), shown, watching)
    rows = [table.read(one.folder) for one in wanted]
    sides = {part["run"].iloc[0]: one.side for part, one in zip(rows, wanted, strict=True)}
    return score.of(panel, table.merged(rows), sides, 1 / len(case.pair.train.classes), len(case.pair.test))


def _weight(one: Trial) -> int:
    """Steps of progress: ten a plain training."""
    return max(1, round(10 * one.learner.units))


def _learn(
    left: Sequence[Trial], case: Case, out: Path, workers: int, shown: Progress, watching: Watching | None
) -> None:
    say(f"{len(left)} trainings, {workers} at a time")
    lock, counted, in_lines = threading.Lock(), dict.fromkeys(left, 0), mode() == "lines"

    def told(one: Trial, share: float, reached: float | None, now: float | None) -> None:
        with lock:
            if watching and now is not None:
                watching(one, share, now)
            if in_lines and reached is None:
                return  # a line per epoch would be hundreds
            steps = round(share * _weight(one)) - counted[one]
            counted[one] += steps
            if steps or reached is not None:
                numbers = {} if reached is None else {f"{one.learner.name}_{one.side}": reached}
                shown.advance(steps, **numbers)

    folder = out / "case"
    case_file.write(case, folder)
    try:
        pool.run(left, folder, workers, told)
    finally:
        remove_folder(folder)
