"""A map of curvature holds at each point what is found there alone."""

import copy
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, batch_norm_net, small_data, small_net, small_objective, three_batches
from torch import nn

import landscape_nb as lnb
from landscape_nb.hessian.curvature_map import _Curvature, curvature_map
from landscape_nb.hessian.density import spectral_density
from landscape_nb.hessian.extremes import extreme_eigenvalues


def map_of(objective, extent=(-0.6, 0.6), resolution=(4, 3), **kwargs):
    directions = lnb.random_directions(objective.origin, 2, seed=1)
    return directions, curvature_map(objective, directions, extent, resolution, progress=False, **kwargs)


def test_a_map_holds_at_each_point_what_is_found_there_alone():
    objective = small_objective()
    directions, found = map_of(objective, tolerance=1e-3)
    assert found.lambda_min.dims == ("alpha", "beta")
    assert found.attrs["normalization"] == "filter"
    assert found.attrs["objective"] == objective.fingerprint
    for alpha in found.alpha.values:
        for beta in found.beta.values:
            ends = extreme_eigenvalues(objective, lnb.move(objective.origin, directions, [alpha, beta]), tolerance=1e-6)
            point = found.sel(alpha=alpha, beta=beta)
            assert float(point.lambda_min) == pytest.approx(ends.min, rel=1e-2)
            assert float(point.lambda_max) == pytest.approx(ends.max, rel=1e-3)
            assert float(point.ratio) == pytest.approx(ends.ratio, rel=1e-2)
            assert 0 < float(point.residual) < 1.1e-3
    assert len(np.unique(found.lambda_max.values.round(6))) == found.lambda_max.size


def test_a_map_goes_on_where_it_stopped_and_in_other_processes(tmp_path, monkeypatch):
    objective = small_objective()
    _, whole = map_of(objective)
    rows = []

    def stops(self, points, measure=_Curvature.__call__):
        if len(rows) == 2:
            raise KeyboardInterrupt
        rows.append(measure(self, points))
        return rows[-1]

    monkeypatch.setattr(_Curvature, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        map_of(objective, store=tmp_path / "map.zarr")
    monkeypatch.undo()
    _, resumed = map_of(objective, store=tmp_path / "map.zarr")
    _, apart = map_of(objective, n_jobs=2)
    for name in whole:
        np.testing.assert_array_equal(resumed[name], whole[name])
        np.testing.assert_allclose(apart[name], whole[name], rtol=1e-3, atol=3)
    with pytest.raises(ValueError, match="tolerance"):
        map_of(objective, store=tmp_path / "map.zarr", tolerance=1e-4)


def test_a_map_needs_fewer_products_than_its_points_alone(trained):
    directions, found = map_of(trained, (-0.05, 0.05), (3, 2))
    points = [lnb.move(trained.origin, directions, [a, b]) for a in found.alpha.values for b in found.beta.values]
    cold = sum(extreme_eigenvalues(trained, point, tolerance=1e-2).products for point in points)
    assert int(found.products.sum()) < cold


def test_a_point_that_is_not_finite_is_nan_and_does_not_stop_the_map():
    net = small_net(torch.float32)
    objective = lnb.Objective(net, three_batches(torch.float32), lambda o, t: F.cross_entropy(o.exp(), t))
    _, found = map_of(objective, [(0, 300), (0, 0.1)], (3, 2))
    assert np.isfinite(found.lambda_max[0]).all()
    for name in ("lambda_min", "lambda_max", "ratio", "residual"):
        assert np.isnan(found[name][1:]).all()
    assert (found.products > 0).all()


def test_the_model_and_all_random_states_stay_as_they_were():
    model = batch_norm_net().train()
    model.hidden[1].weight.requires_grad_(False)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    objective = lnb.Objective(model, small_data(), batch_size=20)
    origin = {name: p.clone() for name, p in objective.origin.items()}
    with torch.no_grad():
        extreme_eigenvalues(objective, tolerance=1e-2)
        spectral_density(objective, steps=3, probes=1)
        map_of(objective, resolution=2)
        assert not torch.is_grad_enabled()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert modes == [m.training for m in model.modules()]
    assert [p.requires_grad for p in model.parameters()].count(False) == 1
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(origin[name], p) and not p.requires_grad for name, p in objective.origin.items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()
    assert states[2] == random.getstate()


def test_a_curvature_map_can_be_saved(tmp_path):
    model = nn.Linear(4, 4)
    objective = lnb.Objective(model, (torch.randn(40, 4), LABELS))
    directions = lnb.random_directions(model, 2)
    found = lnb.curvature_map(objective, directions, resolution=2, ignore=lambda name: "bias" in name, progress=False)
    found.to_netcdf(tmp_path / "map.nc", engine="scipy")
    assert found.attrs["ignored"] == "bias"
