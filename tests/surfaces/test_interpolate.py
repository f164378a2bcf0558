"""Interpolation between two points or two models, and what becomes of their statistics."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, batch_norm_net, quadratic_objective, small_data
from torch import nn

import landscape_nb as lnb
from landscape_nb.surfaces.interpolate import STATISTICS


def test_interpolation_between_points_is_the_closed_form():
    objective = quadratic_objective(torch.eye(2), torch.zeros(2))
    start, end = {"theta": torch.tensor([[1.0, 0.0]])}, {"theta": torch.tensor([[0.0, 2.0]])}
    path = lnb.interpolate(objective, start, end, (-1, 2), 7, progress=False)
    expected = 0.5 * ((1 - path.alpha) ** 2 + (2 * path.alpha) ** 2)
    np.testing.assert_allclose(path.loss, expected, rtol=1e-6)


def test_interpolation_between_models_ends_at_the_models():
    models = [batch_norm_net(seed) for seed in (0, 1)]
    objective = lnb.Objective(models[0], small_data())
    path = lnb.interpolate(objective, *models, (0, 1), 3, progress=False)
    for alpha, model in zip((0, 1), models, strict=True):
        assert path.loss.sel(alpha=alpha).item() == lnb.Objective(model, small_data())()["loss"]


def test_interpolation_explains_where_a_running_variance_is_negative():
    models = [batch_norm_net(seed) for seed in (0, 1)]
    models[0].hidden[2].running_var.fill_(1.0)
    models[1].hidden[2].running_var.fill_(3.0)
    objective = lnb.Objective(models[0], small_data())
    path = lnb.interpolate(objective, *models, (-1, 1), 9, progress=False)
    assert path.negative_variance.values.tolist() == [alpha < -0.5 for alpha in path.alpha.values]
    assert np.isnan(path.loss).values.tolist() == path.negative_variance.values.tolist()


def test_a_variance_exists_as_long_as_it_is_above_minus_eps():
    models = [batch_norm_net(seed) for seed in (0, 1)]
    for model, variance in zip(models, (1.0, 3.0), strict=True):
        model.hidden[2].eps = 0.25
        model.hidden[2].running_var.fill_(variance)
    objective = lnb.Objective(models[0], small_data())
    path = lnb.interpolate(objective, *models, (-1, 0), 17, progress=False)
    assert path.negative_variance.values.tolist() == [1 + 2 * alpha + 0.25 <= 0 for alpha in path.alpha.values]
    assert np.isnan(path.loss).values.tolist() == path.negative_variance.values.tolist()


def test_a_rescaled_network_is_there_at_its_end():
    model = batch_norm_net(0)
    model.hidden[2].running_var.fill_(1e-7)  # rescaled, it is below 0, by less than eps
    rescaled = lnb.rescale_batch_norm(model, "hidden.1", "hidden.2", 0.1)
    assert rescaled.hidden[2].running_var.max() < 0
    objective = lnb.Objective(model, small_data())
    path = lnb.interpolate(objective, rescaled, batch_norm_net(1), (0, 1), 3, progress=False)
    assert path.negative_variance[0] == 0
    assert path.loss[0].item() == pytest.approx(objective()["loss"], rel=1e-4)


def test_statistics_between_two_models():
    models = [batch_norm_net(seed) for seed in (0, 1)]
    objective = lnb.Objective(models[0], small_data(), batch_size=50)
    paths = {
        name: lnb.interpolate(objective, *models, (-1, 2), 7, batch_norm=name, progress=False) for name in STATISTICS
    }
    origin, end = (lnb.parameters_of(model) for model in models)
    for alpha in (-1, 0.5, 2):
        point = {name: (1 - alpha) * origin[name] + alpha * end[name] for name in origin}
        frozen = paths["frozen"].loss.sel(alpha=alpha).item()
        assert frozen == pytest.approx(objective(point)["loss"], rel=1e-5)
        recalibrated = lnb.Objective(models[0], small_data(), batch_size=50, batch_norm="recalibrate")
        assert paths["recalibrated"].loss.sel(alpha=alpha).item() == pytest.approx(
            recalibrated(point)["loss"], rel=1e-5
        )
    assert not paths["recalibrated"].loss.isnull().any()
    assert {path.attrs["batch_norm"] for path in paths.values()} == set(STATISTICS)
    with pytest.raises(ValueError, match="batch_norm: got 'interpolated', wants one of 'frozen', 'recalibrated'"):
        lnb.interpolate(objective, origin, end, batch_norm="interpolated")


class Masked(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("mask", torch.triu(torch.full((4, 4), -torch.inf), 1))
        self.register_buffer("kept", torch.tensor(keep))

    def forward(self, x):
        return (self.layer(x * self.kept)[:, None] + self.mask).softmax(-1).sum(1)


def test_masks_between_two_models_are_the_nearer_ones():
    models = Masked([1, 1, 0, 1]), Masked([1, 0, 1, 1])
    data = torch.randn(40, 4), LABELS
    line = lnb.interpolate(lnb.Objective(models[0], data), *models, (-0.5, 1.5), 5, progress=False)
    assert np.isfinite(line.loss).all()
    for alpha, model in enumerate(models):
        wanted = F.cross_entropy(model(data[0]), LABELS).item()
        assert float(line.loss.sel(alpha=alpha)) == pytest.approx(wanted, rel=1e-5)
