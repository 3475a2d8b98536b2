"""How the command line reads its arguments: options from the configurations, refusals of one line."""

import argparse
import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from workbench.config import ConfigError, accepted_types, check_choice

BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one line on stderr, with the nearest valid option."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but a command refuses its own unknown options."""
        found, rest = super().parse_known_args(args, namespace)
        if rest and rest[0].startswith("-"):
            try:
                check_choice("option", rest[0].split("=")[0], self._option_string_actions)
            except ConfigError as refusal:
                self.error(str(refusal).partition(" There are")[0])
        return found, rest


def add_command(commands: Any, name: str, run: Callable[..., int], text: str, example: str) -> argparse.ArgumentParser:
    """Add a command with its one line of help and its example."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"example: workbench {name} {example}"
    )
    made.set_defaults(run=run)
    return made


def add_run_folder(command: argparse.ArgumentParser) -> None:
    """Add --out and --resume."""
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run in --out")


def add_settings(command: argparse.ArgumentParser, kind: type) -> None:
    """Add an option for every field of a configuration, with its line of documentation."""
    for entry in dataclasses.fields(kind):
        readers = [member for member in accepted_types(_hint(kind, entry.name)) if member is not type(None)]
        shown = "by data set" if entry.default is None else entry.default
        command.add_argument(
            f"--{entry.name.replace('_', '-')}",
            default=entry.default,
            help=f"{entry.metadata['help']} (default: {'none' if shown == '' else shown})".replace("%", "%%"),
            **({"action": "store_true"} if readers == [bool] else {"type": readers[0]}),
        )


def _hint(kind: type, name: str) -> Any:
    return typing.get_type_hints(kind)[name]
