"""Part of the data is as far from the whole as it says."""

import numpy as np
import pytest
import torch
from helpers import Tokens, batch_norm_net, centre, mean_of_outputs, small_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb
from landscape_nb.surfaces.subsample import Sampler


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 100), classes=st.integers(1, 12), count=st.integers(33, 500), spread=st.floats(0.01, 2))
def test_part_of_the_data_is_as_far_from_the_whole_as_it_says(seed, classes, count, spread):
    rng = np.random.default_rng(seed)
    targets = torch.from_numpy(rng.integers(0, classes, count))
    inputs = (1 + targets[:, None] + spread * torch.from_numpy(rng.uniform(size=(count, 1)))).float()
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    objective = lnb.Objective(model, (inputs, targets), mean_of_outputs, batch_size=50)
    sampler, exact = Sampler(objective.evaluator, seed), objective.measure()
    estimates = [sampler(objective.origin, wanted) for wanted in (1.0, 0.05, 0.01, 0.0)]
    assert [e.samples for e in estimates] == sorted(e.samples for e in estimates)
    for estimate in estimates:
        assert abs(estimate.means["loss"] / exact["loss"] - 1) <= 8 * estimate.error + 1e-5
    assert estimates[-1].samples == count
    assert estimates[-1].means["loss"] == pytest.approx(exact["loss"], rel=1e-5)
    assert estimates[-1].stderrs["loss"] == pytest.approx(exact["loss_stderr"], rel=0.1, abs=1e-6)


def test_the_error_of_a_part_is_the_spread_over_its_draws():
    rng = np.random.default_rng(0)
    targets = torch.from_numpy(rng.integers(0, 4, 300))
    inputs = (targets[:, None] * 3 + torch.from_numpy(rng.exponential(size=(300, 1)))).float()
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    objective = lnb.Objective(model, (inputs, targets), mean_of_outputs)
    found = [Sampler(objective.evaluator, seed)(objective.origin, 1.0) for seed in range(200)]
    assert {estimate.samples for estimate in found} == {32}
    spread = np.std([estimate.means["loss"] for estimate in found])
    said = np.sqrt(np.mean([(estimate.error * estimate.means["loss"]) ** 2 for estimate in found]))
    assert said == pytest.approx(spread, rel=0.15)
    unstratified = float(inputs.std()) * np.sqrt((1 - 32 / 300) / 32)
    assert said < 0.5 * unstratified


def test_without_samples_of_its_own_all_data_are_used():
    model, data = batch_norm_net(), small_data()
    for arguments in (
        {"batch_norm": "recalibrate"},
        {"metrics": {"largest": lambda outputs, targets: outputs.max()}},
    ):
        objective = lnb.Objective(model, data, **arguments, extra_data={"test": small_data(1)})
        estimate = Sampler(objective.evaluator)(objective.origin, 1.0)
        assert (estimate.samples, estimate.error) == (objective.samples, 0.0)
        assert estimate.means["loss"] == pytest.approx(objective()["loss"], rel=1e-6)


def test_progressive_planes_of_tokens():
    torch.manual_seed(0)
    model, t = Tokens(), torch.randint(0, 9, (40, 5))
    objective = lnb.Objective(model, [(part, part.flatten()) for part in t.split(20)])
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=3, progress=False)
    assert float(plane.loss.sel(alpha=0, beta=0)) == pytest.approx(objective()["loss"])


def test_outputs_that_heed_their_neighbours_are_not_taken_apart():
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    model = nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 4))
    data = torch.randn(400, 4) + torch.arange(400)[:, None] / 50, torch.arange(400) % 4
    objective = lnb.Objective(model, data, batch_size=400)
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=5, progress=False)
    assert centre(plane) == pytest.approx(objective()["loss"], rel=1e-5)
