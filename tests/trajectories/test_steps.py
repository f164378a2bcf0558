"""Steps and gradients against closed forms and torch.autograd.grad in a plain loop."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import landscape_nb as lnb

CURVATURES = torch.tensor([9.0, 4.0, 1.0], dtype=torch.float64)


def quadratic():
    """The loss ½ Σ h w², as the squared error of a linear network on three samples."""
    net = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    inputs = torch.diag((1.5 * CURVATURES).sqrt())  # the mean over three samples, without the half
    return lnb.Objective(net, (inputs, torch.zeros(3, 1, dtype=torch.float64)), F.mse_loss)


def points_of(rows):
    return [{"weight": torch.as_tensor(row, dtype=torch.float64)[None]} for row in rows]


def descended(rate, steps=5):
    """Gradient descent with all samples and without momentum, in closed form: w ← (1 - rate · h) w."""
    factors = (1 - rate * CURVATURES).numpy()
    return np.array([1.0, -2.0, 3.0]) * factors ** np.arange(steps + 1)[:, None]


def test_cosines_and_lengths_on_a_quadratic_are_those_of_its_closed_form():
    rows = np.random.default_rng(0).standard_normal((6, 3))
    found = lnb.step_cosines(points_of(rows), quadratic())
    steps, gradients = np.diff(rows, axis=0), rows[:-1] * CURVATURES.numpy()
    lengths = np.linalg.norm(steps, axis=1)
    wanted = -(steps * gradients).sum(1) / lengths / np.linalg.norm(gradients, axis=1)
    np.testing.assert_allclose(found.cosine, wanted, rtol=1e-6)
    np.testing.assert_allclose(found.length, lengths, rtol=1e-6)
    assert found.cosine.dims == ("epoch",)
    np.testing.assert_array_equal(found.epoch, range(5))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_callers_mode_without_gradients_changes_nothing(mode):
    rows = np.random.default_rng(0).standard_normal((3, 3))
    points, objective = points_of(rows), quadratic()
    with mode():
        found = lnb.step_cosines(points, objective)
    np.testing.assert_array_equal(found.cosine, lnb.step_cosines(points, objective).cosine)


@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_every_update_of_gradient_descent_follows_the_gradient(rate):
    np.testing.assert_allclose(lnb.step_cosines(points_of(descended(rate)), quadratic()).cosine, 1, atol=1e-9)


def test_rounding_makes_no_cosine_larger_than_one():
    net = nn.Linear(2, 1, bias=False)
    objective = lnb.Objective(net, (2 * torch.eye(2), torch.zeros(2, 1)), F.mse_loss)
    rows = np.random.default_rng(0).standard_normal((60, 2))
    rows[1::2] = 0.5 * rows[::2]  # the gradient points to the centre
    cosines = lnb.step_cosines([{"weight": torch.tensor(row[None], dtype=torch.float32)} for row in rows], objective)
    assert np.abs(cosines.cosine).max() <= 1
    np.testing.assert_allclose(cosines.cosine[::2], 1)


def test_many_small_updates_in_one_step_still_do_and_many_large_ones_do_not():
    few = [lnb.step_cosines(points_of(descended(rate, 40)[::20]), quadratic()).cosine[0] for rate in (1e-5, 0.1)]
    assert few[0] > 1 - 1e-6
    assert few[1] < 0.9


def test_uphill_is_minus_one_and_along_a_contour_zero():
    rows = [[1.0, 0, 0], [2, 0, 0], [2, 0, 5]]
    found = lnb.step_cosines(points_of(rows), quadratic())
    np.testing.assert_allclose(found.cosine, [-1, 0], atol=1e-12)
    np.testing.assert_allclose(found.length, [1, 5])


def test_where_there_is_no_step_or_no_gradient_there_is_no_cosine():
    found = lnb.step_cosines(points_of([[1.0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0, 0]]), quadratic())
    assert np.isnan(found.cosine.values).tolist() == [True, False, True]


@pytest.fixture(scope="module")
def run():
    net = lnb.models.mlp((10,), batch_norm=True, channels=1, classes=10, image_size=8, seed=0)
    data = lnb.datasets.digits().subset(128)
    return lnb.train(net, data, epochs=5, batch_size=32, record=1, cache=False, progress=False)


def cosines_by_hand(run, data, statistics):
    """The same with autograd in a plain loop; `statistics(net, epoch)` prepares batch norm."""
    images, labels = data
    for epoch, point, following in zip(run.epochs, run.points, run.points[1:], strict=False):
        net = run.model_at(epoch)
        statistics(net)
        gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), list(net.parameters()))
        down = -torch.cat([g.flatten() for g in gradients]).double()
        step = torch.cat([(following[name] - point[name]).flatten() for name in point]).double()
        yield float(F.cosine_similarity(step, down, dim=0))


def recalibrated(net):
    """Running statistics as they are on the 128 images, computed in one batch."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
    net.train()(lnb.datasets.digits().subset(128).train[0])
    net.eval()


