"""Coarse to fine: what is measured is right, what is interpolated is as wrong as it says, and stopping keeps it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from helpers import LABELS, batch_norm_net, mean_of_outputs, quadratic_objective, small_data
from torch import nn

import landscape_nb as lnb
from landscape_nb.surfaces import subsample as sampling
from landscape_nb.surfaces.subsample import Sampler


def rough(seed, cells=4.0):
    """A smooth bowl with waves that only a fine grid shows, in a quarter of the plane."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(12, 2)) * cells
    phases = rng.uniform(0, 2 * np.pi, 12)

    def height(alpha, beta):
        ripple = np.cos(np.multiply.outer(alpha, waves[:, 0]) + np.multiply.outer(beta, waves[:, 1]) + phases).sum(-1)
        return 0.5 * (alpha**2 + beta**2) + 0.2 * ripple * np.maximum(alpha, 0) * np.maximum(beta, 0)

    return height


class Surface(nn.Module):
    """Two weights, whose loss is any function of them; every sample's loss is the mean times its input."""

    def __init__(self, height):
        super().__init__()
        self.weight, self.height = nn.Parameter(torch.zeros(1, 2)), height

    def forward(self, x):
        alpha, beta = self.weight[0].tolist()
        return x * float(10 ** self.height(np.float64(alpha), np.float64(beta)))


PLANE = [{"weight": torch.tensor([[1.0, 0.0]])}, {"weight": torch.tensor([[0.0, 1.0]])}]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("error", [0.03, 0.01])
def test_the_error_is_what_it_is_said_to_be_with_fewer_points(seed, error):
    height = rough(seed)
    objective = lnb.Objective(Surface(height), (torch.ones(4, 1), torch.zeros(4)), mean_of_outputs)
    *_, plane = lnb.progressive_plane(objective, PLANE, resolution=41, error=error, seed=seed, progress=False)
    truth = height(*np.meshgrid(plane.alpha, plane.beta, indexing="ij"))
    misses = np.log10(plane.loss.values) - truth
    measured = plane.measured.values
    assert np.abs(misses[measured]).max() < 1e-6
    assert np.sqrt((misses**2).mean()) < 1.5 * error
    assert plane.attrs["estimated_error"] <= error
    assert plane.attrs["stopped"] == "error"
    assert measured.mean() < 0.7
    corner = measured[21:, 21:].mean()
    assert corner > 1.5 * measured[:20, :20].mean()


def test_every_yield_is_a_whole_plane_and_knows_more():
    objective = quadratic_objective(torch.diag(torch.tensor([1.0, 30.0])), torch.zeros(2))
    d1, d2 = ({"theta": torch.tensor([d])} for d in ([1.0, 0.0], [0.3, 1.0]))
    views = list(lnb.progressive_plane(objective, (d1, d2), [(-1, 1), (0.5, 2)], (20, 31), 1e-3, progress=False))
    dense = lnb.evaluate_plane(objective, (d1, d2), [(-1, 1), (0.5, 2)], (20, 31), progress=False)
    counts = [int(view.measured.sum()) for view in views]
    assert counts == sorted(set(counts))
    assert [bool(view.attrs["stopped"]) for view in views] == [False] * (len(views) - 1) + [True]
    for view in views:
        assert view.loss.shape == (20, 31)
        assert np.isfinite(view.loss).all()
        np.testing.assert_allclose(view.loss.values[view.measured], dense.loss.values[view.measured], rtol=1e-5)
        assert ((view.samples > 0) == view.measured).all()
    assert np.isnan(views[0].attrs["remaining_seconds"])
    assert views[-1].attrs["remaining_seconds"] == 0
    for name in ("objective", "geometry", "normalization", "extent", "resolution", "versions", "origin_loss"):
        assert name in views[-1].attrs
    assert views[-1].attrs["objective"] == dense.attrs["objective"]


def test_a_coarse_grid_is_drawn_and_diagnosed_like_any_other():
    model = batch_norm_net()
    objective = lnb.Objective(model, small_data(), metrics={"accuracy": lnb.accuracy})
    view = next(iter(lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=13, progress=False)))
    assert {"loss", "loss_stderr", "accuracy", "accuracy_stderr", "measured"} <= set(view)
    assert lnb.plotting.plot_contours(view)
    assert str(lnb.diagnose(view))


def test_a_store_goes_on_where_it_was_stopped_and_measures_nothing_twice(monkeypatch, tmp_path):
    data = torch.linspace(0.5, 1.5, 64)[:, None], torch.zeros(64, 1)
    objective = lnb.Objective(Surface(rough(0)), data, mean_of_outputs)
    options = {"resolution": 21, "error": 0.01, "progress": False}
    *_, whole = lnb.progressive_plane(objective, PLANE, **options)
    calls, measure = [], Sampler.__call__

    def counted(sampler, params, error):
        calls.append(1)
        if len(calls) in (30, 50):
            raise KeyboardInterrupt
        return measure(sampler, params, error)

    monkeypatch.setattr(Sampler, "__call__", counted)
    stops = []
    while "error" not in stops:
        *_, plane = lnb.progressive_plane(objective, PLANE, store=tmp_path / "plane.zarr", **options)
        stops.append(plane.attrs["stopped"])
    assert stops == ["interrupted", "interrupted", "error"]
    assert len(calls) == int(whole.measured.sum()) + 2
    xr.testing.assert_identical(plane.drop_attrs(), whole.drop_attrs())
    with pytest.raises(ValueError, match="^store: .* was made from something else \\(error: 0.01 there, 0.1 here"):
        lnb.progressive_plane(objective, PLANE, store=tmp_path / "plane.zarr", **options | {"error": 0.1})
    with pytest.raises(TypeError, match="^store: "):
        lnb.progressive_plane(objective, PLANE, store=1, **options)


