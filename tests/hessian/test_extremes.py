"""Hessians of small networks against dense matrices, finite differences, curvlinops and closed forms."""

import copy
import random
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import batch_norm_net, quadratic_objective, small_data
from curvlinops import HessianLinearOperator
from scipy.sparse.linalg import eigsh
from torch import nn

import landscape_nb as lnb
from landscape_nb.hessian import curvature_map as curvature
from landscape_nb.hessian.curvature_map import curvature_map
from landscape_nb.hessian.density import spectral_density
from landscape_nb.hessian.extremes import curvature_along, extreme_eigenvalues
from landscape_nb.hessian.operator import hessian_operator, hessian_vector_product
from landscape_nb.weights.params import flatten, unflatten

SPECTRUM = np.concatenate([[-4.0, -1.0], np.linspace(-0.5, 2, 35), [3.0, 7.0, 20.0]])


def small_net(dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 4)).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator))
    return net


def three_batches(dtype=torch.float64, sizes=(7, 30, 13)):
    images, labels = small_data()
    return list(zip(images.to(dtype).split(sizes), labels.split(sizes), strict=True))


def small_objective(dtype=torch.float64, sizes=(7, 30, 13)):
    return lnb.Objective(small_net(dtype), three_batches(dtype, sizes))


def dense_hessian(net, ignore_biases=True):
    """By torch, of the mean over all samples at once, without the library."""
    images, labels = small_data()
    params = lnb.parameters_of(net)
    chosen = {name: p for name, p in params.items() if p.ndim > 1 or not ignore_biases}

    def loss(vector):
        outputs = torch.func.functional_call(net, params | unflatten(vector, chosen), (images.to(vector.dtype),))
        return F.cross_entropy(outputs, labels)

    return torch.autograd.functional.hessian(loss, flatten(chosen)).numpy()


def quadratic(spectrum=SPECTRUM, dtype=torch.float64, seed=0):
    """An objective whose Hessian has this spectrum everywhere, and the matrix of its eigenvectors."""
    n = len(spectrum)
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    matrix = torch.from_numpy(vectors * spectrum @ vectors.T).to(dtype)
    return quadratic_objective(matrix, torch.ones(n, dtype=dtype)), vectors


def random_vector(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def alike(found, wanted):
    """How parallel two vectors are: 1 for the same up to sign and length."""
    return abs(found @ wanted) / np.linalg.norm(found) / np.linalg.norm(wanted)


@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,)], ids=["three unequal batches", "one batch"])
@pytest.mark.parametrize("ignore", ["one-dimensional", None])
def test_products_are_those_of_the_dense_hessian(sizes, ignore):
    operator = hessian_operator(small_objective(sizes=sizes), ignore=ignore)
    dense = dense_hessian(small_net(), ignore_biases=ignore is not None)
    assert operator.dtype == np.float64
    assert operator.shape == dense.shape
    for seed in range(3):
        v = random_vector(len(dense), seed)
        np.testing.assert_allclose(operator @ v, dense @ v, rtol=1e-9, atol=1e-12)
    assert operator.products == 3
    np.testing.assert_allclose(operator.T @ v, dense @ v, rtol=1e-9, atol=1e-12)


def test_products_are_differences_of_gradients_and_hold_ignored_tensors():
    objective = small_objective()
    direction = lnb.random_directions(objective.origin, 1, normalize="none", seed=1)[0]
    product = hessian_vector_product(objective, direction)

    def gradient(step):
        point = lnb.move(objective.origin, [direction], [step])
        leaves = {name: tensor.requires_grad_() for name, tensor in point.items()}
        loss = sum(share * loss for share, loss in objective.evaluator.batch_losses(leaves))
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    ahead, behind = gradient(1e-5), gradient(-1e-5)
    for name, tensor in product.items():
        if tensor.ndim == 1:
            assert not tensor.any()
        else:
            assert torch.allclose(tensor, (ahead[name] - behind[name]) / 2e-5, rtol=1e-5, atol=1e-8)


def test_a_function_of_the_name_chooses_parameters():
    dense = dense_hessian(small_net())
    operator = hessian_operator(small_objective(), ignore=lambda name: name != "3.weight")
    v = random_vector(12)
    np.testing.assert_allclose(operator @ v, dense[-12:, -12:] @ v, rtol=1e-9)
    direction = operator.direction(v, kind="mine")
    assert direction.made == {"kind": "mine"}
    assert [name for name, tensor in direction.items() if tensor.any()] == ["3.weight"]
    np.testing.assert_array_equal(operator.vector(direction), v)


