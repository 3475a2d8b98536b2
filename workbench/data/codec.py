"""JPEG in torch: batched, on any device, of any size, and with gradients where they are asked for.

What libjpeg does by default (Wallace, CACM 1991; JFIF 1.02; ITU-T T.81, Annex K): YCbCr, colour at half the size
(4:2:0), 8×8 cosine transforms, the standard tables scaled by quality, and colour brought back by its triangle filter.
The entropy coding loses nothing and is left out. Of large images the real codec is faster on a CPU.
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.parts import by_parts

BLOCK = 8
BRIGHTNESS = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_COLOUR = {(0, 0): 17, (0, 1): 18, (0, 2): 24, (0, 3): 47, (1, 1): 21, (1, 2): 26, (1, 3): 66, (2, 2): 56}
COLOUR = tuple(_COLOUR.get((min(at), max(at)), 99) for at in ((row, column) for row in range(8) for column in range(8)))
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def table(base: tuple[int, ...], quality: int) -> Tensor:
    """Scale a table of 64 steps as libjpeg does. quality: 1..100. Returns float32 8×8, steps of the coefficients."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return torch.tensor([min(max((step * percent + 50) // 100, 1), 255) for step in base]).float().view(BLOCK, BLOCK)


def cosines(size: int) -> Tensor:
    """The orthonormal DCT-II of `size` values as a float32 matrix, a row a frequency."""
    turn = torch.arange(size)[:, None] * (2 * torch.arange(size) + 1) * (math.pi / (2 * size))
    matrix = turn.double().cos() * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


def compress(x: Tensor, quality: int, straight: bool = False) -> Tensor:
    """Compress images and read them back: float N×C×H×W in 0..255, C 1 or 3, to whole values of the same form.

    straight: let gradients pass every rounding and cutting unchanged; without it there are none.
    """
    return by_parts(partial(_compressed, quality=quality, straight=straight), x)


def _compressed(x: Tensor, quality: int, straight: bool) -> Tensor:
    height, width = x.shape[2:]
    x = _padded(x)
    if x.shape[1] == 1:
        return _coded(x, table(BRIGHTNESS, quality), straight)[..., :height, :width]
    offset = x.new_tensor([0.0, 128.0, 128.0])[:, None, None]
    planes = _whole(_mixed(x, TO_YCBCR) + offset, straight)
    brightness = _coded(planes[:, :1], table(BRIGHTNESS, quality), straight)
    halved = functional.avg_pool2d(planes[:, 1:], 2)
    halved = _whole(halved + _turns(halved) / 8, straight)
    colour = _coded(halved, table(COLOUR, quality), straight)[..., : -(-height // 2), : -(-width // 2)]
    colour = functional.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    colour = _whole(colour - _turns(colour) / 32, straight)
    planes = torch.cat([brightness[..., :height, :width], colour[..., :height, :width]], 1)
    return _whole(_mixed(planes - offset, TO_RGB), straight)


def _padded(x: Tensor) -> Tensor:
    """Repeat the last row and column up to multiples of 16."""
    rows, columns = -x.shape[2] % (2 * BLOCK), -x.shape[3] % (2 * BLOCK)
    return functional.pad(x, [0, columns, 0, rows], mode="replicate") if rows or columns else x


def _mixed(x: Tensor, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    """Weighted sums of the channels; not as a convolution, which GPUs shorten to TF32."""
    return (x.new_tensor(weights) @ x.flatten(2)).view_as(x)


def _turns(x: Tensor) -> Tensor:
    """−½ and ½ by turns, column by column: libjpeg rounds ties of the colours up in one and down in the next."""
    return torch.arange(x.shape[3], device=x.device) % 2 - 0.5


def _whole(x: Tensor, straight: bool) -> Tensor:
    """Round to whole values of 0..255."""
    rounded = x.round().clamp(0, 255)
    return x + (rounded - x).detach() if straight else rounded


def _coded(x: Tensor, steps: Tensor, straight: bool) -> Tensor:
    """Quantise the coefficients of every 8×8 block: float N×C×H×W, H and W multiples of 8, to the same."""
    count, channels, height, width = x.shape
    cut = (count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    blocks = x.view(cut).transpose(3, 4).reshape(-1, BLOCK * BLOCK) - 128
    turn = torch.kron(cosines(BLOCK), cosines(BLOCK)).to(x)  # of a block at once: 64 coefficients of 64 pixels
    steps = steps.to(x).flatten()
    levels = blocks @ turn.T
    rounded = (levels * 8).round() / 8  # libjpeg's transform knows eighths: ties are frequent, and go away from zero
    rounded = rounded.sign() * (rounded.abs() / steps + 0.5).floor()
    levels = levels / steps + (rounded - levels / steps).detach() if straight else rounded
    pixels = levels @ (turn * steps[:, None]) + 128
    return _whole(pixels.view(*cut[:3], cut[4], BLOCK, BLOCK).transpose(3, 4).reshape(x.shape), straight)
