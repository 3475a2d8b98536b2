"""The book's contents: which page stands where. Pages themselves stay plain Markdown that GitHub shows too."""

from pathlib import Path

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Start", ("docs/install", "docs/faq")),
    ("Learn", ("notebooks/course/*", "notebooks/0*", "notebooks/1*", "docs/teaching", "docs/answers/*")),
    ("Do", ("docs/photos", "docs/sound", "docs/howto/*", "experiments/README")),
    ("Understand", ("docs/explain/*", "docs/design", "docs/glossary")),
    ("Look up", ("docs/commands", "docs/reference/*", "docs/files", "docs/library", "docs/api/workbench/index")),
    ("Results", ("experiments/results/README", "experiments/results/what_was_tried")),
    ("More", ("README", "SECURITY", "CHANGELOG")),
)
FRONT = "docs/README.md"


def write(source: Path, *, api: bool) -> None:
    """Append the contents to the front page in `source`. api: the pages of all modules are among them."""
    lines = []
    for title, listed in PARTS:
        wanted = [page for page in listed if "*" not in page or any(source.glob(page))]
        wanted = [page for page in wanted if api or not page.startswith("docs/api")]
        lines += [
            "",
            "```{toctree}",
            ":hidden:",
            ":glob:",
            f":caption: {title}",
            "",
            *(f"/{page}" for page in wanted),
            "```",
        ]
    front = source / FRONT
    front.write_text(front.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
