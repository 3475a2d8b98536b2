"""The words of the application, as HTML: what it does and does not, the list of files, the results, the download."""

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import pandas as pd

from workbench.apps import html
from workbench.apps.photos import known_words
from workbench.apps.photos.findings import Things, share
from workbench.apps.photos.report import Verdict
from workbench.apps.photos.self_test import SelfTest
from workbench.apps.photos.uploads import MEGABYTE, count
from workbench.judging import learners
from workbench.records import table

REFUSED = "cannot be used"
LISTED = 200  # rows of the list of files
TRAINED_ON = {"clean": "your {} as they are", "random": "your {} with random noise of the same size"}
INLINE = 100 * MEGABYTE  # the largest zip file handed over inside the page, where there is no server for it
Row = tuple[str, str, tuple[str, ...]]  # name, state in words, notes


def page(megabytes: int) -> list[str]:
    """Give the page's own words, with its look: what it promises, then the sections in their order."""
    words, look = (
        files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "photos.css")
    )
    first, *sections = re.split("(?=<h2>)", words.replace("{megabytes}", str(megabytes)))
    return [f"<style>{look}</style>{first}", *sections]


def active() -> str:
    """Give the page's script: it asks before the page is left with files on it, and gives sliders their names."""
    return files(__package__).joinpath("photos.js").read_text(encoding="utf-8")


def state(reason: str, verdict: Verdict | None) -> tuple[str, tuple[str, ...]]:
    """Say a file's state, and its notes."""
    reason = verdict.reason if verdict is not None else reason
    if reason:
        return f"{REFUSED}: it {reason}", ()
    if verdict is None:
        return "ready", ()
    return "copy made", tuple(verdict.notes)


def listing(rows: Sequence[Row], what: str = "photo") -> str:
    """Show the list of files. what: one of them is called."""
    if not rows:
        return ""
    refused = [row for row in rows if row[1].startswith(REFUSED)]
    rows = [*refused, *(row for row in rows if row not in refused)]  # what went wrong is seen first
    said = count(len(rows) - len(refused), what)
    if refused:
        said += f", and {count(len(refused), 'file')} that cannot be used"
    shown = html.table(
        (what.capitalize(), "State"), [(name, "\n".join((state, *notes))) for name, state, notes in rows[:LISTED]]
    )
    more = f"<p>… and {len(rows) - LISTED:,} more.</p>" if len(rows) > LISTED else ""
    return (
        f"<p><strong>{said}</strong></p>"
        f'<div class="photos-list" tabindex="0" role="region" aria-label="List of {what}s">{shown}{more}</div>'
    )


def size(length: int) -> str:
    """Say a number of bytes."""
    return f"{length / MEGABYTE:.1f} MB" if length >= MEGABYTE / 10 else f"{max(1, round(length / 1024))} KB"


def tested(found: SelfTest) -> str:
    """Show the self-test: its answers, and below them to be opened what it says besides, and its tables."""
    said = [escape(text) for text in found.sentences]
    answers = "".join(f"<p><strong>{text}</strong></p>" for text in said[: found.leads])
    more = "".join(f"<li>{text}</li>" for text in said[found.leads :])
    shown = [f'<div role="status">{answers}</div><details><summary>All that was found</summary><ul>{more}</ul>']
    if len(found.known):
        asked = html.table(known_words.HEADS, known_words.lines(found.known), known_words.CAPTION)
        shown.append(_wide(asked, "What an existing recogniser made of the copies"))
    if len(found.rows):
        shown.append(_table(table.summary(found.rows), found.photos, found.things))
    return "".join([*shown, "</details>"])


def early() -> str:
    """Say that this is the first answer."""
    return html.plain(
        "This much is sure already. The second answer, about programs that learn, takes some minutes more."
    )


def _table(best: pd.DataFrame, photos: int, things: Things) -> str:
    lines = []
    for (method, learner), part in best.groupby(["method", "defence"], sort=False):
        name = TRAINED_ON.get(str(method), "the changed copies").format(things.all)
        how = learners.known()[str(learner)].words if str(learner) in learners.known() else str(learner)
        lines.append((name, how, share(part["peak"], photos, things.one)))
    heads = ("Trained on", "How", f"New {things.one}s recognised at the best moment (lowest to highest)")
    return _wide(html.table(heads, lines), "What trained programs got out of the copies")


def _wide(content: str, words: str) -> str:
    """Let a table scroll by itself where the page is narrower, by keyboard too."""
    return f'<div class="photos-list photos-wide" tabindex="0" role="region" aria-label="{words}">{content}</div>'


def download(archive: Path, address: str | None) -> str:
    """Show the link that hands over the zip file: from the application's server, else from inside the page."""
    length = archive.stat().st_size
    if address is None:
        if length > INLINE:
            return f"<p>The zip file is too large for this page ({size(length)}): copy them into a folder.</p>"
        address = html.inside("application/zip", archive.read_bytes())
    return _link(address, "copies-harder-to-learn-from.zip", f"Download the copies ({size(length)})")


def keep(page: str) -> str:
    """Show the link that hands over the self-test as a page (proof.page), from inside this one."""
    address = html.inside("text/html", page.encode())
    return _link(address, "what-these-copies-still-teach.html", "Keep this as a page")


def _link(address: str, file: str, text: str) -> str:
    return f'<p><a class="photos-download" href="{escape(address)}" download="{file}">{text}</a></p>'


def report_line(verdicts: Sequence[Verdict]) -> str:
    """Say how many copies there are, and how many files have none."""
    done = sum(verdict.file is not None for verdict in verdicts)
    left = len(verdicts) - done
    said = f"Done: {count(done, 'copy').replace('copys', 'copies')} made."
    if left:
        said += f" {count(left, 'file')} could not be used: the list above says why."
    return said
