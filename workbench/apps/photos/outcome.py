"""The self-test's result in plain words, for somebody who knows nothing about networks. No number, no claim."""

from collections.abc import Iterator

import pandas as pd

from workbench.records import table

WAYS = {
    "jpeg-75": "compressing the photos first (JPEG, quality 75)",
    "grayscale": "turning the photos grey first",
    "resize-half": "halving the photos first and enlarging them again",
}
LITTLE = 0.1  # of what lies between guessing and the originals: less of a fall is called none


def sentences(rows: pd.DataFrame, chance: float, held_out: int, people: int, drawn: int = 0) -> list[str]:
    """What was found. rows: of a self-test, with one method besides clean and random; chance: of a right guess; drawn:
    how many drawn people kept the others company.
    """
    best = table.summary(rows)
    (method,) = set(best["method"]) - {"clean", "random"} or {"random"}
    plain = best[best["defence"] == "none"]
    original = plain[plain["method"] == "clean"]
    copies = plain[plain["method"] == method]
    times = original["seed"].nunique()
    found = [
        f"{held_out} photos of {people} {'person' if people == 1 else 'people'} were kept aside, and recognisers were "
        f"trained on the others, {'once' if times == 1 else f'{times} times'} each. "
        f"Guessing names {chance:.0%} rightly.",
        f"Trained on the originals, they named {_said(original)} of the photos kept aside.",
        f"Trained on the copies, they named {_said(copies)}.",
    ]
    if drawn:
        found.insert(
            1,
            f"There were {drawn} drawn people among them, because a recogniser needs several. A drawing is easily told "
            "from a photo, so this test is easier for a recogniser than real people would be, and may find no effect "
            "where there is one. Photos of several people make a better test.",
        )
    random = plain[plain["method"] == "random"]
    if len(random) and method != "random":
        found.append(f"With random noise of the same size instead, they named {_said(random)}.")
    found += _given_back(best[best["method"] == method])
    return [*found, _verdict(best[best["method"] == method], original, chance)]


def _given_back(copies: pd.DataFrame) -> Iterator[str]:
    for defence, way in WAYS.items():
        tried = copies[copies["defence"] == defence]
        if len(tried):
            yield f"After {way}, they named {_said(tried)} from the copies."


def _verdict(copies: pd.DataFrame, original: pd.DataFrame, chance: float) -> str:
    """The most that anybody got out of the copies here, each training at its best moment."""
    worst = float(copies.groupby("defence")["peak"].mean().max())
    usual = float(original["peak"].mean())
    if usual - chance < LITTLE:
        return "So nothing can be said: even from the originals these people could not be told apart."
    kept = (worst - chance) / (usual - chance)
    if kept > 1 - LITTLE:
        judged = "The noise does not help on these photos"
    elif kept > 0.5:
        judged = "The noise makes it harder, and this data can still be learnt from"
    else:
        judged = "The noise makes it much harder for these ways of learning; others may get more"
    most = f"So the most that anybody here got out of the copies is {worst:.0%}, of {usual:.0%} with the originals"
    return f"{most}. {judged}."


def _said(runs: pd.DataFrame) -> str:
    """31% (24% to 40%; 38% at the best moment): after the last epoch, the spread over trainings, and the peak."""
    final = runs["final"]
    text = f"{final.mean():.0%}"
    spread = f"{final.min():.0%} to {final.max():.0%}; " if len(final) > 1 else ""
    return f"{text} ({spread}{runs['peak'].mean():.0%} at the best moment)"