def test_products_of_a_batch_norm_net_are_those_of_curvlinops():
    model, (images, labels) = batch_norm_net().double(), small_data()
    data = [(images[:20].double(), labels[:20]), (images[20:].double(), labels[20:])]
    params = [p for p in model.parameters() if p.ndim > 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = HessianLinearOperator(model, nn.CrossEntropyLoss(), params, data, check_deterministic=False)
        v = random_vector(theirs.shape[0])
        wanted = (theirs @ torch.from_numpy(v)).detach().numpy()
    np.testing.assert_allclose(hessian_operator(lnb.Objective(model, data)) @ v, wanted, rtol=1e-8, atol=1e-12)


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
    for direction, vector, place in ((ends.min_vector, vectors[:, 0], 0), (ends.max_vector, vectors[:, -1], 1)):
        assert alike(operator.vector(direction), vector) > 1 - 1e-5
        assert lnb.norm(direction) == pytest.approx(1, abs=1e-5)
        assert direction.made["kind"] == "Hessian eigenvector"
        v = operator.vector(direction)
        residual = np.linalg.norm(operator @ v - (ends.min, ends.max)[place] * v) / ends.max
        assert ends.residuals[place] == pytest.approx(residual, rel=0.1, abs=1e-7)


@pytest.mark.parametrize("size", [1, 2, 3, 19, 20, 21, 40])
def test_extremes_of_a_quadratic_of_any_size(size):
    spectrum = SPECTRUM[np.linspace(0, len(SPECTRUM) - 1, size).astype(int)]
    objective, vectors = quadratic(spectrum)
    ends = extreme_eigenvalues(objective, tolerance=1e-6)
    assert (ends.min, ends.max) == pytest.approx((spectrum[0], spectrum[-1]), rel=1e-8)
    assert alike(flatten(ends.max_vector).numpy(), vectors[:, -1]) > 1 - 1e-8
    assert alike(flatten(ends.min_vector).numpy(), vectors[:, 0]) > 1 - 1e-8


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rank", [3, 20, 35])
def test_the_smallest_eigenvalue_of_a_convex_loss_is_zero(dtype, rank):
    """ARPACK's stopping rule, a residual small beside the eigenvalue, never holds at 0."""
    objective, _ = quadratic(np.concatenate([np.zeros(60 - rank), np.linspace(0.1, 10, rank)]), dtype)
    ends = extreme_eigenvalues(objective)
    assert ends.max == pytest.approx(10, rel=1e-4)
    assert abs(ends.min) < 2e-3
    assert ends.products < 60


def test_a_negative_definite_and_a_constant_and_a_zero_hessian():
    ends = extreme_eigenvalues(quadratic(-np.linspace(1, 9, 40))[0])
    assert (ends.min, ends.max) == pytest.approx((-9, -1), rel=1e-4)
    ends = extreme_eigenvalues(quadratic(np.full(40, 2.5))[0])
    assert (ends.min, ends.max, ends.ratio) == pytest.approx((2.5, 2.5, 1))
    linear = lnb.Objective(small_net(), three_batches(), lambda outputs, _: outputs.mean())
    ends = extreme_eigenvalues(linear, ignore=lambda name: name != "3.weight")
    assert (ends.min, ends.max, ends.residuals) == (0, 0, (0, 0))
    assert np.isnan(ends.ratio)
    ends = extreme_eigenvalues(quadratic(np.zeros(40))[0])
    assert (ends.min, ends.max) == (0, 0)


@pytest.fixture(scope="module")
def trained(digits):
    """A small convolutional net after a few steps on 64 digits."""
    data = digits.subset(64)
    model = lnb.models.vgg9(0.0625, **data.shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(model(data.train[0]), data.train[1]).backward()
        optimizer.step()
    return lnb.Objective(model, data)


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


def test_a_start_in_a_space_of_its_own_still_finds_both_ends():
    """Products of a diagonal matrix never leave the coordinates that a start has."""
    spectrum = torch.linspace(-1, 9, 60).double()
    objective = quadratic_objective(torch.diag(spectrum), torch.ones(60).double())
    ends = extreme_eigenvalues(objective, start=np.pad(np.ones(40), 10))
    assert (ends.min, ends.max) == pytest.approx((-1, 9), rel=1e-4)


@pytest.mark.parametrize("sizes", [(7, 30, 13), (50,)], ids=["rebuilt", "kept"])
def test_every_product_counts_and_the_graph_of_a_single_batch_is_built_once(sizes, monkeypatch):
    objective, built, products = small_objective(sizes=sizes), [], []
    hessian_operator(objective)  # the gradient is compared with the loss once, for all operators
    batch_losses, grad = objective.evaluator.batch_losses, torch.autograd.grad
    monkeypatch.setattr(objective, "batch_losses", lambda params: built.append(1) or batch_losses(params))
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: products.append("create_graph" not in k) or grad(*a, **k)
    )
    ends = extreme_eigenvalues(objective)
    assert sum(products) == ends.products * len(sizes)
    assert len(built) == (1 if len(sizes) == 1 else ends.products)


def test_the_same_seed_gives_the_same_digits(trained):
    first, second = (extreme_eigenvalues(trained, tolerance=1e-2, seed=3) for _ in range(2))
    assert (first.min, first.max, first.residuals) == (second.min, second.max, second.residuals)


def test_a_residual_above_the_tolerance_warns():
    with pytest.warns(UserWarning, match=r"a residual of .* exceeds twice the tolerance 1e-12"):
        extreme_eigenvalues(quadratic(SPECTRUM[:10], torch.float32)[0], tolerance=1e-12)


def test_no_convergence_says_so(monkeypatch):
    monkeypatch.setattr("landscape_nb.hessian.lanczos._RESTARTS", 1)
    with pytest.raises(RuntimeError, match=r"tolerance: the eigenvalues did not reach 1e-10 within \d+ Hessian"):
        extreme_eigenvalues(quadratic(np.linspace(-1, 1, 400))[0], tolerance=1e-10)


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


def test_quadrature_has_the_moments_of_the_hessian():
    """The weights are the squared first entries of T's eigenvectors: only they give vᵀHᵏv."""
    objective, _ = quadratic()
    density = spectral_density(objective, steps=40, probes=1, seed=7)
    matrix = objective.model.matrix.numpy()
    v = np.random.default_rng(7).standard_normal(40)
    v /= np.linalg.norm(v)
    np.testing.assert_allclose(np.sort(density.nodes.values[0]), np.sort(SPECTRUM), atol=1e-8)
    for power in (0, 1, 2, 3):
        moment = float((density.weights * density.nodes**power).sum())
        assert moment == pytest.approx(v @ np.linalg.matrix_power(matrix, power) @ v, rel=1e-9)


def test_few_steps_are_exact_for_the_first_moments():
    objective, _ = quadratic()
    density = spectral_density(objective, steps=3, probes=2, seed=7)
    v = np.random.default_rng(7).standard_normal((2, 40))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    for power in range(1, 6):
        matrix = np.linalg.matrix_power(objective.model.matrix.numpy(), power)
        moments = (density.weights * density.nodes**power).sum("node")
        np.testing.assert_allclose(moments, np.einsum("pi,ij,pj->p", v, matrix, v), rtol=1e-9)


def test_the_density_integrates_to_one_and_its_mean_is_that_of_the_eigenvalues():
    dense = dense_hessian(small_net())
    density = spectral_density(small_objective(torch.float32), steps=25, probes=30)
    assert density.nodes.shape == density.weights.shape == (30, 25)
    np.testing.assert_allclose(density.weights.sum("node"), 1, rtol=1e-6)
    assert density.weights.min() >= 0
    assert np.trapezoid(density.density, density.eigenvalue) == pytest.approx(1, abs=1e-6)
    means = (density.weights * density.nodes).sum("node").values
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - np.trace(dense) / len(dense)) < 3 * error
    by_density = np.trapezoid(density.density * density.eigenvalue, density.eigenvalue)
    assert by_density == pytest.approx(means.mean(), rel=1e-3)
    assert density.attrs["objective"] == small_objective(torch.float32).fingerprint
    assert {"versions", "seed", "steps", "probes", "width", "products"} <= density.attrs.keys()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lanczos_that_ends_early_keeps_the_measure(dtype):
    """Three distinct eigenvalues: three nodes, weighted by how much of the probe lies in each space."""
    spectrum = np.array([-1.0] * 10 + [0.0] * 20 + [3.0] * 10)
    objective, vectors = quadratic(spectrum, dtype)
    density = spectral_density(objective, steps=30, probes=2, seed=1)
    v = np.random.default_rng(1).standard_normal((2, 40))
    shares = (v / np.linalg.norm(v, axis=1, keepdims=True) @ vectors) ** 2
    for probe in range(2):
        nodes, weights = density.nodes.values[probe], density.weights.values[probe]
        for value in (-1, 0, 3):
            near = np.abs(nodes - value) < 1e-3
            assert weights[near].sum() == pytest.approx(shares[probe][spectrum == value].sum(), abs=1e-5)
    assert float(density.weights.sum()) == pytest.approx(2)


