"""`workbench noise`, `train`, `export`, `verify`: one stage each, on one data set."""

import argparse
import dataclasses
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.budgets import QUIETEST, SHAPES, USUAL_DB, budget_in_words
from workbench.catalogue import DATA
from workbench.commands.arguments import add_own_options, add_run_folder, add_settings
from workbench.commands.table import DONE, NO, Parser, Run, command, config_of, print_summary
from workbench.config import LARGEST_EPSILON, OUTSIDE, ConfigError, DataConfig, NoiseConfig, VictimConfig
from workbench.files.untrusted import one_line
from workbench.progress import say, watched


@command("search noise for a data set", "--data photo-digits --kind classwise --out runs/noise")
def noise(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench noise`"""
    add_settings(parser, NoiseConfig)
    add_decibels(parser)
    add_run_folder(parser)
    options = add_own_options(parser, words)

    def run(arguments: argparse.Namespace) -> int:
        _begin(arguments.data)
        from workbench import stages
        from workbench.records import run_folder

        own = [entry.name for entry in dataclasses.fields(options)] if options else []
        given = {name: getattr(arguments, name) for name in own if getattr(arguments, name) is not None}
        common = {entry.name: getattr(arguments, entry.name) for entry in dataclasses.fields(NoiseConfig)[:-1]}
        common["epsilon"] = budget(arguments, words)
        config = NoiseConfig(**common, options=given)
        found = stages.make_noise(config, arguments.out, resume=arguments.resume, reuse=arguments.reuse)
        record = run_folder.read(arguments.out)
        print(f"{found.method} {found.kind} noise within {budget_in_words(found.epsilon)} in {arguments.out} ", end="")
        print(f"({record.seconds.get('noise', 0):.0f} s, {record.image_passes or 0:,} image passes)")
        same = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in _of_data(config).items()]
        print("next, a victim and its clean twin, each with a folder of its own:")
        print(" ".join(["  workbench train", *same, "--noise", shlex.quote(str(arguments.out)), "--out runs/victim"]))
        print(" ".join(["  workbench train", *same, "--out runs/clean"]))
        return DONE

    return run


def add_decibels(parser: Parser) -> None:
    """Add --budget-db, beside --epsilon."""
    parser.add_argument(
        "--budget-db", type=int, metavar="DB",
        help=f"recordings: the budget in dB under each clip's peak, as in {USUAL_DB}, which is the default",
    )  # fmt: skip


def budget(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """The budget asked for, or the usual one of the data's space. Raises ConfigError for one of each kind."""
    given = any(word.partition("=")[0] == "--epsilon" for word in words)
    if given and arguments.epsilon < 0:
        raise ConfigError(
            f"epsilon is {arguments.epsilon}: it must be in 0..{LARGEST_EPSILON} (recordings: --budget-db)"
        )
    if arguments.budget_db is None:
        entry = DATA.get(arguments.data.partition(":")[0])
        return USUAL_DB if entry and entry.space == "audio" and not given else arguments.epsilon
    if given:
        raise ConfigError("--epsilon is the budget of images, --budget-db that of recordings: give one of them")
    return _check_decibels(arguments.budget_db)


def _check_decibels(given: int) -> int:
    if not QUIETEST <= given < 0:
        raise ConfigError(f"budget-db is {given}: it must be in {QUIETEST}..-1, as in {USUAL_DB}")
    return given


def _begin(data: str) -> None:
    """Tell who watches that work has begun: loading libraries and data takes seconds, on a busy machine a minute."""
    if watched():
        say(f"loading the libraries and {one_line(data)}")


def _of_data(config: DataConfig) -> dict[str, Any]:
    """What a victim of this noise must be given too: the settings of the data that are not as usual."""
    usual = {entry.name: entry.default for entry in dataclasses.fields(DataConfig)}
    return {name: getattr(config, name) for name in usual if name == "data" or getattr(config, name) != usual[name]}


@command(
    "train a victim, with or without noise; test on clean data",
    "--data photo-digits --noise runs/noise --out runs/victim",
)
def train(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench train`"""
    add_settings(parser, VictimConfig)
    parser.add_argument(
        "--noise", type=Path, metavar="DIR|FILE", help="a `workbench noise` run, or its noise file (default: clean)"
    )
    parser.add_argument(
        "--start", type=Path, metavar="DIR", help="go on from the network of this `workbench train` run"
    )
    add_run_folder(parser)

    def run(arguments: argparse.Namespace) -> int:
        _begin(arguments.data)
        from workbench import stages
        from workbench.records import run_folder

        config, how = config_of(VictimConfig, arguments), {"resume": arguments.resume, "reuse": arguments.reuse}
        rows = stages.train_victim(config, arguments.noise, arguments.out, start=arguments.start, **how)
        print_summary(rows, run_folder.read(arguments.out).chance)
        return DONE

    return run


@command(
    "write protected images as PNG files with a manifest", "--data photo-digits --noise runs/noise --out protected"
)
def export(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench export`"""
    add_settings(parser, DataConfig)
    parser.add_argument(
        "--noise", type=Path, metavar="DIR|FILE", help="a `workbench noise` run, or its noise file (default: unchanged)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder for the images")
    parser.add_argument(
        "--official-export", action="store_true", help="one-sided noise, as the 2021 code exported (weaker)"
    )

    def run(arguments: argparse.Namespace) -> int:
        from workbench import stages

        config = config_of(DataConfig, arguments)
        manifest = stages.export(config, arguments.noise, arguments.out, official=arguments.official_export)
        if manifest.get("space") == "audio":
            peaks = [entry["peak_db"] for entry in manifest["files"] if entry["peak_db"] is not None]
            most = f"{max(peaks):.2f} dB under their peaks" if peaks else "nothing"
            print(f"{len(manifest['files'])} recordings in {arguments.out}, changed by at most {most} as decoded")
            return DONE
        largest = max(entry["linf"] for entry in manifest["files"])
        print(f"{len(manifest['files'])} images in {arguments.out}, changed by at most {largest} of 255 as decoded")
        return DONE

    return run


@command("measure every protected file against its original", "photos protected")
def verify(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench verify`"""
    parser.add_argument("original", type=Path, metavar="ORIGINAL", help="folder or .zip of the originals")
    parser.add_argument("protected", type=Path, metavar="PROTECTED", help="folder or .zip of the protected copies")
    parser.add_argument("--epsilon", type=int, help="bound in pixel values of 255 (default: the manifest's, else 8)")
    parser.add_argument("--budget-db", type=int, metavar="DB", help="recordings: the budget (default: the manifest's)")
    parser.add_argument("--shape", choices=SHAPES, help="recordings: of the budget (default: the manifest's)")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.export import verify, verify_sounds
        from workbench.export.write import MANIFEST
        from workbench.files.sound_kinds import is_sound
        from workbench.files.zips import as_folder

        if arguments.epsilon is not None and not 0 <= arguments.epsilon <= OUTSIDE:
            raise ConfigError(f"epsilon is {arguments.epsilon}: it must be in 0..{OUTSIDE}")
        if arguments.budget_db is not None:
            _check_decibels(arguments.budget_db)
        with as_folder(arguments.original) as original, as_folder(arguments.protected, MANIFEST) as protected:
            manifest = verify.read_manifest(protected)
            given = arguments.budget_db is not None or arguments.shape or is_sound(str(original))
            verdict: Any
            if given or manifest.get("space") == "audio":
                if arguments.epsilon is not None:
                    raise ConfigError("--epsilon is the budget of images: give --budget-db for recordings")
                verdict = verify_sounds.verify(
                    original, protected, manifest, arguments.budget_db, arguments.shape or ""
                )
            else:
                verdict = verify.verify(original, protected, arguments.epsilon)
        if arguments.json:
            print(json.dumps({"kept": verdict.kept, **asdict(verdict)}, indent=2))
        else:
            print(verdict.in_words())
        return DONE if verdict.kept else NO

    return run
