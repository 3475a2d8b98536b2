"""How visible a change is, measured on decoded pixels: what was promised is checked on what was saved."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11  # pixels; smaller images have no SSIM
SSIM_SCALE = 256  # pixels the shorter side of a large image is brought to before its SSIM
SSIM_LARGE = 512  # pixels; images with a longer shorter side are large
DESCRIBED = 10_000
STRIP = 2**20  # values of an image worked on at once: 12 megapixels would need half a gigabyte as float


@dataclass(frozen=True)
class Quality:
    """One image against its original, both uint8 C×H×W.

    linf: largest change in pixel values of 255; l2: Euclidean norm of the change in pixel values; changed, negative:
    shares of the values that changed and that fell; psnr: dB, infinite for equal images; ssim: Wang et al. 2004,
    NaN for an image smaller than its window of 11 pixels, and for one whose shorter side is over 512 pixels measured
    on averages (see `ssim`).
    """

    linf: int
    l2: float
    changed: float
    negative: float
    psnr: float
    ssim: float


def measure(originals: Tensor, copies: Tensor) -> list[Quality]:
    """Measure each copy against its original: two uint8 tensors N×C×H×W of one shape. Raises ValueError otherwise.

    Large images are worked on in strips, so that twelve megapixels need no more than a few strips beside themselves.
    """
    if originals.shape != copies.shape or originals.dtype != torch.uint8 or copies.dtype != torch.uint8:
        raise ValueError(f"two uint8 tensors of one shape are needed, not {originals.shape} and {copies.shape}")
    scores = ssim(originals, copies)
    return [_measure(*each) for each in zip(originals, copies, scores.tolist(), strict=True)]


def _measure(original: Tensor, copy: Tensor, score: float) -> Quality:
    linf = squares = changed = negative = 0
    rows = max(1, STRIP // original[:, 0].numel())
    for before, after in zip(original.split(rows, 1), copy.split(rows, 1), strict=True):
        delta = after.short() - before.short()
        size = delta.abs()
        linf = max(linf, int(size.max()))
        changed += int(size.count_nonzero())
        negative += int((delta < 0).count_nonzero())
        squares += int(size.int().square_().sum())
    mean_square = squares / original.numel()
    return Quality(
        linf=linf,
        l2=math.sqrt(squares),
        changed=changed / original.numel(),
        negative=negative / original.numel(),
        psnr=math.inf if squares == 0 else 10 * math.log10(255**2 / mean_square),
        ssim=score,
    )


def ssim(originals: Tensor, copies: Tensor) -> Tensor:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): uint8 N×C×H×W twice → float N, NaN below 11 pixels.

    Gaussian window of 11 pixels, σ 1.5, averaged where the window lies within the image, as by Wang et al. and
    scikit-image. SSIM is meant for an image seen whole; so, as the authors' ssim.m advises, both images are first
    averaged over blocks of f×f pixels, f = round(min(H, W) / 256), when the shorter side is over 512 pixels. (ssim.m
    averages with an f×f box and takes every f-th pixel; and it does so from 384 pixels on.) Such a value compares
    with other tools' only where they do the same: noise of single pixels counts for less in it.
    """
    if min(originals.shape[2:]) < SSIM_WINDOW:
        return torch.full((len(originals),), math.nan)
    if min(originals.shape[2:]) > SSIM_LARGE:
        block = int(min(originals.shape[2:]) / SSIM_SCALE + 0.5)
        return _ssim(_averaged(originals, block), _averaged(copies, block))
    return _ssim(originals, copies)


def _averaged(images: Tensor, block: int) -> Tensor:
    """Means over blocks, float32; the last row and column of blocks may be cut by the image's edge."""
    rows = max(1, STRIP // (images[0, :, 0].numel() * block)) * block
    parts = images.split(rows, 2)
    return torch.cat([functional.avg_pool2d(part.float(), block, ceil_mode=True) for part in parts], 2)


def _ssim(originals: Tensor, copies: Tensor) -> Tensor:
    """In strips along the longer side that overlap by a window: the same sum, without the whole image's maps."""
    along = 2 if originals.shape[2] >= originals.shape[3] else 3
    places = originals.shape[along] - SSIM_WINDOW + 1
    step = max(1, 2 * STRIP // originals[0].select(along - 1, 0).numel())
    edge = SSIM_WINDOW // 2
    total = torch.zeros(len(originals), dtype=torch.float64, device=originals.device)
    count = 0
    for start in range(0, places, step):
        length = min(step, places - start) + SSIM_WINDOW - 1
        before, after = (images.narrow(along, start, length).float() for images in (originals, copies))
        _, scores = structural_similarity_index_measure(
            after, before, data_range=255.0, reduction="none", return_full_image=True
        )
        inner = scores[..., edge:-edge, edge:-edge]
        total += inner.sum((1, 2, 3), dtype=torch.float64)
        count += inner[0].numel()
    return total / count


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


def within_class_similarity(delta: Tensor, labels: Tensor) -> float:
    """How alike the noise of one class is: the mean over classes of the squared length of the mean unit noise.

    delta: whole steps N×…, one row per sample. 1 for class-wise noise, about 0 when every sample's noise is its own.
    """
    found = []
    for label in labels.unique():
        mine = delta[labels == label].flatten(1).float()
        unit = mine / mine.norm(dim=1, keepdim=True).clamp_min(1e-6)
        found.append(unit.mean(0).square().sum())
    return float(torch.stack(found).mean())


def describe_noise(delta: Tensor, kind: str, labels: Tensor) -> dict[str, float]:
    """Measures of noise itself, for the record: sign balance, separability by a linear model, likeness in a class.

    Of more than DESCRIBED noises, that many at even distances are measured.
    """
    chosen = torch.linspace(0, len(delta) - 1, min(len(delta), DESCRIBED)).round().long()
    part = delta[chosen]
    measured = {
        "largest": float(part.int().abs().max()),
        "share_positive": float((part > 0).float().mean()),
        "share_negative": float((part < 0).float().mean()),
    }
    if kind == "samplewise":
        measured["linear_separability"] = linear_separability(part, labels[chosen])
        measured["within_class_similarity"] = within_class_similarity(part, labels[chosen])
    return {name: round(value, 4) for name, value in measured.items()}
