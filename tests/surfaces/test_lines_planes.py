"""Lines and planes against closed forms and against evaluating the moved network by hand."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import LABELS, batch_norm_net, quadratic_objective, small_data
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


def test_non_finite_losses_stay_in_the_data():
    objective = quadratic_objective(torch.eye(2), torch.zeros(2))
    line = lnb.evaluate_line(objective, {"theta": torch.tensor([[1e30, 0.0]])}, (-1, 1), 3, progress=False)
    assert np.isinf(line.loss.values).tolist() == [True, False, True]


@pytest.mark.parametrize("extent", [(0, 1), (-2, -1), (0.25, 4)])
def test_extent_need_not_hold_zero(objective, extent):
    line = lnb.evaluate_line(objective, lnb.random_directions(objective.origin, 1)[0], extent, 5, progress=False)
    assert (line.alpha.values[0], line.alpha.values[-1]) == extent


def test_bad_directions_are_named(objective):
    d1, d2 = lnb.random_directions(objective.origin, 2)
    with pytest.raises(ValueError, match="directions: got 1, a plane has two"):
        lnb.evaluate_plane(objective, [d1])
    with pytest.raises(ValueError, match=r"directions\[1\]: has no tensor for 'linear.bias'"):
        lnb.evaluate_plane(objective, [d1, {k: v for k, v in d2.items() if k != "linear.bias"}])
    with pytest.raises(ValueError, match=r"directions\[0\]: 'linear.bias' has shape \(9,\)"):
        lnb.evaluate_line(objective, d1 | {"linear.bias": torch.zeros(9)})
    with pytest.raises(ValueError, match=r"directions\[0\]: 'linear.bias' is complex64, wants real numbers"):
        lnb.evaluate_line(objective, d1 | {"linear.bias": torch.ones(4) * 1j})
    with pytest.raises(TypeError, match="wants two models or two points"):
        lnb.interpolate(objective, batch_norm_net(), objective.origin)
    with pytest.raises(ValueError, match="end: has no tensor"):
        lnb.interpolate(objective, objective.origin, {})


def test_train_and_test_are_measured_in_one_pass():
    model, train, test = batch_norm_net(), small_data(0), small_data(1, 33)
    metrics = {"accuracy": lnb.accuracy}
    objective = lnb.Objective(model, train, metrics=metrics, extra_data={"test": test})
    (direction,) = lnb.random_directions(model, 1)
    both = lnb.evaluate_line(objective, direction, resolution=5, progress=False)
    for prefix, data in (("", train), ("test_", test)):
        alone = lnb.evaluate_line(lnb.Objective(model, data, metrics=metrics), direction, resolution=5, progress=False)
        for name in ("loss", "loss_stderr", "accuracy", "accuracy_stderr"):
            np.testing.assert_array_equal(both[prefix + name], alone[name])


def test_repeats_are_further_draws_of_the_same_seed(objective):
    drawn = lnb.random_directions(objective.origin, 4, seed=5)
    line = lnb.evaluate_line(objective, drawn[0], resolution=5, repeats=4, progress=False)
    assert line.loss.dims == ("repeat", "alpha")
    for number, direction in enumerate(drawn):
        alone = lnb.evaluate_line(objective, direction, resolution=5, progress=False)
        np.testing.assert_array_equal(line.loss.sel(repeat=number), alone.loss)
    np.testing.assert_allclose(line.loss_spread, line.loss.values.std(0, ddof=1))
    assert line.loss_spread.sel(alpha=0) == 0


def test_repeats_of_a_plane_draw_pairs(objective):
    drawn = lnb.random_directions(objective.origin, 4, normalize="layer", seed=5)
    plane = lnb.evaluate_plane(objective, drawn[:2], resolution=3, repeats=2, progress=False)
    second = lnb.evaluate_plane(objective, drawn[2:], resolution=3, progress=False)
    np.testing.assert_array_equal(plane.loss.sel(repeat=1), second.loss)


def test_bad_repeats_are_named(objective):
    direction = lnb.towards(objective.origin, lnb.scale(objective.origin, 2))
    with pytest.raises(ValueError, match="repeats: only directions of random_directions"):
        lnb.evaluate_line(objective, direction, repeats=3)
    for bad in (0, 1.5, True):
        with pytest.raises(ValueError, match="repeats: got"):
            lnb.evaluate_line(objective, direction, repeats=bad)


def test_an_origin_of_another_precision_may_come_second():
    x = torch.randn(40, 4)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    objective, directions = lnb.Objective(model, (x, LABELS)), lnb.random_directions(model, 2)
    first = lnb.evaluate_plane(objective, directions, resolution=3, progress=False)
    origin = {name: tensor.double() for name, tensor in objective.origin.items()}
    second = lnb.evaluate_plane(objective, directions, resolution=3, origin=origin, progress=False)
    np.testing.assert_allclose(first.loss, second.loss, rtol=1e-6)
