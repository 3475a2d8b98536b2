"""The judgement as a recorded stage: opens its folder, lets the learners try, leaves tables, score and figure."""

from pathlib import Path
from typing import Any

from workbench import figures, models, registry, stages
from workbench.config import DataConfig, DataError, VictimConfig
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.files.layout import check_output
from workbench.judging import judgement, learners, trial
from workbench.judging.config import JudgeConfig
from workbench.judging.score import Score
from workbench.judging.trial import Case
from workbench.noise.perturbation import Perturbation
from workbench.progress import say
from workbench.records import run_folder, table
from workbench.victim.exposure import expose

FIGURE, FOREIGN = "learners", "foreign"  # the latter: whatever tool protected two folders


def of_noise(config: JudgeConfig, noise: Path | None, out: Path, **how: Any) -> Score:
    """Judge a data set with the noise in a run's folder or a bare file; without noise, the data as it is."""
    check(config)
    stages.data_name(config)
    check_output(config.data, out)
    _check_free(config, out, how)
    found = stages.find_noise(noise)
    data = sources.load(config)
    data.layout.tell(config.data)
    return judged(config, case_of(config, data, found), out, **how)


def of_folders(config: JudgeConfig, original: Path, protected: Path, test: Path | None, out: Path, **how: Any) -> Score:
    """Judge two folders of pictures, one folder a class, as whatever tool protected them."""
    from workbench.judging import folders

    check(config)
    for folder in (original, protected):
        check_output(f"folder:{folder}", out)
    _check_free(config, out, how)
    found = folders.read(original, protected, test, side=config.side, seed=config.seed)
    for sentence in found.said:
        say(sentence)
    return judged(config, case_of(config, found.pair, found.train), out, **how)


def check(config: JudgeConfig) -> None:
    """Raise ConfigError for a network, a learner or data elsewhere that there is not, before anything is read."""
    models.check_name(config.network)
    for name in config.names:
        learners.named(name)
    registry.check_shared(network=config.network, defence="+".join(config.names))
    if config.elsewhere:
        registry.check("data", config.elsewhere.partition(":")[0])


def case_of(config: JudgeConfig, data: DataPair, found: Perturbation | Dataset | stages.Found | None) -> Case:
    """Data with noise, or as they were published, as a case to judge. Raises DataError when both do not fit."""
    if isinstance(found, Dataset):
        made = table.Identity("", data.name, FOREIGN, "samplewise", protected_fraction=1.0)
        same = (found.samples.shape, found.classes) == (data.train.samples.shape, data.train.classes)
        if not same or not bool((found.labels == data.train.labels).all()):
            raise DataError(f"{found!r} is not published of {data.train!r}: give as many samples with the same labels")
        return Case(data, found, made, elsewhere_of(config))
    found = stages.Found(found, None) if isinstance(found, Perturbation) else found
    victim = VictimConfig(data=data.name, seed=config.seed)
    exposed = expose(data.train, found.noise if found else None, victim)
    made = stages.row_identity(victim, data, "", found, exposed)
    return Case(data, exposed.data, made, elsewhere_of(config))


def elsewhere_of(config: JudgeConfig) -> DataPair | None:
    """The clean data of other classes that a learner may know before."""
    return sources.load(DataConfig(data=config.elsewhere, seed=config.seed)) if config.elsewhere else None


def judged(
    config: JudgeConfig, case: Case, out: Path, *, workers: int = 0, store: Path | None = None,
    watching: judgement.Watching | None = None, **how: Any,
) -> Score:  # fmt: skip
    """Judge, and leave run.json, results.csv, judge.csv, score.json and the figure in `out`."""
    check(config)
    identity = identity_of(config)
    how["data_fingerprint"], how["made_from"] = case.pair.train.fingerprint, trial.fingerprint(case.pair, case.train)
    with run_folder.opened(out, "judge", identity, again=True, **how) as run:
        with run.stage("judge"):
            more = {"store": store, "workers": workers, "reuse": how.get("reuse", False), "watching": watching}
            score = judgement.judge(config, case, out, **more)
        run.note(chance=score.chance)
        table.write(score.rows, out)
        score.save(out)
        figures.save(figures.learners(score.learners, score.chance), out / "figures", FIGURE)
    return score


def identity_of(config: JudgeConfig) -> dict[str, Any]:
    """What a judgement is known by, the code of one's own included."""
    own = registry.sources(network=config.network, defence="+".join(config.names))
    return config.identity() | ({"sources": own} if own else {})


def _check_free(config: JudgeConfig, out: Path, how: dict[str, Any]) -> None:
    """Raise DataError when `out` cannot take this judgement, before anything is read or said."""
    run_folder.check_free(
        out, "judge", identity_of(config), resume=how.get("resume", False), wait=how.get("wait", False)
    )
