"""How the command line reads its arguments: options from the configurations, refusals of one line."""

import argparse
import dataclasses
import itertools
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from workbench import catalogue, registry
from workbench.config import KINDS, LARGEST_EPSILON, ConfigError, NoiseConfig, accepted_types, check_choice, listed

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


def add_with(command: argparse.ArgumentParser) -> None:
    """Add --with, which every command has."""
    command.add_argument(
        "--with", dest="own_files", type=Path, metavar="FILE.py", action="append", default=[],
        help="run this Python file first: it registers methods, defences, networks or data of your own",
    )  # fmt: skip


def add_run_folder(command: argparse.ArgumentParser) -> None:
    """Add --out, --resume and --reuse."""
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run in --out")
    add_reuse(command)


def add_reuse(command: argparse.ArgumentParser) -> None:
    """Add --reuse."""
    command.add_argument("--reuse", action="store_true", help="read back what is complete even if other code made it")


def add_settings(command: Any, kind: type, *, without: Sequence[str] = ()) -> None:
    """Add an option for every documented field of a configuration."""
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        if entry.name in without or "help" not in entry.metadata:
            continue
        default = None if entry.default is dataclasses.MISSING else entry.default
        shown = {None: "by data set", "": "none"}.get(default, default) if not isinstance(default, bool) else default
        _add(command, entry, hints[entry.name], default, f"{_help(entry)} (default: {shown})")


def add_own_options(command: argparse.ArgumentParser, words: Sequence[str]) -> type | None:
    """Add the options of the method that the words of the command line ask for; return its Options.

    The files and the method named there are loaded, so help and refusals know the method's own options.
    """
    registry.load(_asked(words, "--with"))
    method = ([*_asked(words, "--method")] or [NoiseConfig.method])[-1]
    if "--method" not in " ".join(words) and not {"--help", "-h"}.isdisjoint(words):
        command.epilog = f"{command.epilog}; a method's own options: workbench noise --method NAME --help"
        return None
    from workbench import noise

    kind = noise.options_of(method)
    if kind is None or not dataclasses.fields(kind):
        return kind
    kinds, budgets = _asked(words, "--kind"), _asked(words, "--epsilon")
    shown: dict[str, Any] = {}
    if hasattr(kind, "defaults"):
        known: dict[str, Any] = {
            "kind": kinds[-1:] if kinds[-1:] and kinds[-1] in KINDS else [],
            "epsilon": _whole(budgets[-1:]),
        }
        usual = NoiseConfig.of(method=method, **{name: values[0] for name, values in known.items() if values})
        data = ([*_asked(words, "--data")] or [usual.data])[-1].partition(":")[0]
        shown = kind.defaults(usual, data)
    group = command.add_argument_group(f"options of {method}", catalogue.METHODS[method].words)
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        text = f"{_help(entry)} (default: {shown.get(entry.name, entry.default)})"
        _add(group, entry, hints[entry.name], None, text)
    return kind


def _help(entry: Any) -> str:
    text = str(entry.metadata.get("help", entry.name.replace("_", " ")))
    kind = {"surrogate": "network", "victim": "network"}.get(entry.name, entry.name)
    if kind not in registry.TABLES:
        return text
    return f"{text.partition(': ')[0]}: {listed(form(name, one) for name, one in registry.TABLES[kind].items())}"


def form(name: str, entry: Any) -> str:
    """How an entry of the catalogue is asked for: photo-digits[:N], convnet-wN, em-joint."""
    return getattr(entry, "form", "") or (f"{name}-wN" if getattr(entry, "by_width", False) else name)


def _add(command: Any, entry: Any, hint: Any, default: Any, text: str) -> None:
    readers = [member for member in accepted_types(hint) if member is not type(None)]
    flags = [f"--{name.replace('_', '-')}" for name in (entry.name, *entry.metadata.get("former", ()))]
    command.add_argument(
        *flags, dest=entry.name, default=default, help=text.replace("%", "%%"),
        **({"action": "store_true"} if readers == [bool] else {"type": readers[0]}),
    )  # fmt: skip


def _asked(words: Sequence[str], option: str) -> list[str]:
    """The values that the words of a command line give to an option, before they are parsed."""
    beside = [after for word, after in itertools.pairwise(words) if word == option]
    return beside + [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]


def _whole(values: Sequence[str]) -> list[int]:
    return [int(value) for value in values if value.isascii() and value.isdigit() and int(value) <= LARGEST_EPSILON]
