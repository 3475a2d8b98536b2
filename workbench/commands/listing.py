"""`workbench methods`, `defences`, `networks`, `datasets`: the catalogue, with what was registered besides."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from workbench import catalogue, registry
from workbench.commands.arguments import form
from workbench.commands.table import COMMANDS, DONE, Command, Parser, Run

WORDS = {
    "source": "source",
    "cost": "cost",
    "surrogates": "surrogates",
    "drawn": "drawn, no search",
    "outside": "outside the budget",
    "several_devices": "several devices",
    "given": "with",
    "help": "needs",
    "tests_through": "test images too",
    "by_width": "any width N",
    "least": "smallest side",
    "recipe": "victims' recipe",
    "embedded": "built in",
    "spaces": "for data of",
    "space": "data of",
    "default": "the default",
}  # of what is shown of one entry; everything is in the JSON


def listing(kind: str, text: str, example: str) -> Command:
    """The command that lists the entries of one kind, or shows one with all its facts."""

    def add(parser: Parser, words: Sequence[str]) -> Run:
        parser.add_argument("name", nargs="?", metavar="NAME", help="show this one alone, with its facts and options")
        parser.add_argument("--json", action="store_true", help="print all facts as JSON")

        def run(arguments: argparse.Namespace) -> int:
            if arguments.name:
                registry.check(kind, arguments.name)
            names = [arguments.name] if arguments.name else list(registry.TABLES[kind])
            found = {name: facts(kind, name, whole=bool(arguments.name)) for name in names}
            print(json.dumps(found, indent=2) if arguments.json else in_words(kind, found))
            return DONE

        return run

    return Command(text, example, add)


def facts(kind: str, name: str, *, whole: bool) -> dict[str, Any]:
    """The facts of one entry; whole: with the options of a method, which are in its own file (and need torch)."""
    entry = registry.TABLES[kind][name]
    found = entry._asdict() | {"default": name == catalogue.DEFAULTS.get(kind)}
    if whole and kind == "method":
        options = registry.look_up("method", name).Options
        fields = dataclasses.fields(options) if options else ()
        found["options"] = {one.name: one.metadata.get("help", "") for one in fields}
    return found


def in_words(kind: str, found: dict[str, dict[str, Any]]) -> str:
    """Entries as lines: name and words, and of one alone everything else that is known."""
    lines = []
    for name, entry in found.items():
        marked = _heard(entry) + (" (outside the budget)" if entry.get("outside") else "")
        lines.append(f"{form(name, registry.TABLES[kind][name]):22} {entry['words']}{marked}")
        if len(found) > 1:
            continue
        lines += [f"  {WORDS[key]:20} {shown(entry[key])}" for key in said(entry)]
        lines += [f"  --{key.replace('_', '-'):18} {text}" for key, text in entry.get("options", {}).items()]
    return "\n".join(lines)


def _heard(entry: dict[str, Any]) -> str:
    """A mark of what is for sound, or for sound as well."""
    spaces = entry.get("spaces") or (entry["space"],)
    return "" if "audio" not in spaces else " (sound)" if len(spaces) == 1 else " (sound too)"


def said(entry: dict[str, Any]) -> list[str]:
    """The facts of an entry that say something, by their keys."""
    return [key for key in WORDS if entry.get(key) not in ("", {}, None) and (key != "default" or entry[key])]


def shown(value: Any) -> str:
    """A fact of an entry in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g} plain trainings"
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


COMMANDS["methods"] = listing("method", "list the methods that make noise, or show one", "em-joint")
COMMANDS["defences"] = listing("defence", "list what a learner may try against noise, or show one", "grayscale")
COMMANDS["networks"] = listing("network", "list the networks, or show one", "convnet")
COMMANDS["datasets"] = listing("data", "list the data sets, or show one", "cifar10")