@pytest.mark.parametrize(
    ("policy", "statistics"), [("frozen", lambda net: None), ("recalibrate", recalibrated)], ids=["frozen", "anew"]
)
def test_a_run_is_measured_with_each_points_own_statistics(run, policy, statistics):
    data = lnb.datasets.digits().subset(128)
    found = lnb.step_cosines(
        run, lnb.Objective(run.model, data, batch_size=48 if policy == "frozen" else 128, batch_norm=policy)
    )
    np.testing.assert_allclose(found.cosine, list(cosines_by_hand(run, data.train, statistics)), atol=2e-5)
    np.testing.assert_array_equal(found.epoch, run.epochs[:-1])
    assert found.attrs["lr_drops"] == run.lr_drops
    lengths = [lnb.norm(lnb.towards(a, b)) for a, b in zip(run.points, run.points[1:], strict=False)]
    np.testing.assert_allclose(found.length, lengths, rtol=1e-5)


def test_points_with_their_buffers_are_measured_with_them_and_others_with_the_objectives(run):
    objective = lnb.Objective(run.model, lnb.datasets.digits().subset(128))
    own = lnb.step_cosines(run, objective).cosine
    np.testing.assert_array_equal(lnb.step_cosines(run.states, objective).cosine, own)
    assert not np.allclose(lnb.step_cosines(run.points, objective).cosine, own, atol=1e-3)


def test_nothing_that_was_given_is_touched(run):
    before = copy.deepcopy(run.states)
    objective = lnb.Objective(run.model, lnb.datasets.digits().subset(128), batch_norm="recalibrate")
    origin, buffers = copy.deepcopy(objective.origin), copy.deepcopy(objective.buffers)
    with torch.no_grad():
        lnb.step_cosines(run, objective)
        assert not torch.is_grad_enabled()
    for old, new in zip(before, run.states, strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)
    assert all(torch.equal(origin[name], tensor) for name, tensor in objective.origin.items())
    assert all(torch.equal(buffers[name], tensor) for name, tensor in objective.buffers.items())


def test_what_cannot_be_compared_is_said():
    objective, points = quadratic(), points_of(np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"trajectory: got 1 point\(s\), wants two or more"):
        lnb.step_cosines(points[:1], objective)
    with pytest.raises(ValueError, match=r"trajectory\[1\]: has no tensor for 'weight'"):
        lnb.step_cosines([points[0], {"bias": torch.zeros(1)}], objective)
    for points_of_another_kind, kind in (("ab", "str"), ([1, 2], "int")):
        with pytest.raises(TypeError, match=rf"trajectory\[1\]: got {kind}, wants a dict of tensors"):
            lnb.step_cosines(points_of_another_kind, objective)
    with pytest.raises(TypeError, match=r"trajectory: got dict, wants a Trajectory or a sequence"):
        lnb.step_cosines(points[0], objective)
    with pytest.raises(TypeError, match=r"objective: got Linear, wants an Objective"):
        lnb.step_cosines(points, objective.model)
