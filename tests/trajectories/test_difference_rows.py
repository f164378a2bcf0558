"""Points are read a few at a time, and whole state dicts are points."""

import gc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from helpers import SIZE, Lazy, walk
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories import difference_rows as rows
from landscape_nb.trajectories import pca


def test_checkpoints_are_read_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(rows, "_BLOCK_POINTS", 4)
    lazy = Lazy(walk(50))
    gc.disable()
    try:
        found = pca.pca_directions(lazy)
        pca.project(lazy, found.directions, found.origin)
        assert lazy.most <= 3
        assert len(lazy.alive) == 0
    finally:
        gc.enable()
    np.testing.assert_array_equal(
        found.explained_variance_ratio, pca.pca_directions(lazy.points).explained_variance_ratio
    )


def test_no_matrix_of_all_points_is_made(monkeypatch):
    """Blocks of rows are as many as fit into the bytes allowed, one at least."""
    stacked = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda rows, **how: stacked.append(len(rows)) or stack(rows, **how))
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 3 * 4 * SIZE + 5)
    pca.pca_directions(walk(20))
    assert max(stacked) == 3
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 1)
    pca.pca_directions(walk(20))
    assert stacked[-1] == 1


def test_whole_state_dicts_are_points(g):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    states = []
    for _ in range(4):
        model(torch.randn(20, 3))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    names = [name for name, _ in model.named_parameters()]
    points = [{name: state[name] for name in names} for state in states]
    with pytest.raises(ValueError, match="trajectory: holds '1.running_mean', which is a buffer; give model="):
        lnb.pca_directions(states)
    ours, wanted = lnb.pca_directions(states, model=model), lnb.pca_directions(points)
    for mine, right in zip(ours.directions, wanted.directions, strict=True):
        assert list(mine) == names
        assert all(torch.equal(mine[name], right[name]) for name in names)
    assert lnb.shared_plane([states, states], model=model).directions[0].keys() == points[0].keys()
    xr.testing.assert_equal(
        lnb.project(states, wanted.directions, wanted.origin), lnb.project(points, wanted.directions, wanted.origin)
    )
    objective = lnb.Objective(model.eval(), (g.X, g.y))
    gap = lnb.plane_gap(objective, states, wanted.directions, wanted.origin)
    for number, state in enumerate(states):
        model.load_state_dict(state)
        assert float(gap.loss[number]) == pytest.approx(F.cross_entropy(model(g.X), g.y).item(), rel=1e-5)
