"""Values interpolated between scattered points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape_nb.surfaces.rbf import interpolate_scattered, spread_out


@given(seed=st.integers(0, 1000), count=st.integers(9, 60))
@settings(deadline=None, max_examples=30, derandomize=True)
def test_planes_are_interpolated_exactly(seed, count):
    rng = np.random.default_rng(seed)
    points, targets = rng.uniform(0, 30, (count, 2)), rng.uniform(0, 30, (7, 2))
    a, b, c = rng.normal(size=3)
    found = interpolate_scattered(points, points @ [a, b] + c, targets)
    np.testing.assert_allclose(found.values, targets @ [a, b] + c, atol=1e-4)


def test_interpolation_is_scipys():
    from scipy.interpolate import RBFInterpolator

    rng = np.random.default_rng(0)
    points, targets = rng.uniform(0, 5, (20, 2)), rng.uniform(0, 5, (9, 2))
    for values, kernel in ((np.sin(points).sum(1), "cubic"), (rng.normal(size=20), "linear")):
        found = interpolate_scattered(points, values, targets)
        expected = RBFInterpolator(points, values, kernel=kernel, degree=1)(targets)
        assert found.power == {"cubic": 3, "linear": 1}[kernel]
        np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_points_on_one_line_are_no_accident():
    points = np.stack([np.arange(12.0), np.zeros(12)], 1)
    found = interpolate_scattered(points, np.arange(12.0), np.array([[3.5, 0.0], [3.5, 2.0]]))
    assert found.values[0] == pytest.approx(3.5, abs=1e-3)
    assert np.isfinite(found.values).all()


def test_chosen_points_keep_apart():
    chosen, taken = spread_out(np.arange(100), (10, 10), np.full(100, 3.0), 50)
    rows = np.array([divmod(point, 10) for point in chosen])
    gaps = np.abs(rows[:, None] - rows[None]).max(-1) + 99 * np.eye(len(rows))
    assert gaps.min() == 3
    assert taken.sum() == len(chosen) == 16
