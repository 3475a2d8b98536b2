"""`workbench judge`: can this data still be learnt from?"""

import argparse
import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from workbench.commands.arguments import add_reuse, add_settings
from workbench.commands.stages import add_decibels, budget
from workbench.commands.table import DONE, Parser, Run, command, config_of
from workbench.config import ConfigError
from workbench.progress import shown_as, watched


@command("list who may try to learn in a judgement", "--json")
def learners(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench learners`"""
    parser.add_argument("--json", action="store_true", help="print all facts as JSON")

    def run(arguments: argparse.Namespace) -> int:
        from workbench.judging.learners import known

        if arguments.json:
            print(json.dumps({name: one.facts for name, one in known().items()}, indent=2))
        else:
            for name, one in known().items():
                print(f"{name:30}{one.panel:10}{one.units:5.3g}  {one.words}{one.needs}")
            print("\nname, smallest panel, cost in plain trainings; any defence by its name is a learner too")
        return DONE

    return run


@command(
    "can this data still be learnt from? one score for any noise, any two folders", "photos copies --out runs/judged"
)
def judge(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench judge`"""
    from workbench.judging.config import JudgeConfig

    parser.add_argument("original", nargs="?", type=Path, metavar="ORIGINAL", help="folder of the originals, by class")
    parser.add_argument(
        "protected", nargs="?", type=Path, metavar="PROTECTED", help="the same as some tool protected it"
    )
    parser.add_argument(
        "--test", type=Path, metavar="FOLDER", help="clean images to test on (default: a fifth held out)"
    )
    parser.add_argument("--noise", type=Path, metavar="DIR|FILE", help="noise for --data: a run's folder, or its file")
    add_settings(parser, JudgeConfig)
    parser.set_defaults(data="")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the judgement")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted judgement in --out")
    parser.add_argument("--workers", type=int, default=0, help="learners at once (default: as many as processors)")
    parser.add_argument("--json", action="store_true", help="print the score as JSON")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench.judging import folders, stage
        from workbench.sweep import judged

        config = config_of(JudgeConfig, arguments)
        given = (arguments.original, arguments.protected)
        how: dict[str, Any] = {"resume": arguments.resume, "reuse": arguments.reuse, "workers": arguments.workers}
        with shown_as("bar" if watched() else "off") if arguments.json else nullcontext():
            if arguments.data:
                if any(given) or arguments.test:
                    raise ConfigError("give --data (with --noise) or two folders, ORIGINAL and PROTECTED, not both")
                found = stage.of_noise(config, arguments.noise, arguments.out, **how)
            elif not all(given) or arguments.noise:
                raise ConfigError(
                    "what is to be judged? Give two folders, ORIGINAL and PROTECTED, or --data and --noise"
                )
            elif not folders.has_classes(given[0]):
                measured = folders.distances(*given)
                print(json.dumps(measured._asdict(), indent=2) if arguments.json else measured.in_words())
                return DONE
            else:
                found = stage.of_folders(config, *given, arguments.test, arguments.out, **how)
        page = judged.page(arguments.out, found)
        if arguments.json:
            print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
        else:
            print(f"\n{judged.in_lines(found)}\n\n{found.sentence}\n\ntable, figure and report: {page}")
        return DONE

    return run


@command(
    "judge a class's noises by the same rules and draw the board; the same command goes on",
    "submissions --data photo-digits:2000 --learners none,grayscale,jpeg-10 --out runs/board",
    name="class-board",
)
def class_board(parser: Parser, words: Sequence[str]) -> Run:
    """`workbench class-board`"""
    from workbench.judging.config import BoardConfig

    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of the noises, each a NAME/noise.safetensors or a NAME.safetensors"
    )
    add_settings(parser, BoardConfig)
    add_decibels(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the board")
    parser.add_argument("--workers", type=int, default=0, help="learners at once (default: as many as processors)")
    add_reuse(parser)

    def run(arguments: argparse.Namespace) -> int:
        from workbench.judging import board
        from workbench.sweep import judged

        arguments.epsilon = budget(arguments, words)
        how: dict[str, Any] = {"workers": arguments.workers, "reuse": arguments.reuse}
        found = board.judged(config_of(BoardConfig, arguments), arguments.folder, arguments.out, **how)
        page = judged.board_page(arguments.out, found)
        print(f"\n{judged.board_in_lines(found)}\n\ntable, figure and report: {page}")
        return DONE

    return run
