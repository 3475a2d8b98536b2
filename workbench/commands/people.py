"""`workbench protect`, `app`: people's own photos and recordings."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from workbench import progress
from workbench.apps.recordings.settings import LAID, RecordingsConfig
from workbench.commands.arguments import add_settings
from workbench.commands.table import DONE, Parser, Run, command
from workbench.config import ConfigError, ProtectConfig

PHOTOS, RECORDINGS = ("epsilon", "where", "format"), ("budget_db", "shape")  # options of one kind alone


@command(
    "make copies of people's photos or recordings that are harder to learn from", "photos photos-to-post --self-test"
)
def protect(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench protect`"""
    what = "a photo or recording, a folder (one folder a person) or a .zip"
    parser.add_argument("input", type=Path, metavar="INPUT", help=what)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="new folder for the copies; the same goes on")
    add_settings(parser, ProtectConfig)
    parser.add_argument(
        "--budget-db", type=int, metavar="DB",
        help=f"recordings: the budget in dB under a recording's own peak (default: {RecordingsConfig.epsilon})",
    )  # fmt: skip
    parser.add_argument("--shape", choices=LAID, help=f"recordings: of the budget (default: {RecordingsConfig.shape})")
    parser.set_defaults(**{entry.name: None for entry in fields(ProtectConfig)})  # what is asked for says the kind
    parser.add_argument(
        "--self-test", action="store_true", help="then train recognisers on originals and copies and say what they know"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind in the self-test (default: 3)")
    parser.add_argument("--people", type=Path, metavar="FILE.csv", help="who is on which photo: see `workbench group`")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="also write the self-test as a page to keep")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.apps.photos import grouping, proof
        from workbench.apps.recordings import kinds
        from workbench.files.atomic import check_new, write_new

        if arguments.report and not arguments.self_test:
            raise ConfigError("--report is a page about the self-test: add --self-test")
        if arguments.seeds < 1:
            raise ConfigError(f"seeds is {arguments.seeds}: it must be at least 1")
        if arguments.report:
            check_new(arguments.report)
        asked = {name for name in (*PHOTOS, *RECORDINGS) if getattr(arguments, name) is not None}
        if asked & {*PHOTOS} and asked & {*RECORDINGS}:
            one, other = (next(iter(sorted(asked & {*names}))) for names in (PHOTOS, RECORDINGS))
            raise ConfigError(f"--{one} is for photos, --{other.replace('_', '-')} for recordings: give one of them")
        sound = bool(asked & {*RECORDINGS}) or (not asked and kinds.of(arguments.input) is kinds.RECORDINGS)
        config, tested = _settings(arguments, RecordingsConfig if sound else ProtectConfig), None
        what = (kinds.RECORDINGS if sound else kinds.PHOTOS).what
        quiet = arguments.json and progress.mode() == "lines"  # whose lines would stand before the JSON
        with progress.shown_as("off" if quiet else progress.mode()):
            people = grouping.read(arguments.people) if arguments.people else None
            report = kinds.protect(arguments.input, arguments.output, config, people)
            if not arguments.json:
                print(report.in_words())
                safe = "Now they are tested; the copies are safe, so stop it with Ctrl-C as you like."
                print(safe if arguments.self_test else f"Measure it on these {what}s: --self-test.", flush=True)
            if arguments.self_test:
                told = None if arguments.json else (lambda found: print(f"\n{found.sentences[0]}", flush=True))
                tested = kinds.self_test(
                    arguments.input, arguments.output, config, people=people, seeds=arguments.seeds, told=told
                )
                if arguments.report:
                    write_new(arguments.report, proof.page(tested, arguments.output))
        if arguments.json:
            found = asdict(report)
            if tested:
                found |= {"self_test": tested.sentences, "existing_recogniser": tested.known.to_dict("records")}
            print(json.dumps(found, indent=2))
        elif tested:
            print(f"\nDoes it work on these {what}s?\n{tested.in_words()}")
        return DONE

    return run


def _settings(arguments: argparse.Namespace, kind: type[Any]) -> Any:
    """What is asked for of a configuration, whose own defaults hold for the rest."""
    given = {**vars(arguments), "epsilon": arguments.epsilon if arguments.budget_db is None else arguments.budget_db}
    names = (entry.name for entry in fields(kind))
    return kind(**{name: given[name] for name in names if given.get(name) is not None})


@command("sort an album by person, for `protect --people`", "album people.csv")
def group(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench group`"""
    parser.add_argument("input", type=Path, metavar="INPUT", help="a folder of photos or a .zip")
    parser.add_argument("output", type=Path, metavar="FILE.csv", help="new table, to correct by hand, beside a page")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.apps.photos import grouping

        found = grouping.group(arguments.input)
        page = grouping.write(found, arguments.output)
        people = len({one.person for one in found if one.face is not None})
        faceless = sum(one.face is None for one in found)
        print(f"people: {people}, photos: {len(found)}, without a face: {faceless}")
        print(f"Look at {page}, correct the column `person` of {arguments.output} where it is wrong, then:")
        print(f"workbench protect {arguments.input} COPIES --people {arguments.output}")
        return DONE

    return run


@command("the application for your own photos, on this machine", "--port 8866")
def app(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench app`"""
    parser.add_argument("--port", type=int, default=8866, help="port on 127.0.0.1, 0: any free (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.apps import server

        return server.serve(arguments.port, open_browser=not arguments.no_browser)

    return run
