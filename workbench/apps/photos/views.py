"""The words of the application, as HTML: what it does and does not, the list of photos, the results, the download."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.apps.photos.outcome import WAYS
from workbench.apps.photos.uploads import MEGABYTE, count
from workbench.records import table

LISTED = 200  # rows of the list of photos
TRAINED_ON = {"clean": "your photos as they are", "random": "your photos with random noise of the same size"}
INLINE = 100 * MEGABYTE  # the largest zip file handed over inside the page, where there is no server for it
STYLE = """<style>
.photos-app {max-width: 880px; margin: 0 auto; padding: 8px 16px 48px; overflow: visible}
.photos-app .widget-html-content, .photos-app .widget-html {font-size: 15px; line-height: 1.5; height: auto;
  overflow: visible; color: var(--jp-ui-font-color1, #222)}
.photos-app .widget-html-content > div {width: 100%}
.photos-app h1 {font-size: 28px; line-height: 1.25; margin: 12px 0 8px}
.photos-app h2 {font-size: 20px; margin: 20px 0 4px; padding-top: 16px;
  border-top: 1px solid var(--jp-border-color2, #ccc)}
.photos-app h3 {font-size: 15px; margin: 12px 0 6px}
.photos-app p {margin: 4px 0 8px}
.photos-app ul {margin: 4px 0; padding-left: 20px}
.photos-app li {margin: 4px 0}
.photos-two {display: flex; flex-wrap: wrap; gap: 16px; margin: 12px 0}
.photos-two > section {flex: 1 1 320px; border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px;
  padding: 4px 16px 12px; background: var(--jp-layout-color1, #fff)}
.photos-list {max-height: 300px; overflow: auto; border: 1px solid var(--jp-border-color2, #ccc); border-radius: 6px}
.photos-app table {border-collapse: collapse; width: 100%; font-size: 14px}
.photos-app th {text-align: left; position: sticky; top: 0; background: var(--jp-layout-color2, #eee)}
.photos-app th, .photos-app td {padding: 6px 12px; vertical-align: top; overflow-wrap: anywhere}
.photos-app th:first-child, .photos-app td:first-child {min-width: 38%; width: 38%}
.photos-app tr + tr td {border-top: 1px solid var(--jp-border-color3, #e0e0e0)}
.photos-app .photos-row {display: flex; flex-wrap: wrap; gap: 16px}
.photos-app figure {margin: 0; width: 264px}
.photos-app figure img {display: block; max-width: none; border: 1px solid #888}
.photos-app figcaption {margin: 4px 0 8px; font-size: 14px}
.photos-line {box-sizing: border-box; margin: 4px 0;
  padding: 8px 12px; border-left: 4px solid #0072b2; background: var(--jp-layout-color2, #f4f4f4)}
.photos-line.urgent {border-left: 4px solid #d55e00}
.photos-app a.photos-download {display: inline-block; padding: 10px 20px; border-radius: 4px; background: #005b8f;
  color: #fff; font-weight: 600; text-decoration: none}
.photos-app .photos-upload {font-size: 0}
.photos-app .photos-upload::before {content: "Choose photos or a zip file" / ""; font-size: 14px}
.photos-app button {font-size: 14px; height: 36px; line-height: 34px}
.photos-app :focus-visible {outline: 3px solid #e69f00; outline-offset: 2px}
.photos-app .widget-label {text-align: left}
.photos-app .widget-label, .photos-app input, .photos-app select {font-size: 14px}
</style>"""

PROMISE = """<h1>Make my photos harder to learn from</h1>
<p>You get copies of your photos with small changes in the pixels. To you they look nearly the same.
A program that is trained on them is meant to learn less about what they show. How much less, on your photos,
only a test can say: it is the last step here.</p>
<p><strong>Your photos stay on this computer.</strong> Nothing is sent anywhere, and your originals are not changed.</p>
<div class="photos-two">
<section aria-label="What it does"><h3>What it does</h3><ul>
<li>It is meant to make training harder for an ordinary program that learns from scratch, mostly from such copies.</li>
<li>It changes no pixel value by more than you allow, and measures that on every finished file.</li>
<li>It tells you how well it works on your own photos: press “Test it” in the end.</li>
</ul></section>
<section aria-label="What it does not do"><h3>What it does not do</h3><ul>
<li>It does not hide you from programs that know your face already, nor from matching two photos with each other.</li>
<li>Compressing or filtering a photo can undo some of the change. Many websites compress what you upload.</li>
<li>Other ways to train, today's or later ones, can get around it. So can photos of you without the change.</li>
<li>It cannot be upgraded once the photo is published.</li>
</ul></section></div>"""

Row = tuple[str, str, tuple[str, ...]]  # name, state in words, notes


def line(text: str, *, urgent: bool = False) -> str:
    """One line of text, announced by screen readers when it changes."""
    if not text:
        return ""
    kind, role = ("photos-line urgent", "alert") if urgent else ("photos-line", "status")
    return f'<div role="{role}" class="{kind}">{escape(text)}</div>'


def heading(title: str, *paragraphs: str) -> str:
    """A section's heading and what stands below it."""
    return f"<h2>{escape(title)}</h2>" + "".join(f"<p>{escape(text)}</p>" for text in paragraphs)


def listing(rows: Sequence[Row]) -> str:
    """The list of photos."""
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Photo", "State"))
    body = "".join(_listed(*row) for row in rows[:LISTED])
    more = f"<p>… and {len(rows) - LISTED:,} more.</p>" if len(rows) > LISTED else ""
    return (
        f"<p><strong>{count(len(rows), 'file')}</strong></p>"
        f'<div class="photos-list" tabindex="0" role="region" aria-label="List of photos"><table><thead><tr>{heads}'
        f"</tr></thead><tbody>{body}</tbody></table>{more}</div>"
    )


def _listed(name: str, state: str, notes: tuple[str, ...]) -> str:
    said = "".join(f"<br><small>{escape(note)}</small>" for note in notes)
    return f"<tr><td>{escape(name)}</td><td>{escape(state)}{said}</td></tr>"


def size(length: int) -> str:
    """Bytes in words."""
    return f"{length / MEGABYTE:.1f} MB" if length >= MEGABYTE / 10 else f"{max(1, round(length / 1024))} KB"


def tested(sentences: Sequence[str], rows: pd.DataFrame) -> str:
    """The self-test: what it says in words, and its table."""
    said = "".join(f"<li>{escape(text)}</li>" for text in sentences)
    return f'<div role="status"><ul>{said}</ul></div>{_table(rows)}'


def _table(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    found = table.summary(rows)
    lines = []
    for (method, defence), part in found.groupby(["method", "defence"], sort=False):
        name = TRAINED_ON.get(str(method), "the changed copies")
        spread = f"{part['final'].mean():.0%} ({part['final'].min():.0%} to {part['final'].max():.0%})"
        lines.append((name, WAYS.get(str(defence), "nothing"), spread))
    heads = ("Trained on", "Done with them first", "New photos recognised (lowest to highest)")
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in lines)
    return f'<div class="photos-list"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def download(archive: Path, address: str | None) -> str:
    """The link that hands over the zip file: from the application's server, else from inside the page."""
    length = archive.stat().st_size
    if address is None:
        if length > INLINE:
            return f"<p>The zip file is too large for this page ({size(length)}): copy the photos into a folder.</p>"
        address = f"data:application/zip;base64,{base64.b64encode(archive.read_bytes()).decode()}"
    link = f'<a class="photos-download" href="{escape(address)}" download="photos-harder-to-learn-from.zip">'
    return f"<p>{link}Download the copies ({size(length)})</a></p>"


def report_line(verdicts: Sequence[Any]) -> str:
    """How many copies there are, and how many photos have none."""
    done = sum(verdict.file is not None for verdict in verdicts)
    left = len(verdicts) - done
    said = f"Done: {count(done, 'copy').replace('copys', 'copies')} made."
    if left:
        said += f" {count(left, 'photo')} could not be used: the list above says why."
    return said
