"""Guesses before the measurement: kept in the folder of a notebook's run, shown beside what was measured."""

import json
import math
import os
from pathlib import Path
from typing import Any

from workbench import figures
from workbench.config import ConfigError, DataError
from workbench.files import atomic, untrusted
from workbench.files.places import home

FILE_NAME = "predictions.json"
SHAPE = {str: [(str, int, float)]}  # by question, the first guess first
Guess = str | float | None


def predict(folder: Path | str, question: str, guess: Guess) -> None:
    """Keep a guess in folder/predictions.json and say it. The first one stays; later ones are put behind it.

    folder: a study's `out`; as text it is below places.home(). guess: text, a number, or None for no guess yet. Raises
    ConfigError for another kind of guess, DataError for a file that is not ours.
    """
    _check(question, guess)
    path = _place(folder)
    kept = _read(path)
    guesses = kept.setdefault(question, [])
    if guess is None:
        if not guesses:
            figures.say(f"{question} No guess yet: write yours in place of None, and run this cell again.")
            return
    elif guesses[-1:] != [guess]:
        guesses.append(guess)
        atomic.make(path.parent)
        atomic.write_atomically(path, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    figures.say(f"{question} Your guess: {_words(guesses[-1])}.")


def compare(folder: Path | str, question: str, measured: str | float, *, by: str = "Measured") -> None:
    """Show the first guess beside what was measured, and how far apart two numbers are.

    folder, question: as they were given to `predict`; by: what `measured` is called, where it is no measurement.
    Raises ConfigError for a measured value that is none, DataError for a file that is not ours.
    """
    _check(question, measured)
    guesses = _read(_place(folder)).get(question, [])
    shown = f"{by}: {_words(measured)}."
    if not guesses:
        figures.say(f"{question} {shown} You made no guess.")
        return
    first, *later = guesses
    told = [f"{question} You guessed {_words(first)}. {shown}{_apart(first, measured)}"]
    if later:
        told.append(f"Your first guess counts. Later you wrote {', '.join(map(_words, later))}.")
    figures.say(*told)


def _place(folder: Path | str) -> Path:
    return (home() / folder if isinstance(folder, str) else folder) / FILE_NAME


def _check(question: str, value: Any) -> None:
    if not isinstance(question, str) or not question.strip():
        raise ConfigError(f"the question is {untrusted.one_line(repr(question), 40)}: give it as text, in quotes")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (value is None or isinstance(value, str) or number):
        shown = untrusted.one_line(repr(value), 40)
        raise ConfigError(f"the guess is {shown}: give a number, or text in quotes, or None for no guess")


def _read(path: Path) -> dict[str, list[Any]]:
    """The guesses by question; {} where there is no file. Raises DataError for one that is not ours."""
    if not os.path.lexists(path):
        return {}
    atomic.check_no_link(path)
    with untrusted.reading(path, "a file of guesses", "move it away", DataError):
        kept: dict[str, list[Any]] = untrusted.parse(untrusted.read(path), SHAPE)
    return kept


def _words(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _apart(guess: str | float, measured: str | float) -> str:
    if isinstance(guess, str) or isinstance(measured, str):
        return ""
    apart = guess - measured
    return f" Your guess was {abs(apart):.2g} too {'high' if apart > 0 else 'low'}." if apart else " That is exact."
