"""Extreme eigenvalues and curvature along a direction against dense Hessians and known spectra."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import (
    LABELS,
    alike,
    dense_hessian,
    quadratic,
    random_vector,
    small_data,
    small_net,
    small_objective,
    three_batches,
)
from scipy.sparse.linalg import eigsh
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import landscape_nb as lnb
from landscape_nb.hessian.curvature_map import curvature_map
from landscape_nb.hessian.density import spectral_density
from landscape_nb.hessian.extremes import curvature_along, extreme_eigenvalues
from landscape_nb.hessian.operator import hessian_operator, hessian_vector_product
from landscape_nb.objective.evaluator import Evaluator
from landscape_nb.weights.params import flatten, unflatten


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-7), (torch.float32, 1e-4)])
@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,), (10,) * 5])
def test_extremes_are_those_of_the_dense_hessian_whatever_the_batches(dtype, rtol, sizes):
    eigenvalues, vectors = np.linalg.eigh(dense_hessian(small_net()))
    assert eigenvalues[0] < -0.01 < 0.1 < eigenvalues[-1]
    objective = small_objective(dtype, sizes)
    ends = extreme_eigenvalues(objective, tolerance=1e-5)
    assert ends.min == pytest.approx(eigenvalues[0], rel=rtol)
    assert ends.max == pytest.approx(eigenvalues[-1], rel=rtol)
    assert ends.ratio == abs(ends.min / ends.max)
    assert max(ends.residuals) <= 1.1e-5
    operator = hessian_operator(objective)
    for direction, vector, end in ((ends.min_vector, vectors[:, 0], 0), (ends.max_vector, vectors[:, -1], 1)):
        assert alike(operator.vector(direction), vector) > 1 - 1e-5
        assert lnb.norm(direction) == pytest.approx(1, abs=1e-5)
        assert direction.made["kind"] == "Hessian eigenvector"
        v = operator.vector(direction)
        residual = np.linalg.norm(operator @ v - (ends.min, ends.max)[end] * v) / ends.max
        assert ends.residuals[end] == pytest.approx(residual, rel=0.1, abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rank", [3, 20, 35])
def test_the_smallest_eigenvalue_of_a_convex_loss_is_zero(dtype, rank):
    """ARPACK's stopping rule, a residual small beside the eigenvalue, never holds at 0."""
    objective, _ = quadratic(np.concatenate([np.zeros(60 - rank), np.linspace(0.1, 10, rank)]), dtype)
    ends = extreme_eigenvalues(objective)
    assert ends.max == pytest.approx(10, rel=1e-4)
    assert abs(ends.min) < 2e-3
    assert ends.products < 60


def test_one_run_for_both_ends_needs_fewer_products_than_two(trained):
    one_run = extreme_eigenvalues(trained)
    operator = hessian_operator(trained)
    v0 = random_vector(operator.shape[0]).astype(np.float32)
    found = [eigsh(operator, 1, which=end, tol=1e-3, v0=v0)[0][0] for end in ("SA", "LA")]
    assert (one_run.min, one_run.max) == pytest.approx(found, rel=1e-3)
    assert one_run.products < operator.products


def test_a_start_nearby_saves_products_and_one_that_misses_an_end_misleads_nobody():
    spectrum = np.concatenate([[-1.1], np.linspace(-1, 9, 400), [9.3]])
    objective, vectors = quadratic(spectrum)
    cold = extreme_eigenvalues(objective)
    both = vectors[:, 0] + vectors[:, -1]
    for start in (both, unflatten(torch.from_numpy(both), objective.origin)):
        warm = extreme_eigenvalues(objective, start=start)
        assert warm.products < cold.products
        assert (warm.min, warm.max) == pytest.approx((-1.1, 9.3), rel=1e-3)
    misled = extreme_eigenvalues(objective, start=vectors[:, 5] + vectors[:, 9])
    assert (misled.min, misled.max) == pytest.approx((-1.1, 9.3), rel=1e-3)


