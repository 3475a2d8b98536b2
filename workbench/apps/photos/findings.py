"""What a self-test found, in words that follow from its numbers alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.figures.tables import LITTLE, learnt
from workbench.judging import learners
from workbench.records import table

OTHERS = ("adamw", "jpeg-75", "grayscale", "resize-half")  # learners besides training as usual, as in learners.toml
PRETRAINED = "fine-tune-efficientnet"  # the learner that knows ImageNet, and takes as long as all others: once
FEW = 20  # photos, of which a share says less than their number


@dataclass(frozen=True)
class Things:
    """What is learnt from, in words: one that is met later, all of them, how the drawn people are told from them.

    others: learners besides training as usual.
    """

    one: str = "photo"
    all: str = "photos"
    drawn: str = "A drawing is easily told from a photo"
    others: Sequence[str] = OTHERS


PHOTOS = Things()


def sentences(
    rows: pd.DataFrame, chance: float, held_out: int, people: int, drawn: int = 0, things: Things = PHOTOS
) -> list[str]:
    """Say what was found, in plain words, the verdict first.

    rows: of a self-test, with one method besides clean and random; chance: of a right guess; drawn: how many drawn
    people kept the others company.
    """
    best = table.summary(rows)
    (method,) = set(best["method"]) - {"clean", "random"} or {"random"}
    plain = best[best["defence"] == "none"]
    original = plain[plain["method"] == "clean"]
    copies = plain[plain["method"] == method]
    times = original["seed"].nunique()
    found = [
        f"{held_out} {things.one}{'s' * (held_out != 1)} of {people} {'person' if people == 1 else 'people'} "
        f"{'was' if held_out == 1 else 'were'} kept aside, and recognisers were "
        f"trained on the others, {'once' if times == 1 else f'{times} times'} each. "
        f"Guessing names {chance:.0%} rightly.",
        f"Of what was kept aside, they named {_said(original, held_out, things)} when trained on the originals.",
        f"Trained on the copies, they named {_said(copies, held_out, things)}.",
    ]
    if drawn:
        found.insert(
            1,
            f"There were {drawn} drawn people among them, because a recogniser needs {people + drawn}. {things.drawn}, "
            "so this test is easier for a recogniser than real people would be, and may find no effect where there is "
            f"one. {things.all.capitalize()} of {people + drawn} people make a better test.",
        )
    random = plain[plain["method"] == "random"]
    if len(random) and method != "random":
        found.append(f"With random noise of the same size instead, they named {_said(random, held_out, things)}.")
    originals, copies = (best[best["method"] == name] for name in ("clean", method))
    found += _given_back(copies, originals, held_out, things)
    found += _went_on(copies, originals, held_out, things)
    return [_verdict(copies, originals, chance, held_out, things), *found]


def _given_back(copies: pd.DataFrame, originals: pd.DataFrame, photos: int, things: Things) -> Iterator[str]:
    for name in things.others:
        tried, twin = (part[part["defence"] == name] for part in (copies, originals))
        if len(tried):
            beside = f", {_said(twin, photos, things)} from the originals" if len(twin) else ""
            said = _said(tried, photos, things)
            learner = learners.named(name)
            how = "By" if learner.architecture else "After"
            yield f"{how} {learner.words}, they named {said} from the copies{beside}."


def _went_on(copies: pd.DataFrame, originals: pd.DataFrame, photos: int, things: Things) -> Iterator[str]:
    tried, twin = (part[part["defence"] == PRETRAINED] for part in (copies, originals))
    if len(tried):
        yield (
            "A network that learnt ImageNet before and goes on with the copies named "
            f"{_said(tried, photos, things)}, going on with the originals {_said(twin, photos, things)}; each was "
            "trained once."
        )


def _verdict(copies: pd.DataFrame, originals: pd.DataFrame, chance: float, photos: int, things: Things) -> str:
    """Judge by the most that anybody got out of the copies, at its best moment, and got out of the originals."""
    defence = str(copies.groupby("defence")["peak"].mean().idxmax())
    plain, same = (originals.loc[originals["defence"] == name, "peak"] for name in ("none", defence))
    twin, tried = plain if same.empty else same, copies.loc[copies["defence"] == defence, "peak"]
    worst, usual = float(tried.mean()), float(twin.mean())
    if not learnt(usual, chance):
        return (
            "Of learning from the copies nothing can be said: even by the originals these people were not told apart."
        )
    kept = (worst - chance) / (usual - chance)
    if kept > 1 - LITTLE:
        judged = f"as well as from the originals: the noise does not help on these {things.all}"
    elif kept > 0.5:
        judged = "less well than from the originals, and still well: the noise makes it harder, and no more"
    else:
        judged = "much less well than from the originals, in the ways that were tried here; others may get more"
    how = learners.named(defence).words
    few = f" Of {photos} {things.one}s, {len(tried)} times: chance has a large part in it." if photos <= FEW else ""
    return (
        f"A program that learns people from the copies learns them {judged}. The best attempt ({how}) named "
        f"{share(tried, photos, things.one)} that it had not seen, and {share(twin, photos, things.one)} after "
        "learning from the originals."
        f"{few}"
    )


def _said(runs: pd.DataFrame, photos: int, things: Things) -> str:
    """Say "31% (24% to 40%; 38% at the best moment)": after the last epoch, the spread over trainings, and the peak."""
    mean, _, spread = share(runs["final"], photos, things.one).partition(" (")
    best = share(runs["peak"], photos, things.one).partition(" (")[0]
    return f"{mean} ({spread.replace(')', '; ')}{best} at the best moment)"


def counted(share: float, photos: int) -> str:
    """Say a share of photos by their number: "74 of 80"."""
    return f"{round(share * photos)} of {photos}"


def share(values: "pd.Series[float]", photos: int, one: str = "photo") -> str:
    """Say shares of several trainings as "31% (24% to 40%)", of few photos as "2 of 3 photos" or "1 to 3 of 3 photos".

    photos: how many they are shares of, 0: not known.
    """
    low, high = float(values.min()), float(values.max())
    if 0 < photos <= FEW:
        counts = dict.fromkeys(round(photos * value) for value in (low, high))
        return f"{' to '.join(map(str, counts))} of {photos} {one}{'s' * (photos > 1)}"
    return f"{values.mean():.0%}" + (f" ({low:.0%} to {high:.0%})" if f"{low:.0%}" != f"{high:.0%}" else "")
