"""Principal components against scikit-learn, projections against least squares, chance against its law."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import SIZE, Lazy, as_matrix, as_points, walk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from torch import nn

import landscape_nb as lnb
from landscape_nb.trajectories import difference_rows as rows
from landscape_nb.trajectories import pca, random_walk
from landscape_nb.weights.params import unflatten


@pytest.fixture(scope="module")
def run():
    net = lnb.models.mlp((10,), batch_norm=True, channels=1, classes=10, image_size=8, seed=0)
    data = lnb.datasets.digits().subset(128)
    return lnb.train(net, data, epochs=6, batch_size=32, record=1, cache=False, progress=False)


@pytest.fixture(scope="module")
def objective(run):
    return lnb.Objective(run.model, lnb.datasets.digits().subset(128))


@pytest.mark.parametrize(
    ("dtype", "scale", "atol"),
    [(torch.float64, 1, 1e-10), (torch.float32, 1, 1e-5), (torch.float32, 1e-3, 1e-4), (torch.float16, 1, 1e-5)],
)
@pytest.mark.parametrize("block", [1, 3, 16])
def test_components_are_those_of_scikit_learn(dtype, scale, atol, block, monkeypatch):
    monkeypatch.setattr(rows, "_BLOCK_POINTS", block)
    monkeypatch.setattr(pca, "_COLUMNS", 7)
    points = walk(scale=scale, dtype=dtype)
    matrix = as_matrix(points)
    oracle = PCA(3).fit(matrix - matrix[-1])
    found = pca.pca_directions(points, 3)
    np.testing.assert_allclose(found.explained_variance_ratio, oracle.explained_variance_ratio_, rtol=1e-5)
    for direction, component in zip(as_matrix(found.directions), oracle.components_, strict=True):
        sign = np.sign(component[np.abs(component).argmax()])
        np.testing.assert_allclose(direction, sign * component, atol=atol)


def test_components_of_a_run_are_those_of_scikit_learn(run):
    matrix = as_matrix(run.points)
    assert len(matrix) == 7
    oracle = PCA(2).fit(matrix - matrix[-1])
    found = pca.pca_directions(run)
    np.testing.assert_allclose(found.explained_variance_ratio, oracle.explained_variance_ratio_, rtol=1e-6)
    cosines = (as_matrix(found.directions) * oracle.components_).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
    np.testing.assert_allclose(lnb.cosines(found.directions), np.eye(2), atol=1e-6)
    np.testing.assert_allclose([lnb.norm(d) for d in found.directions], 1, atol=1e-6)
    assert [d.made for d in found.directions] == [
        {"kind": "principal component", "number": i, "normalization": "none"} for i in (0, 1)
    ]
    for name, tensor in run.points[-1].items():
        torch.testing.assert_close(found.origin[name], tensor, rtol=0, atol=0)


def test_the_largest_entry_is_positive_and_the_path_may_be_mirrored():
    matrix = random_walk.random_walk(8, SIZE, 3)
    found, mirrored = (as_matrix(pca.pca_directions(as_points(sign * matrix)).directions) for sign in (1, -1))
    np.testing.assert_allclose(found, mirrored, atol=1e-6)
    for row in found:
        assert row[np.abs(row).argmax()] > 0


def test_the_plane_through_the_mean_is_the_closest():
    points = walk()
    at_mean, at_end = (pca.pca_directions(points, center=center) for center in ("mean", "final"))
    np.testing.assert_allclose(as_matrix([at_mean.origin])[0], as_matrix(points).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(as_matrix(at_mean.directions), as_matrix(at_end.directions))
    squares = [float((pca.project(points, p.directions, p.origin).distance ** 2).sum()) for p in (at_mean, at_end)]
    variance = ((as_matrix(points) - as_matrix(points).mean(axis=0)) ** 2).sum()
    assert squares[0] == pytest.approx(variance * (1 - at_mean.explained_variance_ratio.sum()), rel=1e-4)
    assert squares[1] > 1.1 * squares[0]


def test_float16_points_give_a_float32_origin_and_directions():
    found = pca.pca_directions(walk(dtype=torch.float16))
    assert {t.dtype for params in (found.origin, *found.directions) for t in params.values()} == {torch.float32}
    xy = pca.project(walk(dtype=torch.float16), found.directions, found.origin)
    assert float(xy.alpha[-1]) == float(xy.distance[-1]) == 0


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 4), stretch=st.floats(-3, 3), tilt=st.floats(0, 10))
def test_projection_is_least_squares(seed, count, stretch, tilt):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((count, SIZE)) * 10.0 ** (stretch * np.arange(count)[:, None] / count)
    matrix += tilt * rng.standard_normal((count, 1)) * matrix[0]
    assume((np.linalg.norm(matrix, axis=1) > 0).all())
    assume(np.linalg.cond(matrix / np.linalg.norm(matrix, axis=1)[:, None]) < 1e3)
    origin, points = rng.standard_normal(SIZE), rng.standard_normal((3, SIZE))
    xy = pca.project(*(as_points(m, torch.float64) for m in (points, matrix)), as_points([origin], torch.float64)[0])
    expected, residual = np.linalg.lstsq(matrix.T, (points - origin).T)[:2]
    names = {1: ["alpha"], 2: ["alpha", "beta"]}.get(count)
    found = np.stack([xy[name] for name in names]) if names else xy.coordinate.transpose("direction", "point").values
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(xy.distance**2, residual, rtol=1e-8)
    in_plane = np.linalg.norm(expected.T @ matrix, axis=1)
    np.testing.assert_allclose(xy.in_plane, in_plane, rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_points_of_the_plane_are_found_where_the_grid_has_them(seed, a, b):
    origin, *directions = as_points(np.random.default_rng(seed).standard_normal((3, SIZE)), torch.float64)
    xy = pca.project([lnb.move(origin, directions, (a, b))], directions, origin)
    np.testing.assert_allclose([xy.alpha[0], xy.beta[0], xy.distance[0]], [a, b, 0], atol=1e-12)


def test_off_the_plane_the_distance_is_what_was_added():
    origin, d1, d2, off = as_points(np.eye(SIZE)[:4] * [[1], [2], [3], [4]] + np.eye(SIZE)[4], torch.float64)
    aside = unflatten(torch.eye(SIZE, dtype=torch.float64)[9], origin)
    point = lnb.move(lnb.move(origin, (d1, d2), (0.5, -2)), [aside], [7])
    xy = pca.project([point, off], (d1, d2), origin)
    np.testing.assert_allclose([xy.alpha[0], xy.beta[0], xy.distance[0]], [0.5, -2, 7], atol=1e-12)
    closest = lnb.move(origin, (d1, d2), (float(xy.alpha[1]), float(xy.beta[1])))
    assert lnb.norm(lnb.add(off, lnb.scale(closest, -1))) == pytest.approx(float(xy.distance[1]), rel=1e-12)


def test_random_directions_see_next_to_nothing_of_a_run(run):
    """Figure 8: the path is orthogonal to nearly everything; its own components hold it."""
    random = pca.project(run, lnb.random_directions(run.model, 2), run.points[-1])
    own = pca.pca_directions(run)
    best = pca.project(run, own.directions, own.origin)
    assert random.in_plane[0] < 0.2 * random.distance[0]
    assert best.in_plane[0] > 2 * best.distance[0]


def test_a_run_keeps_its_epochs(run):
    found = pca.pca_directions(run)
    xy = pca.project(run, found.directions, found.origin)
    assert xy.epoch.values.tolist() == run.epochs
    assert xy.attrs["lr_drops"] == run.lr_drops
    assert json.loads(xy.attrs["directions"]) == [d.made for d in found.directions]
    assert xy.alpha[-1] == xy.beta[-1] == xy.distance[-1] == 0
    assert "epoch" not in pca.project(run.points, found.directions, found.origin).coords


def test_coordinates_are_those_of_the_evaluated_plane(run, objective):
    """The loss at a projection is the loss that `evaluate_plane` has there."""
    found = pca.pca_directions(run)
    path = pca.plane_gap(objective, run, found.directions, found.origin)
    a, b = (float(path[name][2]) for name in ("alpha", "beta"))
    plane = lnb.evaluate_plane(objective, found.directions, [(a, a + 1), (b, b + 1)], 2, found.origin, progress=False)
    assert float(plane.loss[0, 0]) == pytest.approx(float(path.plane_loss[2]), rel=1e-5)


def test_the_loss_of_a_run_is_that_of_its_networks(run, objective):
    found = pca.pca_directions(run)
    path = pca.plane_gap(objective, run, found.directions, found.origin)
    images, labels = lnb.datasets.digits().subset(128).train
    for epoch, loss in zip(run.epochs, path.loss.values, strict=True):
        with torch.no_grad():
            assert loss == pytest.approx(float(F.cross_entropy(run.model_at(epoch)(images), labels)), rel=1e-5)
    np.testing.assert_array_equal(path.gap, path.loss - path.plane_loss)
    assert abs(float(path.gap[-1])) < 1e-6
    assert np.abs(path.gap[:-1]).max() > 1e-3
    without = pca.plane_gap(objective, run.points, found.directions, found.origin)
    assert without.loss[0] != path.loss[0]


def test_a_path_in_the_plane_has_no_gap(objective):
    directions = lnb.random_directions(objective.origin, 2, ignore=None)
    places = [(0.3, -0.2), (-1.0, 0.5), (0.0, 0.0)]
    points = [lnb.move(objective.origin, directions, place) for place in places]
    path = pca.plane_gap(objective, points, directions, objective.origin)
    np.testing.assert_allclose(np.stack([path.alpha, path.beta], 1), places, atol=1e-6)
    np.testing.assert_allclose(path.gap, 0, atol=1e-5)
    assert np.ptp(path.loss.values) > 0.1


def test_the_gap_of_float16_points_and_of_more_directions_than_two(objective):
    directions = lnb.random_directions(objective.origin, 3, ignore=None)
    half = [{name: t.half() for name, t in lnb.move(objective.origin, directions, (0.1, 0.2, 0.3)).items()}]
    path = pca.plane_gap(objective, half, directions, objective.origin)
    assert path.coordinate.dims == ("point", "direction")
    np.testing.assert_allclose(path.coordinate[0], [0.1, 0.2, 0.3], atol=1e-3)
    assert abs(float(path.gap[0])) < 1e-2


def test_runs_share_a_plane():
    runs = [walk(5, seed=1), Lazy(walk(9, seed=2)), walk(4, seed=3)]
    matrix = np.vstack([as_matrix(list(run)) for run in runs])
    oracle = PCA(2).fit(matrix)
    found = pca.shared_plane(runs)
    np.testing.assert_allclose(found.explained_variance_ratio, oracle.explained_variance_ratio_, rtol=1e-5)
    cosines = (as_matrix(found.directions) * oracle.components_).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
    np.testing.assert_array_equal(as_matrix([found.origin])[0], as_matrix(runs[0])[-1])


def test_what_cannot_be_decomposed_is_said():
    points = walk()
    with pytest.raises(ValueError, match=r"count: got 2, which takes 3 points or more; there are 2"):
        pca.pca_directions(points[:2])
    with pytest.raises(ValueError, match=r"count: got 0, wants a whole number from 1 up"):
        pca.pca_directions(points, 0)
    with pytest.raises(ValueError, match=r"trajectory: all 4 points are equal"):
        pca.pca_directions([points[0]] * 4)
    with pytest.raises(ValueError, match=r"count: got 2, the 4 points span 1 direction"):
        pca.pca_directions(as_points(np.arange(4)[:, None] * np.ones(SIZE)))
    with pytest.raises(ValueError, match=r"center: got 'first', wants one of 'final', 'mean'"):
        pca.pca_directions(points, center="first")
    with pytest.raises(TypeError, match=r"trajectory: got dict, wants a Trajectory or a sequence"):
        pca.pca_directions(points[0])
    with pytest.raises(ValueError, match=r"trajectory\[1\]: 'w' has NaN"):
        pca.pca_directions([points[0], points[1] | {"w": torch.full((4, 6), torch.nan)}, *points[2:]])
    with pytest.raises(ValueError, match=r"trajectories: got none"):
        pca.shared_plane([])
    with pytest.raises(TypeError, match=r"trajectories\[1\]: got int"):
        pca.shared_plane([points, 3])
    with pytest.raises(ValueError, match=r"trajectories\[7\]: has no tensor for 'b'"):
        pca.shared_plane([points, [{"w": points[0]["w"]}]])


def test_what_cannot_be_projected_is_said():
    origin, d1, d2, other = walk(4)
    nothing = lnb.scale(d1, 0)
    for dependent in ([d1, lnb.scale(d1, -3.7)], [d1, nothing], [nothing], [d1, d2, lnb.add(d1, d2)]):
        with pytest.raises(ValueError, match=r"directions: the \d are linearly dependent"):
            pca.project([other], dependent, origin)
    with pytest.raises(ValueError, match=r"directions: got none"):
        pca.project([other], [], origin)
    with pytest.raises(ValueError, match=r"points: got none"):
        pca.project([], [d1, d2], origin)
    with pytest.raises(ValueError, match=r"directions\[1\]: has no tensor for 'w'"):
        pca.project([other], [d1, {"b": d2["b"]}], origin)
    with pytest.raises(ValueError, match=r"points\[0\]: 'b' has shape \(2,\), wants \(5,\)"):
        pca.project([other | {"b": torch.zeros(2)}], [d1, d2], origin)
    with pytest.raises(TypeError, match=r"points: got dict"):
        pca.project(other, [d1, d2], origin)


def test_nothing_that_was_given_is_touched(run, objective):
    before = copy.deepcopy(run.states)
    model = nn.Module.state_dict(run.model)
    kept = {name: tensor.clone() for name, tensor in model.items()}
    found = pca.pca_directions(run)
    pca.plane_gap(objective, run, found.directions, found.origin)
    for tensor in found.origin.values():
        tensor.zero_()
    for old, new in zip(before, run.states, strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)
    assert all(torch.equal(kept[name], tensor) for name, tensor in run.model.state_dict().items())
