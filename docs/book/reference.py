"""Write the reference from the program itself: commands from their parsers, names from the catalogue, public names."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import workbench
from workbench import registry
from workbench.cli import parser
from workbench.commands import COMMANDS, listing
from workbench.commands.arguments import form
from workbench.judging.learners import known
from workbench.records import record, table

MADE = "*This page is written by the program itself each time the book is made.*\n"
KINDS = {"method": "Methods", "defence": "Countermeasures", "network": "Networks", "data": "Data sets"}
WHERE = {"method": "methods", "defence": "defences", "network": "networks", "data": "datasets"}


def write(folder: Path, *, api: bool) -> None:
    """Write the pages into `folder`. api: public names are linked to the pages of their modules."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"commands": commands(), "names": names(), "columns": columns(), "library": library(api)}
    for name, lines in pages.items():
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands() -> Iterator[str]:
    """Every command with its arguments and its example."""
    yield from ("# All options of all commands", "", MADE)
    yield "What the commands are for is told in [Commands](../commands.md). A method's own options: [names](names.md)."
    for name, (_, example, _) in sorted(COMMANDS.items()):
        made = _parser_of(name)
        yield from ("", f"## {name}", "", str(made.description), "")
        yield from ("```sh", " ".join(made.format_usage().removeprefix("usage: ").split()), "```", "")
        for action in made._actions:  # argparse has no public list of its arguments
            if action.help != argparse.SUPPRESS:
                yield f"- {_called(action)}: {_text(made, action)}"
        yield from ("", "For example:", "", "```sh", f"workbench {name} {example}", "```")


def _parser_of(name: str) -> argparse.ArgumentParser:
    top = parser([name, "--help"])
    (made,) = (one.choices for one in top._actions if isinstance(one, argparse._SubParsersAction))
    found: argparse.ArgumentParser = made[name]
    return found


def _called(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    value = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    options = [f"{option} {value}".rstrip() for option in action.option_strings] or [value]
    return ", ".join(f"`{option}`" for option in options)


def _text(made: argparse.ArgumentParser, action: argparse.Action) -> str:
    filled = (action.help or "") % {**vars(action), "prog": made.prog}
    return _plain(filled)


def _plain(text: str) -> str:
    """Text as Markdown that shows it as it is, but for `code`."""
    return "".join(f"\\{letter}" if letter in r"\*_<>[]|$" else letter for letter in text)


def names() -> Iterator[str]:
    """Every method, countermeasure, network, data set and learner, with all that the catalogue knows."""
    yield from (
        "# All names",
        "",
        MADE,
        "`workbench methods`, `defences`, `networks`, `datasets` and `learners` print it.",
    )
    for kind, title in KINDS.items():
        yield from ("", f"## {title}")
        for name, entry in registry.TABLES[kind].items():
            facts = listing.facts(kind, name, whole=True)
            yield from ("", f"### {WHERE[kind]}: {form(name, entry)}", "", f"{_plain(_sentence(facts['words']))}", "")
            yield from (f"- {listing.WORDS[key]}: {_plain(listing.shown(facts[key]))}" for key in listing.said(facts))
            yield from (
                f"- `--{key.replace('_', '-')}`: {_plain(text)}" for key, text in facts.get("options", {}).items()
            )
    yield from ("", "## Learners of the judge", "")
    rows = [(one.name, one.words, one.panel, one.tier, one.recipe, f"{one.units:g}") for one in known().values()]
    yield from _table(("name", "learns by", "smallest panel", "tier", "recipe", "plain trainings"), rows)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def columns() -> Iterator[str]:
    """The fields of run.json and the columns of results.csv, with what the code says of them."""
    yield from ("# Fields and columns", "", MADE, "What the files are is told in [Files](../files.md).")
    yield from ("", "## run.json", "", "Fields that say nothing are left out.", "")
    yield from (f"- `{one}`{_remark(record, one)}" for one in record.Record.__dataclass_fields__)
    yield from ("", "## results.csv", "", f"In this order: {', '.join(f'`{one}`' for one in table.COLUMNS)}.")


def _remark(module: Any, name: str) -> str:
    """What stands behind a field's declaration in its source."""
    lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
    line = next(one for one in lines if one.startswith(f"    {name}: "))
    return f": {_plain(line.partition('  # ')[2])}" if "  # " in line else ""


def library(api: bool) -> Iterator[str]:
    """The public names of the package and where each is."""
    yield from ("# Public names", "", MADE, "How they are used is told in [As a library](../library.md).", "")
    for name in workbench.__all__:
        module = workbench._NAMES[name]
        place = f"workbench.{module}"
        page = f"[`{place}`](../api/workbench/{module.replace('.', '/')}/index.rst)" if api else f"`{place}`"
        first = (getattr(workbench, name).__doc__ or "").strip().splitlines()[0]
        yield f"- `wb.{name}` from {page}: {_plain(first)}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(map(_plain, row))} |" for row in rows)
