"""The commands by name: what each takes, what it does, and its line of help."""

import argparse
import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

DONE, NO = 0, 1
Parser = argparse.ArgumentParser
Run = Callable[[argparse.Namespace], int]
Add = Callable[[Parser, Sequence[str]], Run]  # adds a command's arguments; gets the words of the command line too


class Command(NamedTuple):
    """One command: its line of help, an example of its arguments, and the function that adds them."""

    text: str
    example: str
    add: Add


COMMANDS: dict[str, Command] = {}


def command(text: str, example: str, name: str = "") -> Callable[[Add], Add]:
    """Make a function a command; name: where it is not the function's own."""

    def added(add: Add) -> Add:
        COMMANDS[name or add.__name__] = Command(text, example, add)
        return add

    return added


def config_of(kind: type[Any], arguments: argparse.Namespace) -> Any:
    """A configuration from the arguments of its fields' names."""
    return kind(**{entry.name: getattr(arguments, entry.name) for entry in dataclasses.fields(kind)})


def print_summary(rows: Any, chance: float | None) -> None:
    """Print peak and final accuracy of every run of a table, beside guessing (None: not known), and what they say."""
    from workbench.figures import honest_sentences, verdicts
    from workbench.records import table

    shown = table.summary(rows)[["method", "kind", "epsilon", "victim", "defence", "seed", "peak", "final"]]
    print(f"\naccuracy on clean test data{'' if chance is None else f', guessing is {chance:.2f}'}:")
    print(shown.to_string(index=False, formatters={"peak": "{:.3f}".format, "final": "{:.3f}".format}))
    for sentence in [] if chance is None else [*honest_sentences(rows, chance), *verdicts(rows, chance)]:
        print(f"\n{textwrap.fill(sentence, 100)}")
