"""What a recogniser that exists makes of the copies (known.compare), in words and as a table for people."""

import pandas as pd

from workbench.apps.photos.findings import counted
from workbench.models.existing import THRESHOLD

AGAINST = "The noise is made against learning from the copies, not against being recognised on them."
NAME = "face recogniser that exists already (dlib's, of 2017)"
LITTLE_FOUND = 0.5  # of the originals, below which the recogniser is no judge of these photos
HEADS = ("What was done to the photos", "Face found", "Named rightly", "By copies alone", "Same as its original")
CAPTION = f"An existing recogniser: numbers of copies (of originals). Nearer than {THRESHOLD}: taken for one person."


def can_judge(table: pd.DataFrame) -> bool:
    """Tell whether the recogniser finds enough faces on the originals to say anything of the copies."""
    return bool(table["found_originals"].iloc[0] >= LITTLE_FOUND)


def sentences(table: pd.DataFrame) -> list[str]:
    """Say it in plain words, the plainest first."""
    plain, photos, asked = table.iloc[0], int(table["photos"].iloc[0]), int(table["asked"].iloc[0])
    if not can_judge(table):
        found = counted(plain["found_originals"], photos)
        return [f"Of a {NAME} nothing can be said: it finds a face on {found} originals only."]
    several = asked > 0 and int(plain["persons"]) > 1  # of one person alone nobody can be named wrongly
    column, count, usual = ("known_copies", asked, plain["known_originals"]) if several else ("same", photos, 1.0)
    knows = "still knows" if plain[column] > usual / 2 else "knows less often"
    lead = f"A {NAME} {knows} who is on the copies: it"
    worst, best = (table.iloc[int(place)] for place in (table[column].argmin(), table[column].argmax()))
    if worst[column] == best[column]:
        after = f"After everything that was done to the photos as services do it: {counted(best[column], count)} each."
    else:
        least, most = (f"{counted(row[column], count)} ({row['handling']})" for row in (worst, best))
        after = f"After what services do to photos: {least} to {most}."
    if not several:
        return [f"{lead} takes {counted(plain['same'], photos)} for the same person as the original. {AGAINST}", after]
    return [
        f"{lead} names {counted(plain[column], asked)} rightly by other photos of the same people "
        f"(of the originals: {counted(usual, asked)}). {AGAINST}",
        after,
        f"Where it has only copies to know people by, it names {counted(plain['learnt_copies'], asked)} originals.",
    ]


def lines(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Give the table for people, under HEADS: numbers of copies, those of originals in brackets."""
    found: list[tuple[str, ...]] = []
    for row in table.to_dict("records"):
        photos, asked = int(row["photos"]), int(row["asked"])
        known, learnt = "-", "-"
        if asked:
            known = f"{counted(row['known_copies'], asked)} ({round(row['known_originals'] * asked)})"
            learnt = counted(row["learnt_copies"], asked)
        seen = f"{counted(row['found_copies'], photos)} ({round(row['found_originals'] * photos)})"
        same = f"{counted(row['same'], photos)}, distance {row['distance']:.2f}"
        found.append((str(row["handling"]), seen, known, learnt, same))
    return found


def in_text(table: pd.DataFrame) -> str:
    """Give the table as text."""
    return f"{CAPTION}\n{pd.DataFrame(lines(table), columns=list(HEADS)).to_string(index=False)}"
