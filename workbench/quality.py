"""How visible a change is, measured on decoded pixels: what was promised is checked on what was saved."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11  # pixels; smaller images have no SSIM


@dataclass(frozen=True)
class Quality:
    """One image against its original, both uint8 C×H×W.

    linf: largest change in pixel values of 255; l2: Euclidean norm of the change in pixel values; changed, negative:
    shares of the values that changed and that fell; psnr: dB, infinite for equal images; ssim: Wang et al. 2004,
    NaN for an image smaller than its window of 11 pixels.
    """

    linf: int
    l2: float
    changed: float
    negative: float
    psnr: float
    ssim: float


def measure(originals: Tensor, copies: Tensor) -> list[Quality]:
    """Measure each copy against its original: two uint8 tensors N×C×H×W of one shape. Raises ValueError otherwise."""
    if originals.shape != copies.shape or originals.dtype != torch.uint8 or copies.dtype != torch.uint8:
        raise ValueError(f"two uint8 tensors of one shape are needed, not {originals.shape} and {copies.shape}")
    difference = (copies.short() - originals.short()).flatten(1)
    squares = difference.float().square().sum(1)
    ssim = _ssim(originals.float(), copies.float())
    found = []
    for index, delta in enumerate(difference):
        mean_square = float(squares[index]) / delta.numel()
        found.append(
            Quality(
                linf=int(delta.abs().max()),
                l2=math.sqrt(float(squares[index])),
                changed=float((delta != 0).float().mean()),
                negative=float((delta < 0).float().mean()),
                psnr=math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square),
                ssim=float(ssim[index]),
            )
        )
    return found


def _ssim(originals: Tensor, copies: Tensor) -> Tensor:
    if min(originals.shape[2:]) < SSIM_WINDOW:
        return torch.full((len(originals),), math.nan)
    _, scores = structural_similarity_index_measure(
        copies, originals, data_range=255.0, reduction="none", return_full_image=True
    )
    edge = SSIM_WINDOW // 2  # like Wang et al. and scikit-image, only where the window lies within the image
    return scores[..., edge:-edge, edge:-edge].mean((1, 2, 3))


def linear_separability(delta: Tensor, labels: Tensor, steps: int = 100) -> float:
    """How well a linear classifier reads the class from noise alone: delta int8 N×C×H×W, labels int64 N; 0 to 1.

    Fitted on a random half of the noises (drawn from a fixed seed) and scored on the other, since with fewer noises
    than pixels any noise could be learnt by heart. Noise near 1 is a shortcut that any network can take (Yu et al.,
    KDD 2022). Chance is the largest class's share.
    """
    inputs = delta.flatten(1).float() / max(1, int(delta.abs().max()))
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0)).to(inputs.device)
    fitted, held_out = order[: len(order) // 2], order[len(order) // 2 :]
    weight = torch.zeros(int(labels.max()) + 1, inputs.shape[1], device=inputs.device, requires_grad=True)
    optimiser = torch.optim.Adam([weight], lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(inputs[fitted] @ weight.T, labels[fitted]).backward()
        optimiser.step()
    return float(((inputs[held_out] @ weight.T).argmax(1) == labels[held_out]).float().mean())
