"""A class's noises on one board: every file is held to the same rules, judged by the same learners, and ranked."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workbench import device, figures, noise, stages
from workbench.budgets import budget_name
from workbench.config import DataError, check_choice
from workbench.data import sources
from workbench.data.dataset import DataPair, Dataset
from workbench.files import tree
from workbench.files.atomic import write_atomically
from workbench.files.layout import check_output
from workbench.files.untrusted import one_line
from workbench.judging import stage, trial
from workbench.judging.config import BoardConfig, JudgeConfig
from workbench.judging.pairs import check_folder
from workbench.judging.trial import Case
from workbench.noise.perturbation import FILE_NAME, Perturbation
from workbench.progress import say
from workbench.records import run_folder, table
from workbench.records.foreign_table import NAME

COMMAND, TABLE, FIGURE = "class-board", "board.csv", "leaderboard"
CONTROL = "random"
TAKEN = (CONTROL, "clean", "none")  # names of what stands on every board, and of what the tidy table calls no noise
LONGEST = 40  # characters of a name, which must fit beside a figure
HEADER = 2**20  # bytes of a noise file beside its numbers, generously
COLUMNS = (
    "place", "name", "worst", "low", "high", "final", "binding", "ceiling", "clean_best", "retained", "kind", "epsilon",
    "largest", "learners", "seeds",
)  # fmt: skip


class Skipped(NamedTuple):
    """A file that is not judged, by its name below the folder, and why, on one line."""

    file: str
    why: str


@dataclass(frozen=True)
class Board:
    """What came out. table: board.csv, one row per noise, the smallest worst case first, `largest` the largest measured
    change in whole steps; rows: the tidy table of all trainings, `method` the submission's name; sentences: one per
    noise.
    """

    table: pd.DataFrame
    rows: pd.DataFrame
    skipped: tuple[Skipped, ...]
    sentences: tuple[str, ...]
    chance: float


def class_board(folder: str | Path, out: str | Path, *, workers: int = 0, **settings: Any) -> Board:
    """Judge every noise in a folder by one set of rules, as `workbench class-board` does.

    settings: fields of BoardConfig (data=…, epsilon=…, learners=…, seeds=[0, 1]). Raises a WorkbenchError of one line.
    """
    for name in settings:
        check_choice("setting", name, sorted(entry.name for entry in fields(BoardConfig)))
    if not isinstance(seeds := settings.get("seeds", ""), str):
        settings["seeds"] = ",".join(map(str, seeds))
    return judged(BoardConfig(**settings), Path(folder), Path(out), workers=workers)


def judged(config: BoardConfig, folder: Path, out: Path, *, workers: int = 0, reuse: bool = False) -> Board:
    """Judge the noises in `folder`, and leave run.json, results.csv, board.csv and the figure in `out`.

    What cannot be judged is named and skipped. What was judged before is read back, whatever it was called. Raises
    DataError where nothing is left to judge.
    """
    stage.check(config)
    control = noise.resolved(config.control, stages.data_name(config))
    check_folder(folder, "submissions")
    check_output(config.data, out)
    tree.check_apart(out, folder)
    run_folder.check_free(out, COMMAND, config.identity(), resume=True)
    data = sources.load(config)
    data.layout.tell(config.data)
    found, skipped = collected(folder, config, data)
    for file, why in skipped:
        say(f"{file} is skipped: {why}")
    if not found:
        raise DataError(f"{folder} holds no noise that can be judged: hand in NAME/{FILE_NAME} or NAME.safetensors")
    names = {CONTROL: noise.make(control, data.train)[0]} | {name: folder / file for name, file in found.items()}
    how: dict[str, Any] = {"data_fingerprint": data.train.fingerprint, "resume": True, "reuse": reuse, "again": True}
    with run_folder.opened(out, COMMAND, config.identity(), **how) as run:
        with run.stage("judge"):
            parts = [
                _judged(config, data, name, given, out, workers=workers, reuse=reuse) for name, given in names.items()
            ]
        run.note(chance=1 / len(data.train.classes), device=device.describe(device.pick(config.device)))
        board = _board(parts, skipped, 1 / len(data.train.classes))
        table.write(board.rows, out)
        write_atomically(out / TABLE, board.table.to_csv(index=False, lineterminator="\n"))
        figures.save(figures.leaderboard(board.rows, board.chance), out / "figures", FIGURE)
    return board


def collected(folder: Path, config: BoardConfig, data: DataPair) -> tuple[dict[str, str], list[Skipped]]:
    """The files of the noises to judge by the names of who handed them in, and what is skipped.

    Only files that are called as noise is are opened, and links are not followed. The order in which a system lists
    files changes nothing.
    """
    walk = tree.walk(folder)
    files = tree.images(walk.files, {Path(FILE_NAME).suffix})
    skipped = [Skipped(one_line(one.name), one.reason) for one in walk.left if one.reason in tree.SAID]
    skipped += [Skipped(one_line(name), "no noise file") for name in walk.files if name not in files]
    found: dict[str, str] = {}
    published: dict[str, str] = {}
    for file in files:
        name = _named(file)
        try:
            _check_name(name, found)
            key = _key(data, _published(folder / file, config, data)[1])
            if key in published:
                raise DataError(f"it is the same noise as that of {published[key]}")
        except DataError as error:
            skipped.append(Skipped(one_line(file), one_line(error, 400)))
            continue
        found[name], published[key] = file, name
    return found, skipped


def _named(file: str) -> str:
    """Whose a file is: of NAME/noise.safetensors and of NAME.safetensors NAME."""
    above, _, last = file.rpartition("/")
    return above if above and last == FILE_NAME else file[: -len(Path(FILE_NAME).suffix)]


def _check_name(name: str, found: dict[str, str]) -> None:
    if len(name) > LONGEST or not NAME.fullmatch(name) or name in TAKEN:
        raise DataError(
            f"its name must be letters, digits and -, at most {LONGEST} of them, and none of {', '.join(TAKEN)}"
        )
    if name in found:
        raise DataError(f"{name} handed in {found[name]} already: leave one")


def _published(path: Path, config: BoardConfig, data: DataPair) -> tuple[Perturbation, Dataset]:
    """A noise that keeps the rules, and the training samples with it. Raises DataError."""
    train = data.train
    most = 2 * max(len(train), len(train.classes)) * train.samples[0].numel() + HEADER
    if path.stat().st_size > most:
        raise DataError(f"it is larger than any noise for {data.name} ({most >> 20} MiB)")
    made = Perturbation.load(path)
    if made.space != train.space or made.epsilon > config.epsilon:
        given, allowed = budget_name(made.epsilon), budget_name(config.epsilon)
        raise DataError(f"its budget is {given}: {allowed} is allowed")
    rows = len(train.classes) if made.kind == "classwise" else len(train)
    if made.delta.shape != (expected := (rows, *train.samples.shape[1:])):
        shapes = ["×".join(map(str, shape)) for shape in (made.delta.shape, expected)]
        raise DataError(f"its {made.kind} noise is {shapes[0]}, and of {data.name} it must be {shapes[1]}")
    return made, replace(train, samples=made.apply(train))


def _key(data: DataPair, published: Dataset) -> str:
    return trial.fingerprint(data, published)


def _judged(
    config: BoardConfig, data: DataPair, name: str, given: Path | Perturbation, out: Path, **how: Any
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The tidy rows of one noise's judgement under its name, and what the board says of it besides."""
    made = given if isinstance(given, Perturbation) else _published(given, config, data)[0]
    say(f"judging {name}")
    own = JudgeConfig(**{entry.name: getattr(config, entry.name) for entry in fields(JudgeConfig)})
    case: Case = stage.case_of(own, data, made)
    folder = out / "judged" / _key(data, case.train)
    score = stage.judged(own, case, folder, resume=True, **how)
    rows = score.rows.assign(method=score.rows["method"].where(score.rows["method"] == "clean", name))
    bound = score.learners[(score.learners["tier"] == "alone") & score.learners["binding"]]
    change = (case.train.samples.int() - data.train.samples.int()).abs().max()
    return rows, {"name": name, "final": bound["final"].max(), "largest": int(change)}


def _board(parts: Sequence[tuple[pd.DataFrame, dict[str, Any]]], skipped: Sequence[Skipped], chance: float) -> Board:
    rows = table.merged(rows for rows, _ in parts)
    ranked = figures.scores(rows, chance).rename(columns={"method": "name"})
    ranked = ranked.merge(pd.DataFrame([facts for _, facts in parts]), on="name")
    ranked.insert(0, "place", range(1, len(ranked) + 1))
    sentences = figures.verdicts(rows, chance)
    return Board(ranked[list(COLUMNS)], rows, tuple(skipped), tuple(sentences), chance)