@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,)], ids=["rebuilt", "kept"])
def test_every_product_counts_and_the_graph_of_a_single_batch_is_built_once(sizes, monkeypatch):
    objective, built, products = small_objective(sizes=sizes), [], []
    hessian_operator(objective)  # the gradient is compared with the loss once, for all operators
    batch_losses, grad = Evaluator.batch_losses, torch.autograd.grad
    monkeypatch.setattr(Evaluator, "batch_losses", lambda *given: built.append(1) or batch_losses(*given))
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: products.append("create_graph" not in k) or grad(*a, **k)
    )
    ends = extreme_eigenvalues(objective)
    assert sum(products) == ends.products * len(sizes)
    assert len(built) == (1 if len(sizes) == 1 else ends.products)


def test_the_same_seed_gives_the_same_digits(trained):
    first, second = (extreme_eigenvalues(trained, tolerance=1e-2, seed=3) for _ in range(2))
    assert (first.min, first.max, first.residuals) == (second.min, second.max, second.residuals)


def test_curvature_along_random_directions_averages_all_eigenvalues():
    """The claim of section 6: χ² weights, exactly, and on average the mean eigenvalue."""
    net = small_net()
    objective, dense = small_objective(), dense_hessian(net, ignore_biases=False)
    eigenvalues, vectors = np.linalg.eigh(dense)
    directions = lnb.random_directions(net, 300, normalize="none", seed=5, ignore=None)
    found = np.array([curvature_along(objective, d) for d in directions])
    squares = np.stack([(vectors.T @ flatten(d).numpy()) ** 2 for d in directions])
    np.testing.assert_allclose(found, squares @ eigenvalues / squares.sum(1), rtol=1e-9)
    n = len(dense)
    error = np.sqrt(2 * eigenvalues.var() / (n + 2) / len(found))
    assert abs(found.mean() - eigenvalues.mean()) < 3 * error
    assert found.std() / np.sqrt(len(found)) == pytest.approx(error, rel=0.2)


def test_filter_normalized_directions_do_not_average_all_eigenvalues_alike():
    net = lnb.models.mlp((6,), channels=1, classes=4, image_size=8).double().eval()
    nn.init.normal_(net.linear.weight, generator=torch.Generator().manual_seed(0))
    net = lnb.rescale_relu(net, "hidden.1", "linear", 5.0)
    objective = lnb.Objective(net, [(images.double(), labels) for images, labels in [small_data()]])
    n = hessian_operator(objective).shape[0]
    mean_eigenvalue = np.trace(hessian_operator(objective) @ np.eye(n)) / n
    scores = {}
    for normalize in ("none", "filter"):
        directions = lnb.random_directions(net, 200, normalize=normalize, seed=2)
        found = np.array([curvature_along(objective, d) for d in directions])
        scores[normalize] = abs(found.mean() - mean_eigenvalue) / (found.std() / np.sqrt(len(found)))
    assert scores["none"] < 3
    assert scores["filter"] > 10


def test_a_hessian_that_is_not_finite_is_refused():
    infinite = lnb.Objective(small_net(), three_batches(), lambda o, t: o.exp().exp().exp().mean())
    far = lnb.scale(infinite.origin, 50.0)
    with pytest.raises(ValueError, match="params: the loss is inf there"):
        extreme_eigenvalues(infinite, far)
    objective = lnb.Objective(small_net(), three_batches(), lambda o, t: o.square().sqrt().mean())
    with pytest.raises(ValueError, match="params: the Hessian has NaN or infinite entries there"):
        extreme_eigenvalues(objective, lnb.scale(objective.origin, 0.0))


