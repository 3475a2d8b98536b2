"""The budget: ball, range of the space, direction of a step, rounding that neither leaves ε nor loses a sign."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config import ConfigError
from workbench.data.space import Space
from workbench.noise.budget import PerturbationBudget

radii = st.integers(0, 127)
seeds = st.integers(0, 1000)


def normal(seed: int, scale: float = 1.0, shape=(2, 3, 4, 4)) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(radii, seeds)
def test_projection_is_the_nearest_point_of_the_ball(radius, seed):
    delta = normal(seed, 2.0 * radius + 1)
    found = PerturbationBudget(radius).project(delta)
    assert found.abs().max() <= radius
    inside = delta.abs() <= radius
    assert torch.equal(found[inside], delta[inside])
    assert torch.equal(found[~inside], radius * delta[~inside].sign())


@settings(deadline=None)
@given(radii, seeds)
def test_samples_with_noise_are_cut_to_the_range_of_their_space(radius, seed):
    images = torch.randint(0, 256, (2, 3, 4, 4), generator=torch.Generator().manual_seed(seed)).float()
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    budget = PerturbationBudget(radius)
    delta = budget.project(normal(seed, 2.0 * radius + 1))
    found = budget.in_range(images + delta)
    assert torch.equal(found, torch.clamp(images + delta, 0, 255))
    assert (found - images).abs().max() <= radius + 1e-4
    assert (found[0, 0, 0] >= 0).all()
    assert (found[0, 0, 1] <= 255).all()


def test_another_space_has_its_own_range_type_and_largest_budget():
    sound = Space("sound", -1000, 1000, "of 1000", torch.int16, torch.int16)
    budget = PerturbationBudget(300, sound)
    assert budget.in_range(torch.tensor([-1200.0, 5.0, 1001.0])).tolist() == [-1000, 5, 1000]
    assert budget.round(torch.tensor([-400.0, 0.6])).dtype == torch.int16
    with pytest.raises(ConfigError, match=r"outside 0\.\.32767 of 1000"):
        PerturbationBudget(32768, sound)


@settings(deadline=None)
@given(radii, seeds)
def test_rounding_gives_the_nearest_whole_value_within_the_ball(radius, seed):
    budget = PerturbationBudget(radius)
    delta = budget.random_start((1, 3, 8, 8), torch.Generator().manual_seed(seed))
    found = budget.round(delta)
    assert found.dtype == torch.int8
    assert int(found.short().abs().max()) <= radius
    assert (found.float() - delta).abs().max() <= 0.5


@settings(deadline=None)
@given(radii, seeds)
def test_rounding_what_lies_outside_ends_on_the_sphere(radius, seed):
    delta = normal(seed, 1000.0)
    delta = delta + delta.sign() * (radius + 1)
    assert torch.equal(PerturbationBudget(radius).round(delta).short(), (radius * delta.sign()).short())


def test_rounding_keeps_negative_noise_and_the_full_radius():
    delta = torch.tensor([-8.0, -7.6, -0.6, -0.4, 0.0, 0.4, 0.6, 7.6, 8.0, 8.4, -8.4])
    assert PerturbationBudget(8).round(delta).tolist() == [-8, -8, -1, 0, 0, 0, 1, 8, 8, 8, -8]
    assert torch.equal(PerturbationBudget(8).round(-delta), -PerturbationBudget(8).round(delta))


@settings(deadline=None)
@given(st.floats(0.1, 3), seeds)
def test_a_step_goes_against_the_sign_of_the_gradient_whatever_its_size(size, seed):
    gradient = normal(seed)
    gradient[0, 0, 0] = 0
    for scale in (1e-6, 1e3):
        moved = PerturbationBudget(8).step(torch.zeros_like(gradient), scale * gradient, size)
        assert torch.allclose(moved, -size * gradient.sign())


@settings(deadline=None)
@given(seeds)
def test_a_negative_step_climbs(seed):
    gradient = normal(seed)
    moved = PerturbationBudget(8).step(torch.zeros_like(gradient), gradient, -2.0)
    assert float((moved * gradient).sum()) > 0
    assert torch.equal(moved, 2 * gradient.sign())


def test_many_steps_end_on_the_sphere():
    budget, gradient = PerturbationBudget(5), normal(0)
    delta = torch.zeros_like(gradient)
    for _ in range(20):
        delta = budget.step(delta, gradient, 0.8)
    assert torch.equal(delta, -5 * gradient.sign())


def test_random_start_is_seeded_and_fills_the_ball():
    def draw(seed):
        return PerturbationBudget(8).random_start((50, 3, 8, 8), torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert draw(1).abs().max() <= 8
    assert abs(float(draw(1).mean())) < 0.3
    assert float(draw(1).std()) == pytest.approx(8 / 3**0.5, rel=0.03)  # of the uniform distribution


@pytest.mark.parametrize("radius", [-1, 128, 8.0, True, "8"])
def test_a_radius_that_int8_or_a_pixel_cannot_hold_is_refused(radius):
    with pytest.raises(ConfigError):
        PerturbationBudget(radius)
