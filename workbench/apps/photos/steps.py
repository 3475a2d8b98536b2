"""The job's and the self-test's own lines of progress, said to a person: which step, how much of it, how long still."""

import re
import time
from collections.abc import Callable

LINE = re.compile(r"(?P<label>.*?) (?P<done>\d+)/(?P<total>\d+)\b.*ETA (?P<left>\d+) s", re.DOTALL)
MAKING = (("reading", "reading your photos"), ("", "finding the changes"), ("copying", "writing the copies"))
TRAININGS = 27  # of a self-test with three seeds in colour; fewer for grey photos
Words = Callable[[str, float], tuple[str, float]]


def making(line: str, share: float) -> tuple[str, float]:
    """A line of `protect` in words, with the share of its step."""
    found = LINE.match(line)
    label = found["label"] if found else line
    number = 1 if label.startswith("reading") else 3 if label.startswith("copying") else 2
    return f"Step {number} of 3: {MAKING[number - 1][1]}, {share:.0%} done{_left(found)}.", share


def testing() -> Words:
    """A teller of the self-test's lines: it counts the trainings, and says how much of all of them is done."""
    seen: list[str] = []
    begun = time.monotonic()

    def words(line: str, share: float) -> tuple[str, float]:
        found = LINE.match(line)
        label = found["label"] if found else line
        if not seen or seen[-1] != label:
            seen.append(label)
        done = min(1.0, (len(seen) - 1 + share) / TRAININGS)
        left = (time.monotonic() - begun) * (1 - done) / max(done, 1e-6)
        return f"Training {len(seen)} of up to {TRAININGS}{_time(left) if done > 0.02 else ''}.", done

    return words


def _left(found: re.Match[str] | None) -> str:
    return _time(int(found["left"])) if found else ""


def _time(seconds: float) -> str:
    if seconds < 2:
        return ", nearly finished"
    return f", about {f'{round(seconds / 60)} minutes' if seconds >= 100 else f'{seconds:.0f} s'} left"
