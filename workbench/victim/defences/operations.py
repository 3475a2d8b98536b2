"""RandAugment's and TrivialAugment's operations for whole batches, every image with its own operation and strength.

torchvision's operations (transforms/v2, nearest pixel, black outside) take one strength a call; a batch here is sorted
by operation, and strengths are tensors. A GPU is waited for once.
"""

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

NAMES = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate",
    "Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
SIGNED = torch.tensor([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0], dtype=torch.bool)
BINS = 31  # of strength
STRENGTH = 9  # RandAugment's bin


def strengths(shear: float, shift: tuple[float, float], degrees: float, blend: float, bits: int) -> Tensor:
    """A table of strengths float32 14×31, from none to these: shift in pixels (x, y), bits that are cut."""
    most = (0, shear, shear, *shift, degrees, *[blend] * 4, 0, 0, 0, 0)
    table = torch.stack([torch.linspace(0, end, BINS) for end in most])
    table[NAMES.index("Posterize")] = (8 - torch.arange(BINS) / ((BINS - 1) / bits)).round()
    table[NAMES.index("Solarize")] = torch.linspace(1, 0, BINS)
    return table


def randaugment(x: Tensor, draw: torch.Generator) -> Tensor:
    """Two drawn operations at bin 9 of 31 (Cubuk et al., NeurIPS 2020): uint8 N×C×H×W to the same."""
    height, width = x.shape[2:]
    table = strengths(0.3, (150 / 331 * width, 150 / 331 * height), 30, 0.9, 4)
    for _ in range(2):
        which = torch.randint(len(NAMES), (len(x),), generator=draw, device=draw.device)
        x = apply(x, which, _signed(which, table[:, STRENGTH].to(which.device)[which], draw))
    return x


def trivial(x: Tensor, draw: torch.Generator) -> Tensor:
    """One drawn operation at a drawn strength (TrivialAugment, wide; Müller and Hutter, ICCV 2021)."""
    table = strengths(0.99, (32, 32), 135, 0.99, 6)
    which = torch.randint(len(NAMES), (len(x),), generator=draw, device=draw.device)
    bins = torch.randint(BINS, (len(x),), generator=draw, device=draw.device)
    return apply(x, which, _signed(which, table.to(which.device)[which, bins], draw))


def _signed(which: Tensor, strength: Tensor, draw: torch.Generator) -> Tensor:
    """Turn the strengths of operations that have two ways round with probability one half."""
    turned = torch.rand(len(which), generator=draw, device=draw.device) <= 0.5
    return torch.where(turned & SIGNED.to(which.device)[which], -strength, strength)


def apply(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Apply to each image its operation: uint8 N×C×H×W; which: int64 N, of NAMES; strength: float32 N, signed."""
    found = x.clone()
    kinds = torch.tensor([0, 1, 1, 1, 1, 1, *range(2, 10)], device=which.device)[which]
    order = kinds.argsort()
    for kind, mine in enumerate(order.split(torch.bincount(kinds, minlength=10).tolist())):
        if kind and len(mine):
            found[mine] = KINDS[kind - 1](x[mine], which[mine], strength[mine])
    return found


def _moved(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Shear from the upper left corner, shift, or turn about the middle: the nearest pixel, black from outside."""
    height, width = x.shape[2:]
    angle, shear_x, shear_y, right, down = (
        torch.where(which == NAMES.index(name), strength, 0)[:, None]
        for name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
    )
    cos, sin = angle.deg2rad().cos(), angle.deg2rad().sin()
    y = torch.arange(height, device=x.device) - (height - 1) / 2
    x_ = torch.arange(width, device=x.device) - (width - 1) / 2
    right = shear_x * height / 2 - right.trunc() + (width - 1) / 2
    down = shear_y * width / 2 - down.trunc() + (height - 1) / 2
    columns = (cos * x_)[:, None, :] + ((shear_x - sin) * y + right)[:, :, None]
    rows = ((sin + shear_y) * x_)[:, None, :] + (cos * y + down)[:, :, None]
    # Places in the image with a black border of one pixel; float32 counts them exactly up to 2^24.
    rows, columns = rows.round_().clamp_(-1, height), columns.round_().clamp_(-1, width)
    place = rows.mul_(width + 2).add_(columns).add_(width + 3).long().flatten(1)[:, None]
    bordered = nn.functional.pad(x, [1, 1, 1, 1]).flatten(2)
    return bordered.gather(2, place.expand(-1, x.shape[1], -1)).view_as(x)


def _blended(x: Tensor, other: Tensor | float, strength: Tensor) -> Tensor:
    """x + strength·(x − other), cut to 0..255 and to whole values."""
    share = 1 + strength[:, None, None, None]
    return (x * share).add_((1 - share) * other).clamp_(0, 255).to(torch.uint8)


def _grey(x: Tensor) -> Tensor:
    """Brightness, whole values, uint8 N×1×H×W."""
    return functional.rgb_to_grayscale(x, num_output_channels=1)


def _brightness(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    return _blended(x, 0.0, strength)


def _colour(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    return x if x.shape[1] == 1 else _blended(x, _grey(x), strength)


def _contrast(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    return _blended(x, _grey(x).float().mean((1, 2, 3), keepdim=True), strength)


def _sharpness(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Blend with the image smoothed by [1 1 1; 1 5 1; 1 1 1]/13; the outermost pixels stay."""
    if min(x.shape[2:]) < 3:
        return x
    inner = x[..., 1:-1, 1:-1].float()
    smooth = ((nn.functional.avg_pool2d(x.float(), 3, 1) * 9 + 4 * inner) / 13).round()
    found = x.clone()
    found[..., 1:-1, 1:-1] = _blended(inner, smooth, strength)
    return found


def _posterize(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Keep the highest bits."""
    return x & (256 - 2 ** (8 - strength.int())).to(torch.uint8)[:, None, None, None]


def _solarize(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Invert what is as bright as the strength, as a share of 255."""
    return torch.where(x >= 255 * strength[:, None, None, None], 255 - x, x)


def _autocontrast(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    return functional.autocontrast(x)


def _equalize(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    return functional.equalize(x)


KINDS = (
    _moved, _brightness, _colour, _contrast, _sharpness, _posterize, _solarize, _autocontrast, _equalize,
)  # fmt: skip