BAD = [
    (lambda o: extreme_eigenvalues(o, {"a": torch.ones(1)}), "params: has no tensor for '1.weight'"),
    (lambda o: extreme_eigenvalues(o, lnb.scale(o.origin, np.nan)), "params: '1.weight' has NaN"),
    (lambda o: extreme_eigenvalues(o, tolerance=0), "tolerance: got 0, wants a positive number"),
    (lambda o: extreme_eigenvalues(o, tolerance=-1e-3), "tolerance: got -0.001"),
    (lambda o: extreme_eigenvalues(o, tolerance=np.nan), "tolerance: got nan"),
    (lambda o: extreme_eigenvalues(o, seed=-1), "seed: got -1, wants a whole number from 0 up"),
    (lambda o: extreme_eigenvalues(o, ignore="biases"), "ignore: got 'biases'"),
    (lambda o: extreme_eigenvalues(o, ignore=lambda _: True), "ignore: it leaves no parameter"),
    (lambda o: extreme_eigenvalues(o, start=np.zeros(204)), "start: wants a finite direction, or 204 numbers"),
    (lambda o: extreme_eigenvalues(o, start=np.ones(3)), "start: wants"),
    (lambda o: extreme_eigenvalues(o, start={"a": torch.ones(1)}), "start: has no tensor for"),
    (lambda o: hessian_vector_product(o, {"a": torch.ones(1)}), "direction: has no tensor for"),
    (lambda o: curvature_along(o, lnb.scale(o.origin, 0.0)), "direction: it is zero"),
    (lambda o: spectral_density(o, steps=0), "steps: got 0, wants a whole number from 1 up"),
    (lambda o: spectral_density(o, probes=1.5), "probes: got 1.5"),
    (lambda o: spectral_density(o, grid=True), "grid: got True"),
    (lambda o: spectral_density(o, width=0), "width: got 0"),
    (lambda o: curvature_map(o, [o.origin]), "directions: got 1, a plane has two"),
    (lambda o: curvature_map(o, [o.origin, {}]), r"directions\[1\]: has no tensor"),
    (lambda o: curvature_map(o, [o.origin] * 2, (1, -1)), "extent: got"),
    (lambda o: curvature_map(o, [o.origin] * 2, tolerance=0), "tolerance: got 0"),
    (lambda o: curvature_map(o, [o.origin] * 2, origin={}), "origin: has no tensor"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(small_objective())


class Quadratic(nn.Module):
    """Its weights are its output, so that a loss of them has the Hessian that one likes."""

    def __init__(self, n):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, n))

    def forward(self, x):
        return self.w.expand(len(x), 1, -1)


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_eigenvalue_is_found_among_hundreds_of_zeros(seed):
    spectrum = torch.tensor([100.0, 50, 20, 10, 5, 2, 1] + [0] * 300 + [-3])
    model, data = Quadratic(len(spectrum)), (torch.zeros(5, 1), torch.zeros(5))
    objective = lnb.Objective(model, data, lambda w, t: (spectrum * w[0] ** 2).sum() / 2)
    ends = lnb.extreme_eigenvalues(objective, seed=seed)
    assert (ends.min, ends.max) == pytest.approx((-3, 100), rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_eigenvalue_of_a_trained_perceptron_is_negative(seed):
    pixels, digits = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels[:100], dtype=torch.float32) / 16, torch.tensor(digits[:100])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.2, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    objective = lnb.Objective(model, (x, y))
    exact = lnb.extreme_eigenvalues(objective, tolerance=1e-6)
    assert exact.min < -1e-4
    found = lnb.extreme_eigenvalues(objective, tolerance=1e-2, seed=seed)
    assert found.min == pytest.approx(exact.min, rel=0.5)


def test_curvature_through_weight_normalization_is_that_of_the_loss():
    torch.manual_seed(0)
    model = weight_norm(nn.Linear(5, 4)).double()
    objective = lnb.Objective(model, (torch.randn(40, 5).double(), LABELS))
    for seed in range(3):
        (direction,) = lnb.random_directions(model, 1, normalize="none", seed=seed)
        step = 1e-4
        low, mid, high = (objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-step, 0, step))
        wanted = (low - 2 * mid + high) / step**2 / lnb.norm(direction) ** 2
        assert lnb.curvature_along(objective, direction) == pytest.approx(wanted, abs=1e-6)