def test_a_density_narrower_than_its_grid_still_integrates_to_one():
    for spectrum in (SPECTRUM, np.full(30, 2.0), np.zeros(30)):
        density = spectral_density(quadratic(spectrum)[0], steps=10, grid=50, width=1e-3)
        step = float(density.eigenvalue[1] - density.eigenvalue[0])
        assert float(density.density.sum()) * step == pytest.approx(1)


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

    def stops(self, points, measure=curvature._Curvature.__call__):
        if len(rows) == 2:
            raise KeyboardInterrupt
        rows.append(measure(self, points))
        return rows[-1]

    monkeypatch.setattr(curvature._Curvature, "__call__", stops)
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


def test_a_hessian_that_is_not_finite_is_refused():
    infinite = lnb.Objective(small_net(), three_batches(), lambda o, t: o.exp().exp().exp().mean())
    far = lnb.scale(infinite.origin, 50.0)
    with pytest.raises(ValueError, match="params: the loss is inf there"):
        extreme_eigenvalues(infinite, far)
    objective = lnb.Objective(small_net(), three_batches(), lambda o, t: o.square().sqrt().mean())
    with pytest.raises(ValueError, match="params: the Hessian has NaN or infinite entries there"):
        extreme_eigenvalues(objective, lnb.scale(objective.origin, 0.0))