def test_control_c_keeps_what_is_there(monkeypatch):
    model = batch_norm_net()
    objective = lnb.Objective(model, small_data())
    calls = []

    def interrupted(self, params, relative_error, measure=Sampler.__call__):
        calls.append(1)
        if len(calls) == 70:
            raise KeyboardInterrupt
        return measure(self, params, relative_error)

    monkeypatch.setattr(sampling.Sampler, "__call__", interrupted)
    views = list(
        lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=30, error=1e-9, progress=False)
    )
    assert views[-1].attrs["stopped"] == "interrupted"
    assert int(views[-1].measured.sum()) == 69
    assert np.isfinite(views[-1].loss).all()


@pytest.mark.parametrize("after", [1, 3, 8, 12])
def test_control_c_in_the_first_grid_keeps_that(monkeypatch, after):
    calls = []

    def interrupted(self, params, relative_error, measure=Sampler.__call__):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return measure(self, params, relative_error)

    monkeypatch.setattr(sampling.Sampler, "__call__", interrupted)
    objective = lnb.Objective(batch_norm_net(), small_data())
    (view,) = lnb.progressive_plane(
        objective, lnb.random_directions(objective.origin, 2), resolution=25, progress=False
    )
    assert int(view.measured.sum()) == after
    assert np.isfinite(view.loss.values[view.measured]).all()


def test_a_time_budget_stops_it():
    """At the first look at the clock after it is spent, which a slow machine may take at any time."""
    objective = lnb.Objective(batch_norm_net(), small_data())
    directions = lnb.random_directions(objective.origin, 2)
    *_, view = lnb.progressive_plane(objective, directions, resolution=80, error=1e-9, seconds=0.5, progress=False)
    assert view.attrs["stopped"] == "seconds"
    assert view.attrs["seconds"] > 0.5
    assert 0 < int(view.measured.sum()) < view.measured.size


def test_to_the_end_it_is_the_dense_plane():
    objective = lnb.Objective(batch_norm_net(), small_data(), metrics={"accuracy": lnb.accuracy})
    directions = lnb.random_directions(objective.origin, 2)
    *_, view = lnb.progressive_plane(objective, directions, resolution=9, error=1e-9, progress=False)
    dense = lnb.evaluate_plane(objective, directions, resolution=9, progress=False)
    assert view.attrs["stopped"] == "complete"
    for name in ("loss", "loss_stderr", "accuracy", "accuracy_stderr"):
        np.testing.assert_allclose(view[name], dense[name], rtol=1e-4, atol=1e-6)


def test_where_the_loss_is_not_finite_it_stays_so():
    def height(alpha, beta):
        return np.where(np.asarray(alpha) > 0.33, np.nan, alpha + beta)

    objective = lnb.Objective(Surface(height), (torch.ones(4, 1), torch.zeros(4)), mean_of_outputs)
    *_, view = lnb.progressive_plane(objective, PLANE, resolution=31, error=0.005, progress=False)
    lost = np.isnan(view.loss.values)
    assert lost[view.alpha.values > 0.45].all()
    assert not lost[view.alpha.values < 0.2].any()
    away = view.measured.values[view.alpha.values > 0.8].mean()
    near = view.measured.values[np.abs(view.alpha.values - 0.33) < 0.1].mean()
    assert near > away


def test_losses_of_either_sign_are_refined_on_a_linear_scale():
    objective = lnb.Objective(
        Surface(lambda a, b: 0.3 * a + b), (torch.ones(4, 1), torch.zeros(4)), lambda o, t: o.mean() - 3
    )
    *_, view = lnb.progressive_plane(objective, PLANE, resolution=31, error=0.005, progress=False)
    truth = 10 ** (0.3 * view.alpha + view.beta) - 3
    assert (truth < 0).any()
    assert np.sqrt(float(((view.loss - truth) ** 2).mean())) < 0.0075 * float(truth.max() - truth.min())


def test_bad_arguments_are_named():
    objective = lnb.Objective(batch_norm_net(), small_data())
    directions = lnb.random_directions(objective.origin, 2)
    for words, arguments in {
        "directions: got 1": {"directions": directions[:1]},
        "error: got 0": {"error": 0},
        "seconds: got -1": {"seconds": -1},
        "resolution": {"resolution": 1},
    }.items():
        with pytest.raises(ValueError, match=words):
            next(iter(lnb.progressive_plane(objective, **({"directions": directions, "progress": False} | arguments))))


@pytest.mark.parametrize("factor", [0.0, float("nan")])
def test_a_progressive_plane_of_nothing_ends(factor):
    model = nn.Linear(3, 4)
    objective = lnb.Objective(model, (torch.randn(40, 3), LABELS), lambda a, b: F.cross_entropy(a, b) * factor)
    *_, plane = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=31, progress=False)
    assert plane.attrs["stopped"] in ("error", "complete")


def test_an_interrupt_before_anything_is_measured_stays_one():
    def interrupted(outputs, targets):
        if calls:
            raise KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    calls = []
    model = nn.Linear(3, 4)
    objective = lnb.Objective(model, (torch.randn(40, 3), LABELS), interrupted)
    planes = lnb.progressive_plane(objective, lnb.random_directions(model, 2), resolution=5, progress=False)
    calls.append("now")
    with pytest.raises(KeyboardInterrupt):
        next(planes)
