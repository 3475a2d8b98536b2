"""How long work is told to a person, step by step."""

from collections.abc import Mapping

from workbench.apps.photos import grouping, known, self_test, uploads
from workbench.apps.recordings import self_test as voices
from workbench.progress import Step

MAKING = {"reading": (1, "reading your {}s"), "copying": (3, "writing the copies")}
SEARCHING = (2, "finding the changes")
TESTING = {
    known.ASKING: (1, "asking a recogniser that exists already"),
    self_test.TRAINING: (2, "training recognisers on the originals and on the copies"),
    self_test.TRAINING_PRETRAINED: (3, "letting a network that learnt ImageNet before go on with them"),
    self_test.TRAINING_RANDOM: (4, "training recognisers on random noise instead"),
}


HEARING = {
    voices.READING: (1, "reading the copies"),
    self_test.TRAINING: (2, TESTING[self_test.TRAINING][1]),
    self_test.TRAINING_RANDOM: (3, TESTING[self_test.TRAINING_RANDOM][1]),
}


def looking(step: Step) -> tuple[str, float]:
    """Say that the chosen photos are looked at, with the share that is done."""
    return f"{uploads.LOOKING.capitalize()} {step.done} of {step.total} …", step.share


def sorting(step: Step) -> tuple[str, float]:
    """Say that faces are looked for, with the share that is done."""
    return f"{grouping.LOOKING.capitalize()} {step.done} of {step.total}{_time(step.left)}.", step.share


def making(step: Step) -> tuple[str, float]:
    """Say a step of `protect` to a person, with the share of its stage."""
    first, _, kind = step.label.partition(" ")
    number, what = MAKING.get(first, SEARCHING)
    return f"Step {number} of 3: {what.format(kind)}, {step.share:.0%} done{_time(step.left)}.", step.share


def testing(step: Step) -> tuple[str, float]:
    """Say a step of the self-test to a person, with the share of its stage."""
    return _of(TESTING, step)


def hearing(step: Step) -> tuple[str, float]:
    """Say a step of the self-test of recordings to a person, with the share of its stage."""
    return _of(HEARING, step)


def _of(told: Mapping[str, tuple[int, str]], step: Step) -> tuple[str, float]:
    number, what = told.get(step.label, told[self_test.TRAINING])
    return f"Step {number} of {len(told)}: {what}, {step.share:.0%} done{_time(step.left)}.", step.share


def _time(seconds: float) -> str:
    if seconds < 2:
        return ", nearly finished"
    return f", about {f'{round(seconds / 60)} minutes' if seconds >= 100 else f'{seconds:.0f} s'} left of this step"