def test_a_transformer_is_differentiated_twice():
    torch.manual_seed(0)
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(24, 3))
    objective = lnb.Objective(model.double(), (torch.randn(9, 3, 8).double(), torch.arange(9) % 3))
    direction = lnb.random_directions(model, 1, ignore=None)[0]
    losses = [objective(lnb.move(objective.origin, [direction], [a]))["loss"] for a in (-1e-4, 0, 1e-4)]
    second = (losses[0] - 2 * losses[1] + losses[2]) / 1e-8 / lnb.dot(direction, direction)
    assert curvature_along(objective, direction) == pytest.approx(second, rel=1e-3)


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


class HalfFrozen(torch.nn.Module):
    """Its first convolution counts as a constant: a replay of its calls would differentiate it."""

    def __init__(self, frozen):
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3)
        self.second, self.frozen = torch.nn.Conv2d(3, 4, 3), frozen

    def forward(self, x):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            y = self.norm(self.first(x))
        return self.second(torch.tanh(y)).mean((2, 3))


@pytest.mark.parametrize("frozen", [False, True])
def test_folded_batch_norm_has_the_dense_hessian(frozen):
    torch.manual_seed(0)
    model = HalfFrozen(frozen)
    with torch.no_grad():
        model.train()(3 * torch.randn(50, 1, 6, 6) + 1)
    data = torch.randn(12, 1, 6, 6), torch.arange(12) % 4
    operator = lnb.hessian_operator(lnb.Objective(model, data, batch_size=5), ignore=None)
    params = {name: p.detach() for name, p in model.eval().named_parameters()}
    sizes = [p.numel() for p in params.values()]

    def loss(vector):
        parts = zip(params.items(), vector.split(sizes), strict=True)
        outputs = torch.func.functional_call(model, {name: part.view(p.shape) for (name, p), part in parts}, data[0])
        return F.cross_entropy(outputs, data[1])

    dense = torch.autograd.functional.hessian(loss, torch.cat([p.flatten() for p in params.values()]))
    np.testing.assert_allclose(
        operator @ np.eye(len(dense), dtype=np.float32), dense, atol=2e-5 * float(dense.abs().max())
    )
    assert (operator._differentiated is operator.objective) == frozen
