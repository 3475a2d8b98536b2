"""UEraser: clouds, channels and the worst of several draws, written a second time."""

import pytest
import torch
from torch import nn

from workbench import models
from workbench.victim.composed import named
from workbench.victim.defences import ueraser
from workbench.victim.defences.ueraser import brightness, contrast, erased, plasma, shuffled


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_clouds_are_diamonds_and_squares():
    """One cloud of 5×5, in the words of Fournier, Fussell and Carpenter (1982), with the same draws."""
    made, roughness = draw(1), 0.6
    field = {(r, c): 0.0 for r in range(5) for c in range(5)}
    corners = torch.rand((1, 1, 2, 2), generator=made)[0, 0]
    field |= {(4 * r, 4 * c): float(corners[r, c]) for r in (0, 1) for c in (0, 1)}
    for step, half, size in ((4, 2, roughness), (2, 1, roughness**2)):
        side = 4 // half + 1
        chance = torch.rand((1, 1, side, side), generator=made)[0, 0] * size
        middles = [(r, c) for r in range(half, 5, step) for c in range(half, 5, step)]
        for r, c in middles:
            around = [field[r + a, c + b] for a in (-half, half) for b in (-half, half)]
            field[r, c] = sum(around) / 4 + float(chance[r // half, c // half])
        done = dict(field)
        for r in range(0, 5, half):
            for c in range(0, 5, half):
                if (r // half + c // half) % 2:
                    around = [
                        done[4 - abs(4 - abs(r + a)), 4 - abs(4 - abs(c + b))]
                        for a, b in ((-half, 0), (half, 0), (0, -half), (0, half))
                    ]
                    field[r, c] = sum(around) / 4 + float(chance[r // half, c // half])
    naive = torch.tensor([[field[r, c] for c in range(4)] for r in range(5)])
    naive = (naive - naive.min()) / (naive.max() - naive.min())
    found = plasma(torch.zeros(1, 1, 5, 4), torch.tensor([roughness]), draw(1))
    assert torch.allclose(found[0, 0], naive, atol=1e-5)


def test_clouds_fill_their_range_are_smooth_and_rougher_when_asked():
    form = torch.zeros(64, 3, 24, 40)
    smooth, rough = (plasma(form, torch.full((64,), size), draw()) for size in (0.3, 0.7))
    for cloud in (smooth, rough):
        assert cloud.shape == form.shape
        assert torch.allclose(cloud.amin((2, 3)), torch.zeros(64, 3))
        assert torch.allclose(cloud.amax((2, 3)), torch.ones(64, 3))
    steps = [float((cloud[..., 1:] - cloud[..., :-1]).abs().mean()) for cloud in (smooth, rough)]
    assert steps[0] < 0.5 * steps[1] < 0.1
    assert len({cloud.numpy().tobytes() for cloud in rough.flatten(0, 1)}) == 192
    assert plasma(form[..., :1, :1], torch.full((64,), 0.5), draw()).isfinite().all()


def test_brightness_and_contrast_are_what_clouds_make_of_them(digits):
    photos = digits.train.samples[:6, :, :20]
    made, again = draw(2), draw(2)
    found = brightness(photos, made)
    intensity = 0.5 + 0.5 * torch.rand(6, generator=again)
    roughness = 0.3 + 0.4 * torch.rand(6, generator=again)
    added = 255 * intensity[:, None, None, None] * (2 * plasma(photos, roughness, again) - 1)
    assert (found - (photos + added).clamp(0, 255)).abs().max() < 0.51
    found = contrast(photos, made)
    factor = 4 * plasma(photos, 0.3 + 0.4 * torch.rand(6, generator=again), again)
    assert (found - ((photos / 255 - 0.5) * factor + 0.5).clamp(0, 1) * 255).abs().max() < 0.51


def test_channels_are_shuffled_into_every_order():
    x = torch.tensor([1, 2, 3], dtype=torch.uint8)[None, :, None, None].expand(1200, 3, 4, 5)
    found = shuffled(x, draw())
    assert torch.equal(found, found[:, :, :1, :1].expand_as(found))
    orders, counts = found[:, :, 0, 0].unique(dim=0, return_counts=True)
    assert sorted(map(sorted, orders.tolist())) == [[1, 2, 3]] * 6
    assert int((counts - 200).abs().max()) < 70


def test_every_step_is_taken_for_half_of_the_images(monkeypatch, digits):
    same = digits.train.samples[:1].expand(600, -1, -1, -1)
    monkeypatch.setattr(ueraser.operations, "trivial", lambda x, draw: x)
    for name in ("brightness", "contrast", "shuffled"):
        with monkeypatch.context() as here:
            for other in {"brightness", "contrast", "shuffled"} - {name}:
                here.setattr(ueraser, other, lambda x, draw: x)
            share = float((erased(same, draw()) != same).flatten(1).any(1).float().mean())
        assert share == pytest.approx(0.5 if name != "shuffled" else 5 / 12, abs=0.08)


def test_the_worst_draw_is_learnt_from(digits):
    network = models.build("convnet-w4", channels=3, classes=10, side=32, seed=0).train()
    x, y = digits.train.samples[:16].float(), digits.train.labels[:16]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found, same = named("ueraser-max").loss_batch(network, x, y, draw(3))
    assert same is y
    assert network.training
    assert not found.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    made, network = draw(3), network.eval()
    tried = [erased(x.to(torch.uint8), made).float() for _ in range(5)]
    with torch.no_grad():
        loss = torch.stack([nn.functional.cross_entropy(network(one), y, reduction="none") for one in tried])
    naive = torch.stack([tried[int(which)][n] for n, which in enumerate(loss.argmax(0))])
    assert torch.equal(found, naive)
    assert len(loss.argmax(0).unique()) > 2


def test_labels_may_be_probabilities_and_a_network_may_say_nonsense(digits):
    x, y = digits.train.samples[:8].float(), torch.full((8, 10), 0.1)
    network = models.build("convnet-w4", channels=3, classes=10, side=32, seed=0)
    found, soft = named("ueraser-max").loss_batch(network, x, y, draw())
    assert (found.shape, soft.shape) == (x.shape, y.shape)
    broken = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    broken[1].weight.data.fill_(torch.nan)
    assert torch.equal(named("ueraser-max").loss_batch(broken, x, digits.train.labels[:8], draw())[0], x)
