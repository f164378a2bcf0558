"""Models that draw random numbers in evaluation need a seed, and have common random numbers."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import measured_line as line
from helpers import samples, seeded
from torch import nn

import landscape_nb as lnb


class Sampling(nn.Module):
    """A variational autoencoder's way: draws in evaluation."""

    def __init__(self, source="torch"):
        super().__init__()
        self.mean, self.out, self.source = nn.Linear(4, 6), nn.Linear(6, 3), source

    def noise(self, like):
        if self.source == "torch":
            return torch.randn_like(like)
        return torch.from_numpy(np.random.standard_normal(tuple(like.shape))).to(like)

    def forward(self, x):
        mean = self.mean(x)
        return self.out(mean + self.noise(mean))


class DropoutOn(nn.Sequential):
    def forward(self, x):
        return self[1](F.dropout(self[0](x), 0.5, training=True))


@pytest.mark.parametrize(
    "make", [Sampling, lambda: Sampling("numpy"), lambda: DropoutOn(nn.Linear(4, 6), nn.Linear(6, 3))]
)
def test_random_evaluation_needs_a_seed_and_has_common_random_numbers(make):
    model, data = seeded(make), samples()
    with pytest.raises(ValueError, match="model: it draws random numbers in evaluation.*seed="):
        lnb.Objective(model, data)
    with pytest.warns(UserWarning, match="every point gets the same ones"):
        objective = lnb.Objective(model, data, batch_size=16, seed=3)
    torch.manual_seed(1)
    first, _ = line(objective)
    torch.manual_seed(2)
    np.random.seed(2)
    second, _ = line(objective)
    assert first.equals(second)
    assert float(first.loss[2]) == objective()["loss"]
    other = lnb.Objective(model, data, batch_size=16, seed=4)
    assert other()["loss"] != objective()["loss"]
    assert other.fingerprint != objective.fingerprint


def test_curvature_under_common_random_numbers_is_the_lines():
    objective = lnb.Objective(seeded(Sampling).double(), (samples()[0].double(), samples()[1]), batch_size=16, seed=0)
    (direction,), step = lnb.random_directions(objective.origin, 1), 1e-3
    low, middle, high = lnb.evaluate_line(objective, direction, (-step, step), 3, progress=False).loss.values
    second = (low - 2 * middle + high) / (step * lnb.norm(direction)) ** 2
    assert lnb.curvature_along(objective, direction) == pytest.approx(second, rel=1e-3)


def test_numbers_that_are_drawn_and_change_nothing_are_no_matter():
    class Idle(nn.Linear):
        def forward(self, x):
            torch.rand(1)
            return super().forward(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lnb.Objective(seeded(Idle, 4, 3), samples())
