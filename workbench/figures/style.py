"""How a line looks and what methods, kinds and defences are called: from the catalogue, the same in every figure."""

from typing import Any

import matplotlib.colors

from workbench.budgets import kind_in_words
from workbench.catalogue import CLEAN_LOOK, DEFENCES, METHODS
from workbench.config import KINDS

CONTROLS = ("clean", "random")  # what noise is compared with; they carry no noise that was meant to work
KIND_DASHES: dict[str, Any] = {"none": "-", "classwise": "-.", "samplewise": "--"}
STRANGE = ("#6E6E6E", "X")
UNKNOWN_DASH = (0, (5, 1, 1, 1, 1, 1))
# For the second, third, ... line of one look: its colour grows paler and the rest changes.
MARKERS = (".", "H", "8")  # only those that can be filled and open
DASHES = ("--", ":", "-.", (0, (5, 5)), (0, (1, 4)), "-")
PALER = 0.45  # how far the palest goes towards white


def styles() -> dict[tuple[str, str], dict[str, Any]]:
    """Colour, marker and dash of each method and kind that the catalogue holds now, clean first."""
    looks = {("clean", "none"): CLEAN_LOOK}
    for method, entry in METHODS.items():
        looks |= {(method, kind): look for kind, look in zip(KINDS, entry.looks, strict=True)}
    return {key: _style(look, key[1]) for key, look in looks.items()}


def style_of(method: str, kind: str, nth: int = 0) -> dict[str, Any]:
    """Colour, marker and dash of the `nth` line (from 0) of a look; grey where method or kind is unknown."""
    kind = kind.partition("-")[0]  # budgets of another shape are lines of the same look
    style = styles().get((method, kind)) or _style(STRANGE, kind if method in METHODS else "")
    if nth:
        amount = min(PALER, 0.2 * nth)
        red, green, blue = (part + amount * (1 - part) for part in matplotlib.colors.to_rgb(style["color"]))
        style["color"] = matplotlib.colors.to_hex((red, green, blue))
        style["marker"] = MARKERS[(nth - 1) % len(MARKERS)]
        style["linestyle"] = DASHES[(nth - 1) % len(DASHES)]
    return style


def _style(look: tuple[str, str], kind: str) -> dict[str, Any]:
    return {"color": look[0], "marker": look[1], "linestyle": KIND_DASHES.get(kind, UNKNOWN_DASH)}


def name_of(method: str, kind: str) -> str:
    """Name a run in legends and tables; noise that no search made is called so, unless it is the control, and what
    moves pixels further than a budget allows.
    """
    drawn = " (drawn)" if is_drawn(method) and method not in CONTROLS else ""
    words = "" if kind == "none" else f", {kind_in_words(kind)}"
    return f"{method}{drawn}{words}{outside(method)}"


def outside(method: str) -> str:
    """The mark behind the name of a method that moves pixels further than a budget allows; of others ""."""
    return " (outside the budget)" if method in METHODS and METHODS[method].outside else ""


def way_of(defence: str) -> str:
    """Put a defence, or several joined by +, into words; unknown ones keep their names."""
    parts = defence.split("+")
    return ", then ".join(DEFENCES[part].words if part in DEFENCES else part for part in parts)


def is_drawn(method: str) -> bool:
    """Whether the noise comes from the class or from chance alone, without a search."""
    return method in METHODS and METHODS[method].drawn


def has_surrogate(method: str) -> bool:
    """Whether noise is made against a network; taken to be so where the method is unknown."""
    return method != "clean" and (method not in METHODS or METHODS[method].surrogates > 0)
