"""The size of a random step: a share of the weights, or that of initial weights where all are zero."""

import math

import pytest
import torch
from torch import nn

from landscape_nb.weights.noise import noise


def step(weights, seed=0):
    return noise(weights, torch.Generator().manual_seed(seed))


def rms(weights):
    return float(weights.double().square().mean().sqrt())


@pytest.mark.parametrize("factor", [1e-4, 1.0, 1e4])
def test_a_step_is_three_percent_of_the_weights_whatever_their_size(factor):
    """Among 40,000 draws, the root mean square is within 2 % of the law's."""
    weights = factor * torch.randn(200, 200, generator=torch.Generator().manual_seed(1))
    assert rms(step(weights)) == pytest.approx(0.03 * rms(weights), rel=0.02)


def test_weights_that_are_mostly_zero_count_by_their_mean_square():
    weights = torch.zeros(200, 200)
    weights[0, 0] = 200.0  # the root mean square is 1
    assert rms(step(weights)) == pytest.approx(0.03, rel=0.02)


@pytest.mark.parametrize("shape", [(400, 100), (100, 4, 10, 10), (40_000, 1)])
def test_zero_weights_get_what_initial_weights_have(shape):
    """A variance of one by the number of inputs: sums over the inputs are then as large as these."""
    fan_in = math.prod(shape[1:])
    assert rms(step(torch.zeros(shape))) == pytest.approx(fan_in**-0.5, rel=0.02)
    layer = nn.Linear(fan_in, 100)
    nn.init.normal_(layer.weight, std=fan_in**-0.5, generator=torch.Generator().manual_seed(0))
    assert rms(step(torch.zeros(shape))) == pytest.approx(rms(layer.weight.detach()), rel=0.1)


def test_zero_biases_get_a_step_of_three_tenths():
    assert rms(step(torch.zeros(40_000))) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_step_has_the_weights_format_and_follows_the_generator(dtype):
    weights = torch.ones(3, 4, dtype=dtype)
    before = torch.get_rng_state()
    assert step(weights).dtype == dtype
    assert step(weights).shape == (3, 4)
    assert torch.equal(step(weights), step(weights))
    assert not torch.equal(step(weights), step(weights, seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert weights.eq(1).all()


def test_no_weights_and_a_single_number_are_no_trouble():
    assert step(torch.zeros(0, 5)).shape == (0, 5)
    assert step(torch.zeros(3, 0)).shape == (3, 0)
    assert step(torch.tensor(0.0)).shape == ()
