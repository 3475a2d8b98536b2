"""JPEG in torch: against Pillow's files, against a block written out by hand, and its gradients."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from workbench.data import codec, parts
from workbench.data.codec import compress, cosines, table


def pillow(image: torch.Tensor, quality: int) -> JpegImageFile:
    file = io.BytesIO()
    array = image.permute(1, 2, 0).numpy()
    Image.fromarray(array if array.shape[2] == 3 else array[..., 0]).save(file, "JPEG", quality=quality)
    return Image.open(file)


def read(image: torch.Tensor, quality: int) -> torch.Tensor:
    array = np.array(pillow(image, quality))
    return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1).float()


@pytest.mark.parametrize("quality", [95, 75, 50, 30, 10])
@pytest.mark.parametrize("size", [(32, 32), (16, 48), (17, 30), (9, 31), (1, 1)])
@pytest.mark.parametrize("channels", [3, 1])
def test_values_are_pillows_up_to_a_step_here_and_there(digits, quality, size, channels):
    tiled = digits.train.samples[:8].repeat(1, 1, 1, 2)[:, :channels, : size[0], : size[1]]
    found = compress(tiled.float(), quality)
    theirs = torch.stack([read(image, quality) for image in tiled])
    assert found.shape == tiled.shape
    assert torch.equal(found, found.round().clamp(0, 255))
    assert (found - theirs).abs().mean() < 0.7


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 100])
def test_tables_are_those_in_a_file_of_pillows(digits, quality):
    theirs = pillow(digits.train.samples[0], quality).quantization
    for base, number in ((codec.BRIGHTNESS, 0), (codec.COLOUR, 1)):
        assert table(base, quality).flatten().int().tolist() == theirs[number]


def test_a_block_is_what_the_standard_says():
    """Grey, 8×8: the sums of T.81, A.3.3, written out."""
    block = torch.randint(0, 256, (8, 8), generator=torch.Generator().manual_seed(1)).double()
    scale = [0.5**0.5, *[1.0] * 7]
    wave = [[np.cos((2 * place + 1) * rate * np.pi / 16) for place in range(8)] for rate in range(8)]
    every = [(i, j) for i in range(8) for j in range(8)]
    steps, levels = table(codec.BRIGHTNESS, 60), {}
    for u, v in every:
        total = sum((float(block[i, j]) - 128) * wave[u][i] * wave[v][j] for i, j in every)
        step = float(steps[u, v])
        levels[u, v] = round(scale[u] * scale[v] / 4 * total / step) * step
    naive = torch.zeros(8, 8)
    for i, j in every:
        total = sum(scale[u] * scale[v] * levels[u, v] * wave[u][i] * wave[v][j] for u, v in every)
        naive[i, j] = min(max(round(total / 4 + 128), 0), 255)
    assert torch.equal(compress(block[None, None].float(), 60)[0, 0], naive)


def test_cosines_are_orthonormal():
    for size in (1, 8, 31):
        assert torch.allclose(cosines(size) @ cosines(size).T, torch.eye(size), atol=1e-5)


def test_gradients_go_straight_through_where_they_are_asked_for(digits):
    x = digits.train.samples[:2].float().requires_grad_()
    found = compress(x, 30, straight=True)
    assert torch.allclose(found, compress(x.detach(), 30), atol=1e-3)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad((found * weights).sum(), x)
    grey = weights.sum(1, keepdim=True)  # of the image's brightness the gradient is what it is without a codec
    assert torch.allclose(gradient.sum(1, keepdim=True), grey, atol=1e-2)
    assert not compress(x, 30).requires_grad or not torch.autograd.grad(compress(x, 30).sum(), x)[0].any()


def test_parts_come_together(digits, monkeypatch):
    x = digits.train.samples[:7].float()
    whole = compress(x, 50)
    monkeypatch.setattr(parts, "PART", 2 * x[0].numel())
    seen = []
    found = parts.by_parts(lambda part, facts: seen.append(len(part)) or part + facts, x[:, 0, 0, 0], torch.arange(7))
    assert torch.equal(found, x[:, 0, 0, 0] + torch.arange(7))
    assert torch.equal(compress(x, 50), whole)
    parts.by_parts(lambda part: seen.append(len(part)) or part, x)
    assert seen == [7, 2, 2, 2, 1]
    assert compress(x[:0], 50).shape == (0, 3, 32, 32)
