"""What the noise of `sem` has to live through: drawn, of the same shape and range, with a gradient."""

import pytest
import torch

from workbench.noise import sem


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 9, 14), (3, 13, 8)])
@pytest.mark.parametrize("how", sem.TRANSFORMS)
def test_transforms_are_drawn_keep_shape_and_range_and_have_a_gradient(shape, how):
    x = torch.rand((6, *shape), generator=torch.Generator().manual_seed(2)) * 255
    x[0], x[1], x[2] = 100.0, 0.0, 255.0  # without a hue, black, white
    seen = set()
    for seed in range(12):
        draws = [torch.Generator().manual_seed(seed) for _ in range(2)]
        given = x.clone().requires_grad_()
        found = sem.transformed(given, how, draws[0])
        assert torch.equal(found, sem.transformed(x, how, draws[1]))
        assert found.shape == x.shape
        assert ((found > -1e-3) & (found < 255.001)).all()
        (gradient,) = torch.autograd.grad(found.sum(), given)
        assert gradient.isfinite().all()
        assert float(gradient.abs().sum()) > 0
        seen.add(found.detach().numpy().tobytes())
    assert len(seen) == (1 if how == "none" else 12)


def test_the_strong_augmentations_gradient_is_that_of_differences():
    x = (60 + 130 * torch.rand((2, 3, 5, 6), generator=torch.Generator().manual_seed(2))).double()
    ways = torch.eye(x.numel()).double().view(-1, *x.shape)
    for seed in (0, 1, 4, 6):  # the last two change colours

        def augmented(y, seed=seed):
            return sem.strong(y, torch.Generator().manual_seed(seed))

        gradient = torch.autograd.functional.jacobian(augmented, x).view(x.numel(), -1)
        found = torch.stack([(augmented(x + 0.1 * way) - augmented(x - 0.1 * way)).flatten() / 0.2 for way in ways], 1)
        assert float((gradient.abs() > 0.01).float().mean()) > 1 / 3 / x.numel()
        assert float(((gradient - found).abs() > 0.01).float().mean()) < 1e-3  # but at the kinks of a hue


def test_grey_images_are_as_many_as_said_and_pass_the_gradient_of_brightness():
    x = (torch.rand((400, 3, 4, 4), generator=torch.Generator().manual_seed(2)) * 255).requires_grad_()
    found = sem.greyed(x, 0.5, torch.Generator().manual_seed(0))
    grey = (found == found[:, :1]).all((1, 2, 3))
    assert 150 < int(grey.sum()) < 250
    assert torch.equal(found[~grey], x[~grey])
    found.sum().backward()
    weights = x.grad[grey].mean((0, 2, 3)) / 3
    torch.testing.assert_close(weights, torch.tensor([0.299, 0.587, 0.114]), atol=1e-3, rtol=0)
