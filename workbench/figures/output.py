"""Out of memory and to the reader: a figure as PNG and SVG, always with its words for those who cannot see it."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from workbench.files.atomic import replacing

DPI = 110


def words_of(figure: Figure) -> str:
    """The alternative text that the drawing function gave the figure, on one line and fit for XML."""
    return "".join(letter if letter.isprintable() else " " for letter in str(figure.get_label()))


def settle(figure: Figure) -> None:
    """Fix where everything stands. Each drawing would move it a little, and then no two files would be the same."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.draw_without_rendering()  # a second time, for what depends on the first: square axes, wrapped titles
        figure.set_layout_engine("none")


def png(figure: Figure) -> bytes:
    """The figure as PNG, with its alternative text inside; the same bytes for the same figure."""
    settle(figure)
    picture = io.BytesIO()
    metadata = {"Software": None, "Description": words_of(figure) or None}
    figure.savefig(picture, format="png", dpi=DPI, metadata=metadata)
    return picture.getvalue()


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write folder/name.png and .svg, the same bytes for the same figure; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with replacing(paths[0]) as file:
        file.write(png(figure))
    with replacing(paths[1]) as file, matplotlib.rc_context({"svg.hashsalt": name}):
        text = {"Title": name, "Description": words_of(figure)}
        figure.savefig(
            file, format="svg", metadata={"Date": None, **{key: value for key, value in text.items() if value}}
        )
    return paths


def show(figure: Figure, text: str = "") -> None:
    """Show a figure in a notebook, with `text` (or else the figure's own) for readers who cannot see it."""
    from IPython.display import Image, display

    display(Image(png(figure)), metadata={"image/png": {"alt": text or words_of(figure)}})
