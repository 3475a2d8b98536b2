"""Pictures, numbers, tables and lines as HTML: every picture with its words, every text escaped, nothing fetched.

Pixels are uint8 H×W×C.
"""

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from workbench import figures
from workbench.data.measures import measure
from workbench.export.write import to_tensor

MIDDLE = 127.5  # grey: no change
Table = Sequence[Sequence[str]]


def inside(kind: str, content: bytes) -> str:
    """Turn a file's bytes, of this media type, into an address that holds the file itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png(content: bytes) -> str:
    """Turn a PNG file's bytes into an address that holds the picture itself."""
    return inside("image/png", content)


def picture(pixels: np.ndarray, caption: str, words: str, side: int) -> str:
    """Show a picture over its caption; `side`: CSS pixels of its longer side; `words`: its alternative text.

    Its pixels stay squares unless it is shown smaller than it is: then none may be left out.
    """
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG", compress_level=3)
    longer = max(pixels.shape[:2])
    height, width = (round(side * length / longer) for length in pixels.shape[:2])
    scaled = "auto" if longer > side else "pixelated"
    look = f"display:block;max-width:none;border:1px solid #888;image-rendering:{scaled}"
    return (
        f'<figure style="margin:0 16px 4px 0"><img src="{png(file.getvalue())}" alt="{escape(words)}" '
        f'style="{look};width:{width}px;height:{height}px">'
        f'<figcaption style="margin:4px 0;max-width:{max(width, 200)}px">{escape(caption)}</figcaption></figure>'
    )


def side_by_side(pictures: Sequence[str]) -> str:
    """Put pictures into one row, or several where there is no room."""
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(pictures)}</div>'


def drawing(figure: Figure, first: str = "") -> str:
    """Show a figure as a picture that fits its cell, or scrolls, by keyboard too; first: said before its own words."""
    words = escape(f"{first} {figures.words_of(figure)}".strip())
    image = f'<img src="{png(figures.png(figure))}" alt="{words}" style="{figures.look_of(figure)}">'
    return f'<div style="overflow-x:auto" tabindex="0" role="group" aria-label="picture">{image}</div>'


def magnified(original: np.ndarray, copy: np.ndarray, times: int) -> np.ndarray:
    """Show the change as mid-grey ± `times` × change."""
    return np.clip(np.round(MIDDLE + times * (copy.astype(float) - original)), 0, 255).astype(np.uint8)


def measured(original: np.ndarray, copy: np.ndarray) -> str:
    """Measure how visible a change is, and say it in one sentence."""
    found = measure(to_tensor(original)[None], to_tensor(copy)[None])[0]
    return visibility(found.linf, found.psnr, found.ssim)


def visibility(linf: int, psnr: float, ssim: float) -> str:
    """Say how visible a change is: pixel values of 255, dB, and SSIM (NaN where it is not defined)."""
    if linf == 0:
        return "Nothing is changed: largest change 0 of 255."
    similar = "not defined for so small an image" if math.isnan(ssim) else f"{ssim:.3f} (1: the same)"
    return f"Largest change {linf} of 255, PSNR {psnr:.1f} dB (higher is harder to see), SSIM {similar}."


def said(*lines: str, urgent: bool = False) -> str:
    """Show lines of text that screen readers announce when they change; empty ones are left out."""
    inner = "".join(f'<p style="margin:2px 0">{escape(line)}</p>' for line in lines if line)
    kind, role = ("said urgent", "alert") if urgent else ("said", "status")
    return f'<div role="{role}" class="{kind}">{inner}</div>' if inner else ""


def plain(text: str) -> str:
    """Show a text that is not announced."""
    return f"<p>{escape(text)}</p>"


def table(heads: Sequence[str], rows: Table, caption: str = "") -> str:
    """Show texts as a table; lines of a cell stand below each other."""
    look = "text-align:left;padding:6px 12px"
    head = "".join(f'<th scope="col" style="{look}">{escape(text)}</th>' for text in heads)
    cells = [
        "".join(f'<td style="{look}">{"<br>".join(escape(text).splitlines())}</td>' for text in row) for row in rows
    ]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
