"""One page on an experiment, for a browser or a printer: sentences, figures, the numbers behind them, where from.

The page is one file that loads nothing, runs nothing and escapes whatever files or people named.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from workbench import figures as drawing
from workbench.files.atomic import write_atomically

FILE_NAME = "report.html"
JOB_COLUMNS = ("job", "state", "error")  # shown first, in this order; whatever else a job says follows

# Every table has a caption, and its headings say what they are headings of. A wide one can be scrolled by keyboard.
GRID = """{% macro grid(table) -%}
{% if table.rows %}<div class="wide" tabindex="0" role="region" aria-label="{{ table.caption }}"><table>
<caption>{{ table.caption }}</caption>
<thead><tr>{% for name in table.columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}{% if loop.first %}<th scope="row">{{ cell }}</th>
{%- else %}<td>{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% else %}<p>{{ table.caption }}: none.</p>
{% endif %}
{%- endmacro %}
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
body { color: #111; background: #fff; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .85rem; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { border: 1px solid #767676; padding: .2rem .5rem; text-align: left; vertical-align: top; }
thead th { background: #eee; }
td { font-variant-numeric: tabular-nums; }
@media print {
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .wide { overflow: visible; }
  figure, tr { break-inside: avoid; }
  h2, caption { break-after: avoid; }
  thead { display: table-header-group; }
}
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% for sentence in text %}<p>{{ sentence }}</p>
{% endfor %}
{% for section in sections %}<section>
<h2>{{ section.name }}</h2>
<figure><img src="data:image/png;base64,{{ section.png }}" alt="{{ section.alt }}"></figure>
{% if section.same %}<p>The numbers are those of the table under “{{ section.same }}”.</p>
{% else %}{{ grid(section.table) }}{% endif %}
</section>
{% endfor %}
<section>
<h2>Where this comes from</h2>
{% for table in tables %}{{ grid(table) }}{% endfor %}
</section>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Table:
    """A table of the page: every cell is text already, but not yet escaped."""

    caption: str
    columns: list[str]
    rows: list[list[str]]


def write(
    folder: Path,
    *,
    title: str,
    text: Sequence[str],
    figures: Mapping[str, Figure],
    rows: pd.DataFrame,
    jobs: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> Path:
    """Write folder/report.html, atomically; the same bytes for the same arguments. Return its path.

    text: plain sentences, a paragraph each. figures: by the heading of their section. rows: the tidy table that the
    figures were drawn from. jobs: what each run was and became, with state and error. facts: where the numbers come
    from (parameters, versions, device, data fingerprint, commit, seconds); a mapping among them gets its own table.
    """
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(GRID + PAGE)
    single = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    groups = {name: value for name, value in facts.items() if isinstance(value, Mapping)}
    tables = [_facts("Facts", single), *(_facts(name, group) for name, group in groups.items()), _jobs(jobs)]
    sentences = [text] if isinstance(text, str) else text
    html = page.render(title=title, text=sentences, sections=_sections(figures, rows), tables=tables)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    # A file's name need not be text, and then its error line holds what UTF-8 cannot.
    write_atomically(path, html.encode("utf-8", "replace").decode("utf-8"))
    return path


def _sections(figures: Mapping[str, Figure], rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A section a figure. Where the numbers are those of an earlier figure, they are not printed again."""
    found: list[dict[str, Any]] = []
    for name, figure in figures.items():
        table = _numbers(name, rows)
        same = next((section["name"] for section in found if section["table"].rows == table.rows), None)
        picture = base64.b64encode(drawing.png(figure)).decode("ascii")
        found.append({"name": name, "png": picture, "alt": drawing.words_of(figure), "table": table, "same": same})
    return found


def _numbers(name: str, rows: pd.DataFrame) -> Table:
    if name == "confusion" and rows["metric"].str.startswith("confusion/").any():
        shown = drawing.confusion_table(rows)
        return _table("Shares of each true class on clean test images, mean over seeds", shown)
    caption = "Accuracy on clean test images (peak, final) and on the training images (train): mean (lowest to highest)"
    return _table(f"{name}: {caption[0].lower()}{caption[1:]}", drawing.table(rows))


def _table(caption: str, shown: pd.DataFrame) -> Table:
    cells = [[_text(value) for value in row] for row in shown.itertuples(index=False)]
    return Table(caption, [str(column).replace("_", " ") for column in shown.columns], cells)


def _facts(caption: str, facts: Mapping[str, Any]) -> Table:
    return Table(
        caption.capitalize(), ["name", "value"], [[_text(name).replace("_", " "), _text(facts[name])] for name in facts]
    )


def _jobs(jobs: Sequence[Mapping[str, Any]]) -> Table:
    others = [name for job in jobs for name in job if name not in JOB_COLUMNS]
    columns = [name for name in JOB_COLUMNS if name != "job" or any("job" in job for job in jobs)]
    columns += dict.fromkeys(others)
    cells = [[_text(job.get(name, "")) for name in columns] for job in jobs]
    return Table("Jobs", columns, cells)


def _text(value: Any) -> str:
    """A value as people read it: an error's first line, a number without its noise, nothing for None."""
    if value is None or value != value:  # NaN: not measured
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
    return (str(value).splitlines() or [""])[0]
