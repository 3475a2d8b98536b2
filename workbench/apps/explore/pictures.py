"""Pictures and words as HTML, every picture with its alternative text; nothing here runs or is fetched."""

import base64
import io
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from workbench import figures
from workbench.data.measures import measure

PANEL = 208  # CSS pixels a side of a picture, so that three stand side by side in a cell
FITTING = "width:100%;max-width:900px"
MIDDLE = 127.5  # grey: no change


def magnified(image: Tensor, copy: Tensor, times: int) -> np.ndarray:
    """The change as mid-grey ± `times` × change: uint8 H×W×C, from two uint8 tensors C×H×W."""
    change = _pixels(copy).astype(float) - _pixels(image)
    return np.clip(np.round(MIDDLE + times * change), 0, 255).astype(np.uint8)


def sheet(image: Tensor, copy: Tensor, times: int, name: str) -> str:
    """Image, noise and their sum, side by side; two uint8 tensors C×H×W. name: what the image shows, in words."""
    largest = int((copy.short() - image.short()).abs().max())
    shown = "as it is" if times == 1 else f"×{times}"
    cut = ", cut at black and white" if times * largest > MIDDLE else ""
    panels = (
        ("image", _pixels(image), f"{name}, unchanged"),
        (f"noise {shown}{cut}", magnified(image, copy, times), f"its noise, {shown}, grey is no change"),
        ("image + noise", _pixels(copy), f"{name}, changed by at most {largest} of 255"),
    )
    small = "pixelated" if max(image.shape) < PANEL else "auto"  # every pixel can be seen, or none is left out
    style = f"display:block;border:1px solid #888;image-rendering:{small}"
    inner = "".join(
        f'<figure style="margin:0 12px 4px 0">'
        f'<img src="{_source(pixels)}" alt="{escape(alt)}" width="{PANEL}" style="{style}">'
        f'<figcaption style="margin:0">{escape(title)}</figcaption></figure>'
        for title, pixels, alt in panels
    )
    return f'<div style="display:flex;flex-wrap:wrap">{inner}</div>'


def numbers(image: Tensor, copy: Tensor) -> str:
    """How visible the change is, in one sentence."""
    found = measure(image[None], copy[None])[0]
    if found.linf == 0:
        return "Nothing is changed: largest change 0 of 255, PSNR infinite, SSIM 1."
    similar = "not defined for so small an image" if math.isnan(found.ssim) else f"{found.ssim:.3f} (1: the same)"
    return f"Largest change {found.linf} of 255, PSNR {found.psnr:.1f} dB (more is harder to see), SSIM {similar}."


def drawing(figure: Figure) -> str:
    """A figure, with its own words, as a picture that fits its cell."""
    data = base64.b64encode(figures.png(figure)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(figures.words_of(figure))}" style="{FITTING}">'


def words(*lines: str, urgent: bool = False) -> str:
    """Lines of text, announced by screen readers when they change."""
    inner = "".join(f"<p style='margin:2px 0;line-height:1.4'>{escape(line)}</p>" for line in lines if line)
    return f'<div role="{"alert" if urgent else "status"}">{inner}</div>'


def tried(rows: Sequence[Sequence[str]]) -> str:
    """The pairs trained so far as a table; rows: the texts of its four columns."""
    heads = "".join(
        f'<th scope="col" style="text-align:left;padding:0 16px 0 0">{escape(head)}</th>'
        for head in ("trained on", "peak", "final", "on its own training images")
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="padding:0 16px 0 0">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    caption = (
        '<caption style="text-align:left">Accuracy in all runs so far; peak and final on clean test images</caption>'
    )
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _pixels(image: Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def _source(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
