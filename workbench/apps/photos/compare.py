"""A photo, its changed copy and their difference beside each other: the whole of it, and a window pixel by pixel."""

import base64
import io
import math
from html import escape
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw

from workbench.data.measures import measure

TIMES = 8  # how much the difference is magnified
MIDDLE = 127.5  # grey: no change
SIDE = 256  # CSS pixels of a picture, and photo pixels of the window
SAMPLE = 512  # photo pixels a side of the part on which a preview is measured


class Numbers(NamedTuple):
    """How visible a change is: largest change in pixel values of 255, PSNR in dB, SSIM (NaN: too small for one)."""

    linf: int
    psnr: float
    ssim: float


def numbers(original: np.ndarray, copy: np.ndarray) -> Numbers:
    """Measure uint8 H×W×C against H×W×C."""
    found = measure(*(torch.from_numpy(part).permute(2, 0, 1)[None] for part in (original, copy)))[0]
    return Numbers(found.linf, found.psnr, found.ssim)


def size_only(original: np.ndarray, epsilon: int) -> np.ndarray:
    """A change of the same size and no aim, the same for every photo: every pixel value up or down by epsilon."""
    signs = np.random.default_rng(0).integers(0, 2, original.shape) * 2 - 1
    return np.clip(original + epsilon * signs, 0, 255).astype(np.uint8)


def middle(pixels: np.ndarray) -> np.ndarray:
    """The middle of a photo, at most SAMPLE pixels a side: enough to tell how visible a change is, and quick."""
    return crop(pixels, 0.5, 0.5, SAMPLE)


def crop(pixels: np.ndarray, across: float, down: float, side: int = SIDE) -> np.ndarray:
    """The window `side` pixels wide and high whose place is two shares, 0 to 1; less where the photo is smaller."""
    left, top, width, height = place(pixels, across, down, side)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def place(pixels: np.ndarray, across: float, down: float, side: int = SIDE) -> tuple[int, int, int, int]:
    """left, top, width, height of the window."""
    height, width = min(side, pixels.shape[0]), min(side, pixels.shape[1])
    return round(across * (pixels.shape[1] - width)), round(down * (pixels.shape[0] - height)), width, height


def difference(original: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """The change as mid-grey ± TIMES × change."""
    return np.clip(np.round(MIDDLE + TIMES * (copy.astype(float) - original)), 0, 255).astype(np.uint8)


def sheet(
    original: np.ndarray, copy: np.ndarray, name: str, titles: tuple[str, str], across: float, down: float
) -> str:
    """Three whole pictures, and below them the window: HTML. titles: what stands under original and copy."""
    bounds = place(original, across, down)
    framed = bounds[2:] != (original.shape[1], original.shape[0])
    first = _small(original)
    wholes = (_framed(first, original, bounds) if framed else first, _small(copy), _small(difference(original, copy)))
    parts = [crop(part, across, down) for part in (original, copy)]
    windows = [Image.fromarray(part.squeeze()) for part in (*parts, difference(*parts))]
    enlarged = max(1, SIDE // max(windows[0].size))
    how = f"each pixel {enlarged} times as large" if enlarged > 1 else "pixel by pixel"
    under = (*titles, f"the change, magnified {TIMES} times; grey is no change")
    rows = [_row(wholes, name, under, 1, "")] if framed else []
    heading = f"<h3>Close up: {how}{', inside the frame' if framed else ''}</h3>"
    return "".join([*rows, heading, _row(windows, name, under, enlarged, "close up, ")])


def in_words(found: Numbers) -> str:
    """The numbers in one sentence."""
    if found.linf == 0:
        return "Nothing is changed."
    similar = "" if math.isnan(found.ssim) else f", SSIM {found.ssim:.3f} (1 is identical)"
    return f"Largest change {found.linf} of 255, PSNR {found.psnr:.1f} dB (higher is harder to see){similar}."


def _small(pixels: np.ndarray) -> Image.Image:
    """At most twice SIDE a side. Pixels are picked, not averaged: averaging would hide the change."""
    image = Image.fromarray(pixels.squeeze())
    share = min(1.0, 2 * SIDE / max(image.size))
    wanted = tuple(max(1, round(share * length)) for length in image.size)
    return image if share == 1 else image.resize((wanted[0], wanted[1]), Image.Resampling.NEAREST)


def _framed(small: Image.Image, pixels: np.ndarray, bounds: tuple[int, int, int, int]) -> Image.Image:
    """The window's place as a frame of black and white, to be seen on any photo."""
    share = small.size[0] / pixels.shape[1]
    left, top, width, height = (round(share * value) for value in bounds)
    drawn = small.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    for inset, colour in ((0, "black"), (2, "white"), (4, "black")):
        box = (left + inset, top + inset, left + width - 1 - inset, top + height - 1 - inset)
        if box[0] < box[2] and box[1] < box[3]:
            pen.rectangle(box, outline=colour, width=2)
    return drawn


def _row(images: object, name: str, titles: tuple[str, ...], times: int, prefix: str) -> str:
    figures = []
    for image, title in zip(images, titles, strict=True):  # type: ignore[call-overload]
        width, height = (times * length for length in image.size)
        shrunk = min(1.0, SIDE / max(width, height))
        box = f"width:{round(shrunk * width)}px;height:{round(shrunk * height)}px"
        sharp = "image-rendering:pixelated;" if shrunk == 1 else ""
        alt = escape(f"{prefix}{name}: {title}")
        figures.append(
            f'<figure><img src="{_source(image)}" alt="{alt}" style="{sharp}{box}">'
            f"<figcaption>{escape(title[0].upper() + title[1:])}</figcaption></figure>"
        )
    return f'<div class="photos-row">{"".join(figures)}</div>'


def _source(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
