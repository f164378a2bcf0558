"""Surfaces against closed forms and against evaluating the moved network by hand."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import batch_norm_net, quadratic_objective, small_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape_nb as lnb


def symmetric(seed: int, size: int) -> torch.Tensor:
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed))
    return matrix + matrix.T


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    low=st.floats(-3, 0),
    width=st.floats(0.5, 4),
    points=st.tuples(st.integers(2, 7), st.integers(2, 7)),
)
def test_plane_of_a_quadratic_is_its_closed_form(seed, low, width, points):
    matrix, theta = symmetric(seed, 4), torch.randn(4, generator=torch.Generator().manual_seed(seed + 1))
    objective = quadratic_objective(matrix, theta)
    d1, d2 = lnb.random_directions(objective.origin, 2, normalize="none", seed=seed)
    extents = [(low, low + width), (low - 1, low + 2 * width)]
    plane = lnb.evaluate_plane(objective, (d1, d2), extents, points, progress=False)
    a, b = np.meshgrid(np.linspace(*extents[0], points[0]), np.linspace(*extents[1], points[1]), indexing="ij")
    x = theta.numpy() + a[..., None] * d1["theta"].numpy() + b[..., None] * d2["theta"].numpy()
    expected = 0.5 * np.einsum("abi,ij,abj->ab", x, matrix.numpy(), x)
    assert plane.loss.dims == ("alpha", "beta")
    np.testing.assert_allclose(plane.loss, expected, rtol=1e-4, atol=1e-3)


def test_alpha_and_beta_are_not_swapped():
    objective = quadratic_objective(torch.diag(torch.tensor([2.0, 20.0])), torch.zeros(2))
    d1, d2 = {"theta": torch.tensor([[1.0, 0.0]])}, {"theta": torch.tensor([[0.0, 1.0]])}
    plane = lnb.evaluate_plane(objective, (d1, d2), [(-1, 2), (0, 3)], (4, 7), progress=False)
    assert plane.sizes == {"alpha": 4, "beta": 7}
    assert plane.loss.sel(alpha=2, beta=0).item() == pytest.approx(4)
    assert plane.loss.sel(alpha=0, beta=3).item() == pytest.approx(90)


def test_every_value_is_the_loss_of_the_network_moved_by_hand(objective):
    model, (images, labels) = batch_norm_net(), small_data()
    directions = lnb.random_directions(model, 2, seed=3)
    plane = lnb.evaluate_plane(objective, directions, (-1, 0.5), (4, 3), progress=False)
    for alpha in plane.alpha.values:
        for beta in plane.beta.values:
            moved = copy.deepcopy(model)
            with torch.no_grad():
                for name, weight in moved.named_parameters():
                    weight.copy_(weight + alpha * directions[0][name] + beta * directions[1][name])
                outputs = moved(images)
            here = plane.sel(alpha=alpha, beta=beta)
            assert here.loss.item() == pytest.approx(F.cross_entropy(outputs, labels).item(), rel=1e-5)
            assert here.accuracy.item() == pytest.approx((outputs.argmax(1) == labels).float().mean().item())
            there = objective(lnb.move(objective.origin, directions, (alpha, beta)))
            assert here.loss.item() == pytest.approx(there["loss"], rel=1e-6)


def test_centre_is_the_loss_at_the_trained_point(objective):
    directions = lnb.random_directions(batch_norm_net(), 2)
    for resolution in (3, 21, 51):
        plane = lnb.evaluate_line(objective, directions[0], (-1, 1), resolution, progress=False)
        assert plane.loss.sel(alpha=0).item() == pytest.approx(objective()["loss"], rel=1e-6)
        assert plane.attrs["origin_loss"] == objective()["loss"]


def test_batches_of_unequal_size_count_by_their_samples():
    model, (images, labels) = batch_norm_net(), small_data(samples=50)
    whole = lnb.Objective(model, (images, labels), batch_size=50)()["loss"]
    uneven = [(images[:1], labels[:1]), (images[1:8], labels[1:8]), (images[8:], labels[8:])]
    assert lnb.Objective(model, uneven)()["loss"] == pytest.approx(whole, rel=1e-6)
    assert lnb.Objective(model, (images, labels), batch_size=16)()["loss"] == pytest.approx(whole, rel=1e-6)


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


def test_non_finite_losses_stay_in_the_data():
    objective = quadratic_objective(torch.eye(2), torch.zeros(2))
    line = lnb.evaluate_line(objective, {"theta": torch.tensor([[1e30, 0.0]])}, (-1, 1), 3, progress=False)
    assert np.isinf(line.loss.values).tolist() == [True, False, True]


@pytest.mark.parametrize("extent", [(0, 1), (-2, -1), (0.25, 4)])
def test_extent_need_not_hold_zero(objective, extent):
    line = lnb.evaluate_line(objective, lnb.random_directions(objective.origin, 1)[0], extent, 5, progress=False)
    assert (line.alpha.values[0], line.alpha.values[-1]) == extent


def test_recalibration_uses_the_statistics_of_the_data_at_each_point():
    model, (images, labels) = batch_norm_net(), small_data()
    objective = lnb.Objective(model, (images, labels), batch_size=50, batch_norm="recalibrate")
    scaled = {name: 7.0 * p if name == "hidden.1.weight" else p for name, p in objective.origin.items()}
    with_batch_statistics = copy.deepcopy(model).train()
    with torch.no_grad():
        for layer in with_batch_statistics.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.momentum = 1.0
        with_batch_statistics(images)
        expected = F.cross_entropy(with_batch_statistics.eval()(images), labels).item()
    assert objective()["loss"] == pytest.approx(expected, rel=1e-5)
    assert objective(scaled)["loss"] == pytest.approx(expected, rel=1e-2)
